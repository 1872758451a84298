"""``scripts/bench --cluster``: what several gateways cost, and what a killed one costs."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from scripts.benchmarks.cluster_summary import CLUSTER_DEMANDS, SPOKE, cluster_tables
from scripts.benchmarks.failover import measure_failover
from scripts.benchmarks.gateways import measure_deliveries, measure_intake
from scripts.benchmarks.machine import machine_lines
from scripts.benchmarks.measure import Figures, Times, last_words
from scripts.benchmarks.processes import BenchError
from scripts.benchmarks.summary import MISSED, Key, judge, medians, verdict_table

GATEWAYS = (1, 2, 4)
BEGIN = "<!-- cluster: written by scripts/bench --cluster --write -->"
END = "<!-- end of cluster -->"

Found: TypeAlias = Mapping[str, Figures]
"""The figures of each workload that a step measured."""
Step: TypeAlias = tuple[str, Callable[[Path, float], Found]]


def measure_cluster(times: Times, rounds: int, minutes: float) -> tuple[str, bool]:
    """Measure all rounds. Return the results as Markdown, and whether all demands are met."""
    machine = machine_lines()[:3]
    found: dict[Key, list[Figures]] = defaultdict(list)
    failures = list(_take_steps(_steps(rounds), times.window_s, minutes, found))
    results = medians(found)
    turns = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    notes = [*machine, f"{turns}, windows of {times.window_s:.0f} s", *failures]
    verdicts = [judge(demand, results) for demand in CLUSTER_DEMANDS]
    parts = ["\n".join(f"- {note}" for note in notes), verdict_table(verdicts)]
    text = "\n\n".join([*parts, *cluster_tables(results)]) + "\n"
    return text, all(v.value is not None and not v.words.startswith(MISSED) for v in verdicts)


def _steps(rounds: int) -> Sequence[Step]:
    """Return the steps of all rounds. The numbers of gateways take turns."""
    deliveries = [
        (f"{count} gateways" if count > 1 else "1 gateway", partial(_deliveries, count))
        for count in GATEWAYS
    ]
    once: list[Step] = [("a gateway without clients", _intake), ("a killed gateway", _killed)]
    return [*(deliveries + once), *(deliveries * (rounds - 1)), *once[1:] * (rounds - 1)]


def _deliveries(count: int, folder: Path, window_s: float) -> Found:
    return {f"gateways {count}": measure_deliveries(count, folder, window_s)}


def _intake(folder: Path, window_s: float) -> Found:
    found = measure_intake(folder, window_s)
    return {f"intake at {rate_hz:,} Hz": figures for rate_hz, figures in found.items()}


def _killed(folder: Path, window_s: float) -> Found:
    return measure_failover(folder, window_s)


def _take_steps(
    steps: Sequence[Step], window_s: float, minutes: float, found: dict[Key, list[Figures]]
) -> Iterator[str]:
    """Take the steps one after the other; yield a sentence for each failed one."""
    until_s = time.monotonic() + minutes * 60
    for number, (title, measure) in enumerate(steps, 1):
        if time.monotonic() > until_s:
            yield f"Left out, as the time was up: {title}."
            continue
        with TemporaryDirectory(prefix="spoke-bench-") as folder:
            try:
                several = measure(Path(folder), window_s)
            except BenchError as error:
                yield f"{title}: failed: {error}{last_words(Path(folder))}."
                continue
        for workload, figures in several.items():
            found[workload, SPOKE].append(figures)
            print(f"[{number}/{len(steps)}] {workload}: {_short(figures)}", flush=True)


def _short(figures: Figures) -> str:
    return ", ".join(f"{name} {value:,.3g}" for name, value in figures.items())
