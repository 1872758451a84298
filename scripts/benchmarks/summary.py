"""Medians, ratios, the requirements for Spoke, and their tables. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import NamedTuple, TypeAlias

Figures: TypeAlias = Mapping[str, float]
Key: TypeAlias = tuple[str, str]
"""A workload and a server."""
Rounds: TypeAlias = Mapping[Key, Sequence[Figures]]
Medians: TypeAlias = Mapping[Key, Figures]

CONFIDENCE = 0.95
NOTHING = "-"
MISSED = "MISSED"
BUSY_PART = 0.9
"""A load client that uses this part of a core may have limited the result itself."""


@dataclass(frozen=True)
class Demand:
    """A requirement for Spoke: a figure, or its ratio to another server's, and the bounds."""

    text: str
    workload: str
    figure: str
    must: float
    aim: float | None = None
    over: Key | None = None
    """The workload and the server to divide by."""
    at_least: bool = False
    """Whether ``must`` and ``aim`` are lower bounds. By default they are upper bounds."""


DEMANDS = (
    Demand("CPU a delivery / C loop", "steady", "cpu_us", 1.4, 1.2, ("steady", "loop")),
    Demand("CPU a delivery / Node.js", "steady", "cpu_us", 0.45, None, ("steady", "node")),
    Demand("CPU a delivery / stock gevent", "steady", "cpu_us", 0.22, None, ("steady", "gevent")),
    Demand("9,000 clients: readings missing", "many", "missing", 0),
    Demand("9,000 clients: clients lost", "many", "lost", 0),
    Demand(
        "9,000 clients: CPU a delivery / at 1,000", "many", "cpu_us", 1.3, None, ("steady", "spoke")
    ),
    Demand("joined: CPU a delivery / C loop", "joined", "cpu_us", 0.25, 0.15, ("joined", "loop")),
    Demand("most deliveries a second", "most", "deliveries_hz", 1e6, 3e6, at_least=True),
    Demand(
        "most deliveries a second / Node.js",
        "most",
        "deliveries_hz",
        5,
        None,
        ("most", "node"),
        True,
    ),
    Demand("readings taken in a second", "intake", "rate_hz", 20_000, 50_000, at_least=True),
    Demand(
        "5 of 1,000: CPU a delivery / Node.js", "random", "cpu_us", 0.6, 0.4, ("random", "node")
    ),
    Demand(
        "polling: CPU a delivery / stock gevent",
        "polling",
        "cpu_us",
        0.5,
        None,
        ("polling", "gevent"),
    ),
    Demand("kB a client", "steady", "client_kb", 14, 10),
    Demand("kB a client / Node.js", "steady", "client_kb", 0.35, None, ("steady", "node")),
    Demand("full rings: MB held of 64 MB allowed", "rings", "rings_mb", 64 * 1.2),
    Demand(
        "connects a second / Node.js", "steady", "connects_hz", 1, None, ("steady", "node"), True
    ),
    Demand(
        "polling, then upgrade: connects a second / Node.js",
        "upgrade",
        "connects_hz",
        1,
        None,
        ("upgrade", "node"),
        True,
    ),
    Demand("1 client: p50 / Node.js", "single", "all_p50_ms", 1.3, None, ("single", "node")),
    Demand("last of 1,000: p50 / Node.js", "steady", "last_p50_ms", 0.5, 0.3, ("steady", "node")),
    Demand(
        "100 never read: p99 of the rest / none such",
        "deaf",
        "all_p99_ms",
        1.2,
        None,
        ("hearing", "spoke"),
    ),
    Demand("100 never read, 10 minutes: MB grown", "flat", "growth_mb", 1),
    Demand(
        "1,000 resume at once: p99 of the rest / none such",
        "resume",
        "all_p99_ms",
        3,
        None,
        ("steady", "spoke"),
    ),
)


class Verdict(NamedTuple):
    """The result for a requirement. ``value`` is None if it was not measured."""

    demand: Demand
    value: float | None
    words: str


def medians(rounds: Rounds) -> Medians:
    """Return the median of each figure over the rounds that have it."""
    return {
        key: {
            figure: median(each[figure] for each in several if figure in each)
            for figure in dict.fromkeys(name for each in several for name in each)
        }
        for key, several in rounds.items()
        if several
    }


