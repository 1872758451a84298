"""Reads the files of a run, compares, and writes the table."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from device.sources.simulator import simulate
from scripts.measure.hour.kinds import KINDS, Kind, Medium
from tests.faults.tape import Item, Run, judge
from tests.faults.witnesses import told_of
from tests.truth.comparison import Findings, Row, compare
from tests.truth.rules import numbered

RECEIVED, RUN, TRUTH, LOG = "received.jsonl", "run.json", "truth.jsonl", "log"
SHARED = ("gateway", "client", "controllers")
HEAD = (
    "hardware",
    "measured",
    "readings",
    "values compared",
    "wrong",
    "invented",
    "missing",
    "repeated",
    "gaps",
    "link drops",
    "reconnects",
)


class Received(NamedTuple):
    """The readings and gaps of a bike that the client received, in order."""

    readings: list[Any]
    tape: list[Item]


@dataclass(frozen=True, slots=True)
class Result:
    """The row of a kind of hardware."""

    kind: str
    measured: int
    """How often the hardware measured the speed."""
    found: Findings
    missing: int
    repeated: int
    """Numbers that came again or late."""
    gaps: int
    drops: int | None
    reconnects: int | None
    faults: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        bad = (self.found.wrong, self.found.invented, self.missing, self.repeated, self.gaps)
        return self.found.readings > 0 and not any(bad) and not self.faults

    @property
    def cells(self) -> tuple[str, ...]:
        found, links = self.found, (self.drops, self.reconnects)
        judged = (found.values, found.wrong, found.invented)
        counts = (self.measured, found.readings, *judged, self.missing, self.repeated, self.gaps)
        told = (NO_LINK if one is None else f"{one:,}" for one in links)
        return (self.kind, *(f"{count:,}" for count in counts), *told)


NO_LINK = "\N{EN DASH}"


def read_results(folder: Path) -> list[Result]:
    """Compare what the client received with the truth, for each kind of a run."""
    run = json.loads((folder / RUN).read_text())
    with (folder / RECEIVED).open() as lines:
        received = sort_events(json.loads(line) for line in lines)
    nothing = Received([], [])
    return [
        _result(name, folder / name, received.get(name, nothing), run["seed"], run["ends"])
        for name in run["kinds"]
    ]


def sort_events(events: Iterable[tuple[str, Any]]) -> dict[str, Received]:
    """Sort the events of a client by bike."""
    bikes: dict[str, Received] = {}
    for event, body in events:
        if event not in {"reading", "gap"}:
            continue
        bike = bikes.setdefault(body["device_id"], Received([], []))
        if event == "gap":
            bike.tape.append(told_of(body))
        else:
            bike.readings.append(body)
            bike.tape.append(Run(body["epoch"], body["seq"], body["seq"]))
    return bikes


def _result(
    name: str, folder: Path, received: Received, seed: int, ends: Mapping[str, int]
) -> Result:
    """Compare the readings of a bike."""
    kind = KINDS[name]
    rows = list(_rows(kind, folder, seed, len(received.readings)))
    order = judge(received.tape)
    log = (folder / LOG).read_text()
    return Result(
        name,
        sum("speed_kmh" in row.values or "speed_kmh_max" in row.values for row in rows),
        compare(received.readings, rows, kind.rule),
        order.missing,
        order.repeated + order.out_of_order,
        len(order.gaps) + len(order.misfits),
        log.count(kind.lost) if kind.lost else None,
        log.count(kind.back) - kind.first if kind.back else None,
        [
            f"{end} ended with {code}"
            for end, code in ends.items()
            if code and end.split()[0] in {name, *SHARED}
        ],
    )


def _rows(kind: Kind, folder: Path, seed: int, readings: int) -> Iterator[Row]:
    """Return the truth; that of the simulator is what its seed gives."""
    if kind.medium is Medium.NONE:
        return numbered(islice(simulate(f"{seed}/0", 1.0), readings))
    lines = (folder / TRUTH).read_text().splitlines()
    return kind.rule.rows(json.loads(line) for line in lines)


def render(results: Sequence[Result]) -> str:
    """Format the table in Markdown."""
    table = [HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *(one.cells for one in results)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def summary(folder: Path) -> str:
    """Return one sentence with the length of the run and its use of the processors."""
    run = json.loads((folder / RUN).read_text())
    return (
        f"{run['seconds']:,.0f} s on {run['began']}, seed {run['seed']}, Spoke {run['revision']};"
        f" all processes together used {run['cpu_s'] / run['lasted_s']:.0%} of one core"
    )


def write_results(folder: Path, results: Sequence[Result]) -> None:
    """Write the results beside the files of the run, as JSON and as Markdown."""
    (folder / "results.json").write_text(json.dumps([asdict(one) for one in results], indent=1))
    (folder / "results.md").write_text(f"{summary(folder)}.\n\n{render(results)}\n")
