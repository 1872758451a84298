"""What may be the journal: ours, torn or not, and what is nobody's; all else is left as it is."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from device.durable.claim import claim
from device.durable.epoch_file import FILE_BYTES, epoch_path, take_epoch
from device.durable.store import Store
from shared.errors import JournalError
from tests.conftest import StartProcess

Make = Callable[[Path], object]


def text(path: Path) -> None:
    path.write_text("<gpx>my only copy</gpx>\n" * 50)


def their_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")


def their_live_database(path: Path) -> None:
    """Leave a database whose tables are in its log only, as that of a running program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE theirs (x)")
        log = path.with_name(f"{path.name}-wal").read_bytes()
        main = path.read_bytes()
    path.write_bytes(main)
    path.with_name(f"{path.name}-wal").write_bytes(log)


def a_log_alone(path: Path) -> None:
    path.with_name(f"{path.name}-wal").write_bytes(b"somebody's")


def an_epoch_alone(path: Path) -> None:
    epoch_path(path).write_bytes(b"somebody's")


def an_epoch_beside_text(path: Path) -> None:
    text(path)
    epoch_path(path).write_bytes(b"somebody's")


def a_link(path: Path) -> None:
    text(path.with_name("target"))
    path.symlink_to(path.with_name("target"))


def a_circle(path: Path) -> None:
    path.symlink_to(path)


FOREIGN: list[Make] = [
    text,
    their_database,
    their_live_database,
    a_log_alone,
    an_epoch_alone,
    an_epoch_beside_text,
    a_link,
    a_circle,
    Path.mkdir,
    os.mkfifo,
]


@pytest.mark.parametrize("make", FOREIGN)
def test_a_foreign_file_is_refused_untouched(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "journal"
    make(path)
    before = content_of(tmp_path)
    with pytest.raises(JournalError, match=r"SPOKE_JOURNAL: .*; give another file") as caught:
        claim(path)
    assert "\n" not in str(caught.value)
    assert content_of(tmp_path) == before


@pytest.mark.parametrize(
    "path",
    ["/", "/dev/null", "/dev/zero", "n" * 300, "n" * 250, "journal-wal", "journal-shm", "a\0b"],
)
def test_an_impossible_path_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(JournalError, match="SPOKE_JOURNAL"):
        claim(tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    text(tmp_path / "file")
    with pytest.raises(JournalError, match="SPOKE_JOURNAL"):
        claim(tmp_path / "file" / "journal")


@pytest.mark.parametrize("content", [None, b"", bytes(20_000)])
def test_what_is_nobodys_is_taken(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "journal"
    if content is not None:
        path.write_bytes(content)
    assert claim(path) == path


@pytest.mark.parametrize("mark", [b"", bytes(FILE_BYTES), b"\xff" * 5_000])
def test_own_journal_by_header_or_log(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "journal"
    store = Store(path, 100)
    for _ in range(2):  # while it is only in the log, then in the file
        assert claim(path) == path
        store.close()
    epoch_path(path).write_bytes(mark)
    assert claim(path) == path


@pytest.mark.parametrize("torn", [bytes(5_000) + b"rest", b"SQLite format 3\0cut", b"rubbish"])
def test_torn_journal_by_mark(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(torn)
    take_epoch(epoch_path(path), 5)
    assert claim(path) == path


def test_foreign_epoch_file_is_untouched(tmp_path: Path) -> None:
    path = tmp_path / "device.epoch"
    text(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        take_epoch(path, 5)
    assert path.read_bytes() == before


def test_foreign_journal_exits_2(tmp_path: Path, start_process: StartProcess) -> None:
    ride = tmp_path / "sunday.gpx"
    text(ride)
    device = start_process(["python", "-m", "device", "--journal", str(ride)])
    assert device.wait() == 2
    assert len(device.output.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [ride]


def content_of(folder: Path) -> dict[str, bytes | None]:
    """Read every file in a folder, of links the file they lead to."""
    return {it.name: it.read_bytes() if it.is_file() else None for it in folder.iterdir()}
