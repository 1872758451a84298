from contextlib import closing
from pathlib import Path

import pytest

from device.durable.epoch_file import FILE_BYTES, SLOT_PLACES, EpochFile, boot_id, take_epoch
from device.durable.numbers import Mark, encode_mark

NOW_MS = 1_700_000_000_000


def mark(epoch: int) -> Mark:
    return Mark(epoch, 10 * epoch, "boot")


def read(path: Path) -> Mark | None:
    with closing(EpochFile(path)) as file:
        return file.mark


def write(path: Path, *epochs: int) -> None:
    with closing(EpochFile(path)) as file:
        for epoch in epochs:
            file.write(mark(epoch), durable=False)


def test_the_mark_written_last_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "marks"
    assert read(path) is None
    for first in (1, 4, 7):
        write(path, first, first + 1, first + 2)
        assert read(path) == mark(first + 2)


def test_the_file_never_grows(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    write(path, 1)
    assert path.stat().st_size == FILE_BYTES
    write(path, *range(2, 50))
    assert path.stat().st_size == FILE_BYTES


@pytest.mark.parametrize("length", [0, 1, 20, 60])
def test_torn_write_keeps_previous_mark(tmp_path: Path, length: int) -> None:
    path = tmp_path / "marks"
    write(path, 1, 2, 3)
    with path.open("r+b") as file:
        file.seek(SLOT_PLACES[4 % 2])
        file.write(encode_mark(mark(4), 4)[:length])
    assert read(path) == mark(3)


def test_lock_excludes_second_process(tmp_path: Path) -> None:
    with closing(EpochFile(tmp_path / "marks")) as second:
        with closing(EpochFile(tmp_path / "marks")) as first:
            assert first.lock()
            assert not second.lock()
            first.write(mark(9), durable=True)
        assert second.lock()
        assert second.mark == mark(9)


def test_epochs_grow_when_clock_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "bike.epoch"
    clock_ms = [NOW_MS, NOW_MS, NOW_MS - 3_600_000, NOW_MS + 5]
    epochs = [take_epoch(path, now_ms) for now_ms in clock_ms]
    assert epochs == [NOW_MS, NOW_MS + 1, NOW_MS + 2, NOW_MS + 5]


def test_boot_id_is_stable() -> None:
    assert boot_id() == boot_id()
