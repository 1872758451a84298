"""Whether a path may hold our journal, which is asked before anything there is touched.

A file is ours if its header or schema says so, or if a mark of ours stands beside it
(``<name>.epoch``): then it may be torn. An empty file, or one of zeros, is nobody's. Everything
else is refused, because opening a database of another program may already change it.
"""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from device.durable.epoch_file import beside, holds_mark, is_foreign
from device.durable.quarantine import INDEX_SUFFIX, LOG_SUFFIX
from device.durable.store import APPLICATION_ID
from shared.errors import JournalError

MAGIC = b"SQLite format 3\0"
APPLICATION_ID_PLACE = slice(68, 72)
HEADER_BYTES = 100
LOOK_BYTES = 1024 * 1024
"""So much of a file tells whether it is empty, and of a log whether our tables are made in it."""
OUR_TABLE = b"CREATE TABLE reading (\n    row INTEGER PRIMARY KEY"
SQLITE_SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, "-journal")
LONGEST_SUFFIX = ".damaged-123456789-wal"
"""What a file of ours beside the journal may have at the end of its name."""
INSTEAD = "give another file with SPOKE_JOURNAL or --journal"


def claim(path: Path) -> Path:
    """Return where a path leads, if that may be our journal; raises JournalError."""
    try:
        path = path.resolve()
        _check_place(path)
        if holds_mark(beside(path)):
            return path
        if is_foreign(beside(path)) and not _is_ours(path):
            raise _Refused(f"{beside(path)} beside it is a file of another program")
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
    """Why a path cannot be had."""


def _check_place(path: Path) -> None:
    """Refuse what is no file, or could have none of ours beside it."""
    if not path.name:
        raise _Refused("it is a folder")
    if path.name.endswith(SQLITE_SUFFIXES):
        raise _Refused("SQLite has files of that name beside another one")
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _Refused("it is a folder")
        if not stat.S_ISREG(mode):
            raise _Refused("it is no file, but a pipe, a device or a socket")
    with suppress(FileNotFoundError):
        path.with_name(path.name + LONGEST_SUFFIX).lstat()


def _check_content(path: Path) -> None:
    """Refuse a file, or what SQLite would find beside it, that is not ours."""
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
    """Tell whether a database carries our mark in its header."""
    header = _start_of(path, HEADER_BYTES)
    is_marked = int.from_bytes(header[APPLICATION_ID_PLACE], "big") == APPLICATION_ID
    return header.startswith(MAGIC) and is_marked


def _has_tables(path: Path) -> bool:
    """Tell whether a database holds anything, without any lock or change; its log is not read."""
    try:
        address = f"{path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return bool(tables)
    except sqlite3.Error:
        return True


def _start_of(path: Path, length: int) -> bytes:
    """Read the beginning of a file; nothing where there is none, and no wait for a pipe."""
    with suppress(FileNotFoundError):
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(file, length)
        finally:
            os.close(file)
    return b""


def _log(path: Path) -> Path:
    return path.with_name(path.name + LOG_SUFFIX)
