"""Compare two revisions of Spoke, measured alternately in pairs."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.benchmarks.measure import Figures, Times, measure
from scripts.benchmarks.processes import BenchError
from scripts.benchmarks.servers import ROOT, STORE
from scripts.benchmarks.summary import median_interval
from scripts.benchmarks.workloads import Workload

PAIRS = 9
"""With nine pairs, the second and the eighth ratio enclose the median with 96 % confidence."""


def compare(revision: str, workload: Workload, times: Times, say: Callable[[str], None]) -> str:
    """Measure nine pairs, alternating the order. Return a sentence with the median ratio."""
    figure = "deliveries_hz" if workload.kind == "most" else "cpu_us"
    ratios = []
    with checked_out(revision) as other:
        for pair in range(PAIRS):
            roots = (ROOT, other) if pair % 2 else (other, ROOT)
            found = {
                root: _value(measure("spoke", workload, times, root), figure) for root in roots
            }
            ratios.append(found[ROOT] / found[other])
            say(
                f"pair {pair + 1} of {PAIRS}: {figure} {found[ROOT]:,.2f} now, "
                f"{found[other]:,.2f} at {revision}: {ratios[-1]:.3f}"
            )
    middle, low, high = median_interval(ratios)
    return (
        f"{workload.title}: {figure} now / at {revision}: median {middle:.3f}, "
        f"between {low:.3f} and {high:.3f} (95 %)"
    )


def _value(figures: Figures, figure: str) -> float:
    if not figures[figure]:
        raise BenchError("one of the revisions did not keep up with the smallest rate")
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
