import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from device.durable import wal_checkpoint
from device.durable.store import SLICE_ROWS, Damaged, Store
from device.durable.wal_checkpoint import CheckpointThread
from device.journal import Numbered
from shared.cursor import Cursor
from tests.timing import eventually

EPOCH = 7
KEPT_ROWS = 1_000


@contextmanager
def opened(folder: Path, rows_max: int = KEPT_ROWS) -> Iterator[Store]:
    with closing(Store(folder / "journal.sqlite", rows_max)) as store:
        yield store


def reading(seq: int, bike: str = "fast", epoch: int = EPOCH) -> Numbered:
    return Numbered(bike, Cursor(epoch, seq), b"x" * 280)


def append(store: Store, *batch: Numbered) -> None:
    store.append(batch, now_ms=0)


def kept(store: Store) -> list[Numbered]:
    return [one for _, one in store.rows_kept()]


def pages(folder: Path) -> int:
    """Count the pages of the file as its next checkpoint leaves it."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as other:
        return int(other.execute("PRAGMA page_count").fetchone()[0])


def test_rows_in_order(tmp_path: Path) -> None:
    batches = [[reading(1), reading(1, "slow")], [reading(2)], [reading(1, epoch=EPOCH + 1)]]
    with opened(tmp_path) as store:
        for number, batch in enumerate(batches):
            store.append(batch, now_ms=number)
    with opened(tmp_path) as store:
        store.check()
        assert store.rows == 4
        expected = [(number, one) for number, batch in enumerate(batches) for one in batch]
        assert list(store.rows_kept()) == expected


def test_old_rows_go_in_slices(tmp_path: Path) -> None:
    sizes = []
    with opened(tmp_path) as store:
        store.begin(EPOCH, {"fast": 0})
        for seq in range(1, 6 * KEPT_ROWS):
            append(store, reading(seq))
            if seq % KEPT_ROWS == 0:
                assert KEPT_ROWS <= len(kept(store)) < KEPT_ROWS + SLICE_ROWS
                sizes.append(pages(tmp_path))
        assert kept(store)[-1].cursor.seq == 6 * KEPT_ROWS - 1
    assert max(sizes) <= 1.2 * sizes[1]


@pytest.mark.parametrize("batch", [SLICE_ROWS // 2, SLICE_ROWS, 4 * SLICE_ROWS])
def test_file_is_bounded_for_any_batch(tmp_path: Path, batch: int) -> None:
    with opened(tmp_path) as store:
        store.begin(EPOCH, {"fast": 0})
        for first in range(1, 20 * batch, batch):
            append(store, *map(reading, range(first, first + batch)))
        assert len(kept(store)) < KEPT_ROWS + max(SLICE_ROWS, 2 * batch)


def test_number_of_silent_bike(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.begin(EPOCH, {"fast": 0, "slow": 0})
        append(store, reading(1, "slow"), reading(2, "slow"))
        for seq in range(1, 3 * KEPT_ROWS):
            append(store, reading(seq))
        assert not any(one.device_id == "slow" for one in kept(store))
        assert store.positions()["slow"] == Cursor(EPOCH, 2)


def test_failed_batch_keeps_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, reading(1))
        with pytest.raises(sqlite3.Error):
            append(store, reading(2), reading(None))  # type: ignore[arg-type]  # what no table takes
    with opened(tmp_path) as store:
        assert kept(store) == [reading(1)]


def test_positions_of_an_epoch_before_are_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.begin(EPOCH, {"one": 5})
        store.begin(EPOCH + 1, {"two": 6})
        assert store.positions() == {"two": Cursor(EPOCH + 1, 6)}


def test_a_hole_in_the_rows_is_damage(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for seq in (1, 2, 3):
            append(store, reading(seq))
        with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as other, other:
            other.execute("DELETE FROM reading WHERE row = 2")
        with pytest.raises(Damaged, match="row 2"):
            kept(store)


def test_background_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_checkpoint, "CHECKPOINT_INTERVAL_S", 0.01)
    path = tmp_path / "journal.sqlite"
    with opened(tmp_path) as store:
        for seq in range(1, 200):
            append(store, reading(seq))
        eventually(lambda: path.stat().st_size > 40_000, what="the file's growth")
        assert path.stat().st_size > 40_000


def test_commit_checkpoints_long_log(
    tmp_path: Path,
) -> None:
    log = tmp_path / "journal.sqlite-wal"
    with opened(tmp_path) as store:
        for seq in range(1, 500):
            append(store, reading(seq))
        length = log.stat().st_size
        assert store._checkpoints is not None
        store._checkpoints.is_behind = True
        for seq in range(500, 900):
            append(store, reading(seq))
        assert log.stat().st_size <= length + 20_000  # what the first of these commits added


def test_thread_reports_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_checkpoint, "CHECKPOINT_INTERVAL_S", 0.01)
    monkeypatch.setattr(wal_checkpoint, "LOG_PAGES_MAX", 10)
    with opened(tmp_path) as store:
        for seq in range(1, 100):
            append(store, reading(seq))
        running = store._checkpoints
        assert running is not None
        eventually(lambda: running.is_behind, what="a log that is too long")


def test_error_of_thread_fails_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_checkpoint, "CHECKPOINT_INTERVAL_S", 0.01)
    broken = tmp_path / "broken"
    broken.write_bytes(b"no database" * 1_000)
    dead = CheckpointThread(broken)
    eventually(lambda: dead.failed is not None, what="its death")
    with opened(tmp_path) as store:
        append(store, reading(1))
        assert store._checkpoints is not None
        store._checkpoints.stop(wait_s=5)
        store._checkpoints = dead
        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            append(store, reading(2))
