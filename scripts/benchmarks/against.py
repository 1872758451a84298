"""Compare two revisions of Spoke, measured alternately in pairs."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.benchmarks.measure import CROWD, Figures, Times, measure
from scripts.benchmarks.processes import BenchError
from scripts.benchmarks.servers import ROOT, STORE
from scripts.benchmarks.summary import median_interval
from scripts.benchmarks.workloads import Workload

PAIRS = 9
"""With nine pairs, the second and the eighth ratio enclose the median with 96 % confidence."""


def compare(revision: str, workload: Workload, times: Times, say: Callable[[str], None]) -> str:
    """Measure nine pairs, alternating the order. Return the median ratio of each figure."""
    names = ["deliveries_hz"] if workload.kind == "most" else ["cpu_us"]
    if workload.clients >= CROWD:
        names.append("connects_hz")
    ratios: dict[str, list[float]] = {name: [] for name in names}
    with checked_out(revision) as other:
        for pair in range(PAIRS):
            roots = (ROOT, other) if pair % 2 else (other, ROOT)
            found = {root: measure("spoke", workload, times, root) for root in roots}
            for name in names:
                now, then = (_value(found[root], name) for root in (ROOT, other))
                ratios[name].append(now / then)
                say(
                    f"pair {pair + 1} of {PAIRS}: {name} {now:,.2f} now, "
                    f"{then:,.2f} at {revision}: {ratios[name][-1]:.3f}"
                )
    return "\n".join(
        f"{workload.title}: {name} now / at {revision}: median {middle:.3f}, "
        f"between {low:.3f} and {high:.3f} (95 %)"
        for name in names
        for middle, low, high in [median_interval(ratios[name])]
    )


def _value(figures: Figures, figure: str) -> float:
    if not figures[figure]:
        raise BenchError(f"one of the revisions has no {figure}: it did not keep up")
    return figures[figure]


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Check a revision out into a separate folder, and remove the folder afterwards."""
    folder = STORE / "against"
    _git("worktree", "add", "--force", "--detach", str(folder), revision)
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    argv = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"git {' '.join(arguments[:2])}: {done.stderr.strip().splitlines()[-1]}")
