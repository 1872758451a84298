"""``scripts/bench``: measure, show progress, print tables; see docs/benchmarks.md."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from scripts.benchmarks import cluster, summary
from scripts.benchmarks.against import compare
from scripts.benchmarks.machine import machine_lines
from scripts.benchmarks.measure import Figures, Times, measure
from scripts.benchmarks.page import write_section
from scripts.benchmarks.plot import draw_bars
from scripts.benchmarks.prepare import prepare, prepare_cluster
from scripts.benchmarks.processes import BenchError
from scripts.benchmarks.servers import ROOT, SERVERS, STORE
from scripts.benchmarks.summary import (
    DEMANDS,
    Key,
    Medians,
    judge,
    medians,
    verdict_table,
    workload_table,
)
from scripts.benchmarks.workloads import WORKLOADS, Workload
from shared.console import tell
from shared.program import run

MINUTES, QUICK_MINUTES = 43.0, 3.7
"""No measurement starts after this time, so a run takes at most 45 minutes, a quick one 4."""
CLUSTER_MINUTES, CLUSTER_QUICK_MINUTES = 5.3, 1.3
"""The same for ``--cluster``: at most 6 minutes, and 2."""
TIMES, QUICK_TIMES = Times(window_s=8.0, step_s=2.5), Times(window_s=3.0, step_s=1.0)
ROUNDS = 3
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "images" / "bench-cpu.svg"
BEGIN, END = "<!-- results: written by scripts/bench --write -->", "<!-- end of results -->"
DONE, MISSED, FAILED = 0, 1, 2


@dataclass
class Progress:
    """Counts the finished steps and estimates the remaining time."""

    total: int
    minutes: float
    began_s: float = field(default_factory=time.monotonic)
    done: int = 0

    @property
    def is_late(self) -> bool:
        """Tell whether the time is up."""
        return time.monotonic() - self.began_s > self.minutes * 60

    def say(self, text: str) -> None:
        """Print a line about a finished step, with the estimated remaining time."""
        self.done += 1
        passed_s = time.monotonic() - self.began_s
        left_s = passed_s / self.done * (self.total - self.done)
        print(f"[{self.done}/{self.total}, {left_s / 60:.0f} min left] {text}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Measure. Return 1 if Spoke missed a requirement, 2 if the measurement failed."""
    options = parse(arguments)
    times = QUICK_TIMES if options.quick else TIMES
    chosen = [w for w in WORKLOADS if _is_chosen(w, options)]
    try:
        if options.cluster:
            return _measure_cluster(options, times)
        left_out = prepare()
        if options.against:
            for workload in chosen:
                print(compare(options.against, workload, times, print), flush=True)
            return DONE
        return _measure_all(options, chosen, times, left_out)
    except BenchError as error:
        tell(f"bench: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return FAILED


def _measure_all(
    options: argparse.Namespace, chosen: Sequence[Workload], times: Times, left_out: dict[str, str]
) -> int:
    rounds = _rounds(options)
    steps = [
        (workload, name)
        for _ in range(rounds)
        for workload in chosen
        for name in (workload.quick if options.quick else workload.servers)
        if name not in left_out and name in (options.servers or SERVERS)
    ]
    machine = machine_lines()
    for name, reason in left_out.items():
        print(f"without {SERVERS[name].title}: {reason}")
    progress = Progress(len(steps), QUICK_MINUTES if options.quick else MINUTES)
    found: dict[Key, list[Figures]] = {}
    failures = list(_take_steps(steps, times, progress, found))
    notes = [f"Without {SERVERS[name].title}: {why}." for name, why in left_out.items()] + failures
    text = report(machine, medians(found), chosen, [*_how(rounds, times), *notes])
    (STORE / "results.json").write_text(
        json.dumps({"/".join(key): each for key, each in found.items()}, indent=1)
    )
    print(text)
    if options.write:
        write_page(text, medians(found))
    verdicts = [judge(demand, medians(found)) for demand in DEMANDS]
    return MISSED if any(verdict.words.startswith(summary.MISSED) for verdict in verdicts) else DONE


def _measure_cluster(options: argparse.Namespace, times: Times) -> int:
    prepare_cluster()
    minutes = CLUSTER_QUICK_MINUTES if options.quick else CLUSTER_MINUTES
    text, is_met = cluster.measure_cluster(times, _rounds(options), minutes)
    print(text)
    if options.write:
        write_section(PAGE, cluster.BEGIN, cluster.END, text)
    return DONE if is_met else MISSED


def _take_steps(
    steps: Sequence[tuple[Workload, str]],
    times: Times,
    progress: Progress,
    found: dict[Key, list[Figures]],
) -> Iterator[str]:
    """Take the measurements one after the other; yield a sentence for each failed one."""
    for workload, name in steps:
        what = f"{workload.title}: {SERVERS[name].title}"
        if progress.is_late:
            yield f"Left out, as the time was up: {what}."
            continue
        try:
            figures = measure(name, workload, times)
        except BenchError as error:
            progress.say(f"{what}: failed: {error}")
            yield f"{what}: failed: {error}."
            continue
        found.setdefault((workload.name, name), []).append(figures)
        progress.say(f"{what}: {_short(workload, figures)}")


def _short(workload: Workload, figures: Figures) -> str:
    if workload.kind == "most":
        return (
            f"{figures['deliveries_hz']:,.0f} deliveries/s of {figures['rate_hz']:,.0f} readings/s"
        )
    return f"{figures['cpu_us']:.2f} µs a delivery, p99 {figures.get('all_p99_ms', 0):.1f} ms"


def report(
    machine: Sequence[str], found: Medians, chosen: Sequence[Workload], notes: Sequence[str]
) -> str:
    """Format all results as Markdown."""
    titles = {name: server.title for name, server in SERVERS.items()}
    parts = ["\n".join(f"- {line}" for line in [*machine, *notes])]
    names = {workload.name for workload in chosen}
    asked = [demand for demand in DEMANDS if demand.workload in names]
    parts.append(verdict_table(judge(demand, found) for demand in asked))
    for workload in chosen:
        if any(name == workload.name for name, _ in found):
            parts.append(f"### {workload.title}")
            parts.append(workload_table(workload.name, found, titles))
    return "\n\n".join(parts) + "\n"


def write_page(text: str, found: Medians) -> None:
    """Write the results into docs/benchmarks.md, and draw the picture."""
    write_section(PAGE, BEGIN, END, text)
    bars = [
        (SERVERS[name].title, figures["cpu_us"])
        for (workload, name), figures in found.items()
        if workload == "steady" and figures["kept_up"]
    ]
    title = "CPU a delivery, 1,000 clients at 20 Hz"
    PICTURE.write_text(draw_bars(title, "µs", bars, SERVERS["spoke"].title), "utf-8")


def _how(rounds: int, times: Times) -> list[str]:
    turns = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    return [f"{turns}, windows of {times.window_s:.0f} s (flat: ten minutes)"]


def _rounds(options: argparse.Namespace) -> int:
    rounds: int = options.rounds or (1 if options.quick else ROUNDS)
    return rounds


def _is_chosen(workload: Workload, options: argparse.Namespace) -> bool:
    if options.only:
        return workload.name in options.only
    if options.against:
        return workload.name == "steady"
    return bool(workload.quick) or not (options.quick or workload.by_name)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments. An error ends the program with code 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.cluster and (options.only or options.servers or options.against):
        parser.error("--cluster cannot be combined with --only, --servers or --against")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "--quick", action="store_true", help="measure the main figures only, at most 4 minutes"
    )
    parser.add_argument("--only", nargs="+", choices=names, help="measure these workloads only")
    parser.add_argument(
        "--servers", nargs="+", choices=list(SERVERS), help="measure these servers only"
    )
    parser.add_argument("--rounds", type=int, help=f"how often to measure ({ROUNDS}; quick: once)")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    parser.add_argument("--against", metavar="REV", help="compare with a git revision, in 9 pairs")
    parser.add_argument(
        "--cluster", action="store_true", help="measure several gateways, at most 6 minutes"
    )
    return parser


if __name__ == "__main__":
    run(partial(main, sys.argv[1:]), unread=FAILED)