def judge(demand: Demand, found: Medians) -> Verdict:
    """Compare the results with one requirement.

    The verdict notes a server that fell behind, because its figures look better than they are.
    """
    compared = [found.get((demand.workload, "spoke"), {})]
    if demand.over is not None:
        compared.append(found.get(demand.over, {}))
    values = [figures[demand.figure] for figures in compared if demand.figure in figures]
    if len(values) < len(compared) or 0 in values[1:]:
        return Verdict(demand, None, "not measured")
    value = values[0] / values[1] if len(values) > 1 else values[0]
    behind = any(figures.get("kept_up") == 0 for figures in compared)
    return Verdict(demand, value, _words(value, demand) + (", behind" if behind else ""))


def _words(value: float, demand: Demand) -> str:
    if demand.aim is not None and _reaches(value, demand.aim, demand):
        return "aim reached"
    return "met" if _reaches(value, demand.must, demand) else MISSED


def _reaches(value: float, bound: float, demand: Demand) -> bool:
    return value >= bound if demand.at_least else value <= bound


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and the interval that contains the true median with at least 95 %.

    The interval follows from the order of the values (binomial distribution), so it holds for any
    distribution of the values. With fewer than six values no such interval exists; then this
    function returns their range.
    """
    ordered = sorted(values)
    count, outside, tail = len(ordered), 0, 0.0
    while outside < count // 2:
        tail += comb(count, outside) / 2**count
        if 2 * tail > 1 - CONFIDENCE:
            break
        outside += 1
    lowest = max(0, outside - 1)
    return median(ordered), ordered[lowest], ordered[-1 - lowest]


COLUMNS: Mapping[str, tuple[str, str]] = {
    "cpu_us": ("CPU µs/delivery", "{:.2f}"),
    "deliveries_hz": ("deliveries/s", "{:,.0f}"),
    "rate_hz": ("readings/s", "{:,.0f}"),
    "first_p50_ms": ("first p50 ms", "{:.2f}"),
    "last_p50_ms": ("last p50 ms", "{:.2f}"),
    "all_p99_ms": ("p99 ms", "{:.2f}"),
    "client_kb": ("kB/client", "{:.1f}"),
    "connects_hz": ("connects/s", "{:,.0f}"),
    "missing": ("missing", "{:,.0f}"),
}


def workload_table(name: str, found: Medians, titles: Mapping[str, str]) -> str:
    """Make the Markdown table of one workload: a row for each server, and notes below."""
    rows = [
        [titles[server], *(_cell(figures, figure) for figure in COLUMNS)]
        for (workload, server), figures in found.items()
        if workload == name
    ]
    head = ["server", *(title for title, _ in COLUMNS.values())]
    return "\n".join([table(head, rows), *_notes(name, found, titles)])


def _cell(figures: Figures, figure: str) -> str:
    return COLUMNS[figure][1].format(figures[figure]) if figure in figures else NOTHING


def _notes(name: str, found: Medians, titles: Mapping[str, str]) -> Iterable[str]:
    for (workload, server), figures in found.items():
        if workload != name:
            continue
        if figures.get("kept_up") == 0:
            yield f"\n{titles[server]} fell behind: not everything arrived within a second."
        busy = max(figures.get("load_part", 0), figures.get("limit_load_part", 0))
        if busy >= BUSY_PART:
            yield (
                f"\nWith {titles[server]} the load client used {busy:.0%} of a core: the limit may"
                " be the load client's."
            )


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Make the Markdown table of the requirements."""
    rows = [
        [
            verdict.demand.text,
            NOTHING if verdict.value is None else _number(verdict.value),
            ("≥ " if verdict.demand.at_least else "≤ ") + _number(verdict.demand.must),
            "" if verdict.demand.aim is None else _number(verdict.demand.aim),
            verdict.words,
        ]
        for verdict in verdicts
    ]
    return table(["of Spoke", "found", "must", "aim", ""], rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == 0 or value >= 100 else f"{value:.2f}"  # noqa: PLR2004  # three digits are enough


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a Markdown table. A column is as wide as its widest cell."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    written = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    written.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(written)
