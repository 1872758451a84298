"""Measure the time of a journal commit for each way SQLite can synchronise: ``journal.md``.

::

    python -m scripts.measure.journal_costs [FOLDER]

It commits five readings every 5 ms and prints the median, the 99th percentile and
the maximum of the commit times. Then it measures the time to open a full journal. FOLDER selects
the disk to measure.
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from device.durable.journal import DurableJournal
from device.durable.store import Store
from device.journal import READINGS_A_DEVICE, Numbered
from shared.cursor import Cursor

BIKES = tuple(f"ebike-{number:03d}" for number in range(1, 6))
TURN_S = 0.005
LASTS_S = 10.0
PAYLOAD = b"x" * 280


def batch(seq: int) -> list[Numbered]:
    """Make one reading of each bike."""
    return [Numbered(bike, Cursor(1, seq), PAYLOAD) for bike in BIKES]


def ours(store: Store) -> None:
    """Keep the journal's own way: a separate thread synchronises."""


def normal(store: Store) -> None:
    """Let SQLite synchronise in some commits, with NORMAL."""
    store._connection.execute("PRAGMA synchronous = NORMAL")  # noqa: SLF001  # to compare with
    store._connection.execute("PRAGMA wal_autocheckpoint = 1000").fetchone()  # noqa: SLF001  # as above


def full(store: Store) -> None:
    """Synchronise in each commit."""
    store._connection.execute("PRAGMA synchronous = FULL")  # noqa: SLF001  # to compare with


def measure(folder: Path, choose: Callable[[Store], None]) -> None:
    """Commit at a steady rate, and print the commit times."""
    took_ms: list[float] = []
    with closing(Store(folder / choose.__name__, READINGS_A_DEVICE)) as store:
        choose(store)
        begun_s = time.monotonic()
        for turn in range(round(LASTS_S / TURN_S)):
            time.sleep(max(0.0, begun_s + turn * TURN_S - time.monotonic()))
            before_s = time.perf_counter()
            store.append(batch(turn + 1), turn)
            took_ms.append((time.perf_counter() - before_s) * 1000)
    cuts = quantiles(took_ms, n=100)
    print(f"{choose.__name__}: {cuts[49]:.2f} ms, {cuts[98]:.2f} ms, {max(took_ms):.1f} ms")


def measure_opening(folder: Path) -> None:
    """Fill a journal up to its limit, and print the time to open it."""
    path = folder / "opened"
    with closing(DurableJournal(path, BIKES)) as journal:
        for seq in range(1, READINGS_A_DEVICE + 1):
            journal.keep(batch(seq))
    before_s = time.perf_counter()
    with closing(DurableJournal(path, BIKES)):
        took_s = time.perf_counter() - before_s
    size_mb = path.stat().st_size / 1e6
    print(f"opening {5 * READINGS_A_DEVICE} readings, {size_mb:.0f} MB: {took_s:.2f} s")


def main() -> None:
    with TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as folder:
        for choose in (ours, normal, full):
            measure(Path(folder), choose)
        measure_opening(Path(folder))


if __name__ == "__main__":
    main()
