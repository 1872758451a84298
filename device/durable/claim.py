"""Checks that a path may hold the journal, before anything there is opened or changed.

How it works. Opening a database of another program with SQLite may already change it, so this
module reads the first bytes of the file itself. The path may be used in these cases:

- Nothing is there, or the file is empty or holds only zeros.
- The file's header holds our application id, or its log creates our table.
- A valid epoch file (``<name>.epoch``) lies beside it. Then the journal is ours even if it is torn.

Every other file, and every place where no file can be, is refused with a JournalError.
"""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from device.durable.epoch_file import epoch_path, holds_mark, is_foreign
from device.durable.quarantine import INDEX_SUFFIX, LOG_SUFFIX
from device.durable.store import APPLICATION_ID
from shared.errors import JournalError

MAGIC = b"SQLite format 3\0"
APPLICATION_ID_PLACE = slice(68, 72)
HEADER_BYTES = 100
LOOK_BYTES = 1024 * 1024
"""Read of a file to see whether it is empty, and of a log to find our table in it."""
OUR_TABLE = b"CREATE TABLE reading (\n    row INTEGER PRIMARY KEY"
SQLITE_SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, "-journal")
LONGEST_SUFFIX = ".damaged-123456789-wal"
"""The longest suffix of a file that we put beside the journal."""
INSTEAD = "give another file with SPOKE_JOURNAL or --journal"


def claim(path: Path) -> Path:
    """Return the resolved path if it may hold our journal; raises JournalError."""
    try:
        path = path.resolve()
        _check_place(path)
        if holds_mark(epoch_path(path)):
            return path
        if is_foreign(epoch_path(path)) and not _is_ours(path):
            raise _Refused(f"{epoch_path(path)} beside it is a file of another program")
        _check_content(path)
    except _Refused as refused:
        raise JournalError(f"SPOKE_JOURNAL: {path}: {refused}; {INSTEAD}") from refused
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        raise JournalError(f"SPOKE_JOURNAL: {path}: {reason}; {INSTEAD}") from error
    except (RuntimeError, ValueError) as error:  # links that lead in a circle; a NUL
        raise JournalError(f"SPOKE_JOURNAL: {path} leads nowhere; {INSTEAD}") from error
    return path


class _Refused(Exception):
    """The reason why a path may not be used."""


def _check_place(path: Path) -> None:
    """Refuse a path that cannot be a file, or that cannot have our other files beside it."""
    if not path.name:
        raise _Refused("it is a folder")
    if path.name.endswith(SQLITE_SUFFIXES):
        raise _Refused("SQLite gives such names to files beside a database")
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _Refused("it is a folder")
        if not stat.S_ISREG(mode):
            raise _Refused("it is a pipe, a device or a socket, not a file")
    with suppress(FileNotFoundError):
        path.with_name(path.name + LONGEST_SUFFIX).lstat()


def _check_content(path: Path) -> None:
    """Refuse a file that is not ours, and a log that SQLite would read with it."""
    start, log = _start_of(path, LOOK_BYTES), _start_of(_log(path), LOOK_BYTES)
    if _is_ours(path) or OUR_TABLE in log:
        return
    if start.startswith(MAGIC):
        if start[APPLICATION_ID_PLACE].strip(b"\0") or log or _has_tables(path):
            raise _Refused("it is a database of another program")
    elif start.strip(b"\0"):
        raise _Refused("it is a file of another program, no journal")
    elif log:
        raise _Refused(f"{_log(path)} beside it is a file of another program")


def _is_ours(path: Path) -> bool:
    """Tell whether the header of a database holds our application id."""
    header = _start_of(path, HEADER_BYTES)
    has_our_id = int.from_bytes(header[APPLICATION_ID_PLACE], "big") == APPLICATION_ID
    return header.startswith(MAGIC) and has_our_id


def _has_tables(path: Path) -> bool:
    """Tell whether a database has tables, without locking it, changing it or reading its log."""
    try:
        address = f"{path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return bool(tables)
    except sqlite3.Error:
        return True


def _start_of(path: Path, length: int) -> bytes:
    """Read the beginning of a file; empty if there is no file. Never waits for a pipe."""
    with suppress(FileNotFoundError):
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(file, length)
        finally:
            os.close(file)
    return b""


def _log(path: Path) -> Path:
    return path.with_name(path.name + LOG_SUFFIX)
