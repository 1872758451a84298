"""The journal's file: readings in the order they were published, in SQLite.

How it works. Rows are appended at the end and deleted from the front, so that a commit touches a
page or two. The oldest rows go in slices, when there are too many or when they are a week old.
Before rows go, the last number of each of their devices is saved in the table ``position``. So the
next number of a device is known even if all of its readings are gone.

The thread that appends never waits for the disk: it commits without synchronising, and
:mod:`device.durable.wal_checkpoint` copies the log into the file.

Invariants: rows are numbered without a hole; each row and each position carries a checksum. So
damage is found wherever it is. All positions are of one epoch, the newest.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from device.durable.wal_checkpoint import CheckpointThread, checkpoint
from device.journal import Numbered
from shared.cursor import Cursor
from shared.errors import JournalError

APPLICATION_ID = 0x53504B31
"""Stands in the file's header. A database with another id belongs to another program."""
SCHEMA_VERSION = 1
AGE_MAX_MS = 7 * 24 * 3_600_000
"""A week: a gateway that was away for longer does not fetch single readings any more."""
SLICE_ROWS = 256
"""The least number of rows deleted at a time; that takes a millisecond."""
BUSY_MAX_S = 0.2
"""Usually nobody else writes here, but a tool that somebody opens the file with may lock it for a
moment. The publisher catches up with delays of up to half a second."""
STOP_WAIT_S = 1.0
FAILED_WAIT_S = 0.2
"""How long closing may wait for the disk: at the end, and while the device goes on."""

_SCHEMA = f"""
BEGIN;
CREATE TABLE reading (
    row INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kept_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE position (
    device_id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_APPEND = "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)"
_SET_POSITION = "INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)"


class Damaged(Exception):
    """The file is damaged; none of its content can be trusted."""


class Store:
    """An open journal. Every method may raise sqlite3.Error; some raise :class:`Damaged`."""

    def __init__(self, path: Path, rows_max: int) -> None:
        """Open or create the file; raises JournalError for a database that is not ours."""
        self._rows_max = rows_max
        self._connection = sqlite3.connect(path, timeout=BUSY_MAX_S, isolation_level=None)
        self._checkpoints: CheckpointThread | None = None
        self._front_ms: int | None = None  # kept_ms of the row after the next slice
        try:
            self._prepare(path)
            self._first, self.rows = self._ends()
        except BaseException:
            self._connection.close()
            raise
        self._checkpoints = CheckpointThread(path)

    def check(self) -> None:
        """Raise Damaged if SQLite finds the structure of the file broken."""
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise Damaged(found)

    def rows_kept(self) -> Iterator[tuple[int, Numbered]]:
        """Yield all rows in order, each with the time of its commit in ms; raises Damaged."""
        expected = self._first
        for row, device_id, epoch, seq, kept_ms, checksum, payload in self._connection.execute(
            "SELECT * FROM reading ORDER BY row"
        ):
            if row != expected or checksum != _checksum(device_id, epoch, seq, payload):
                raise Damaged(f"row {expected} is not what was written")
            expected += 1
            yield kept_ms, Numbered(device_id, Cursor(epoch, seq), payload)

    def positions(self) -> dict[str, Cursor]:
        """Return the position of each device before its first row in the file; raises Damaged.

        That is its position when the epoch began, or when its older rows were deleted.
        """
        found = self._connection.execute("SELECT * FROM position").fetchall()
        if any(row != _position(*row[:3]) for row in found):
            raise Damaged("a position is not what was written")
        return {device_id: Cursor(epoch, seq) for device_id, epoch, seq, _ in found}

    def begin(self, epoch: int, last_seqs: Mapping[str, int]) -> None:
        """Begin an epoch, in which the devices have these last numbers."""
        positions = [_position(device_id, epoch, seq) for device_id, seq in last_seqs.items()]
        with _transaction(self._connection):
            self._connection.execute("DELETE FROM position")
            self._connection.executemany(_SET_POSITION, positions)

    def append(self, batch: Sequence[Numbered], now_ms: int) -> None:
        """Commit readings, all or none, and delete a slice of old rows if one is due."""
        if self._checkpoints is not None and self._checkpoints.failed is not None:
            raise self._checkpoints.failed
        rows = [
            (row, one.device_id, *one.cursor, now_ms, _checksum_of(one), one.payload)
            for row, one in enumerate(batch, self.rows + 1)
        ]
        with _transaction(self._connection):
            self._connection.executemany(_APPEND, rows)
            # delete more rows than were added, or large batches would let the file grow for ever
            count = max(SLICE_ROWS, 2 * len(rows))
            first = self._sweep(self.rows + len(rows), count, now_ms)
        self._first, self.rows = first, self.rows + len(rows)
        if self._checkpoints is not None and self._checkpoints.is_behind:
            checkpoint(self._connection)
            self._checkpoints.is_behind = False

    def close(self, wait_s: float = STOP_WAIT_S) -> None:
        """Close the file; rows that were not copied into it stay in its log."""
        if self._checkpoints is not None:
            self._checkpoints.stop(wait_s)
        with suppress(sqlite3.Error):  # committed rows are safe in the log
            self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.close()

    def _prepare(self, path: Path) -> None:
        """Check the owner, set SQLite's modes, and create the tables of a new file."""
        owner, version = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("application_id", "user_version")
        )
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (owner, version) != (APPLICATION_ID, SCHEMA_VERSION):
            kind = "of another version" if owner == APPLICATION_ID else "of another program"
            raise JournalError(
                f"SPOKE_JOURNAL: {path} is a database {kind}; move it away, or give another file"
                " with SPOKE_JOURNAL or --journal"
            )
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        self._connection.execute("PRAGMA synchronous = OFF")  # the checkpoint thread synchronises
        self._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
        if not tables:
            self._connection.executescript(_SCHEMA)

    def _ends(self) -> tuple[int, int]:
        """Return the numbers of the first and the last row; 1 and 0 if there are no rows."""
        first, last = self._connection.execute("SELECT min(row), max(row) FROM reading").fetchone()
        return (1, 0) if last is None else (first, last)

    def _sweep(self, last: int, count: int, now_ms: int) -> int:
        """Delete the oldest ``count`` rows if all are due; returns the first row that is left.

        The last number of each device in them is saved as its position.
        """
        end = self._first + count
        if end > last or not (end <= last - self._rows_max or self._is_old(end, now_ms)):
            return self._first
        swept = self._connection.execute(
            "SELECT device_id, epoch, max(seq) FROM reading WHERE row < ?"
            " AND epoch = (SELECT max(epoch) FROM position) GROUP BY device_id",
            (end,),
        ).fetchall()
        self._connection.executemany(_SET_POSITION, [_position(*fields) for fields in swept])
        self._connection.execute("DELETE FROM reading WHERE row < ?", (end,))
        self._front_ms = None
        return end

    def _is_old(self, row: int, now_ms: int) -> bool:
        """Tell whether a row, and so every row before it, is too old to be kept."""
        if self._front_ms is None:
            found = self._connection.execute("SELECT kept_ms FROM reading WHERE row = ?", (row,))
            (self._front_ms,) = found.fetchone()
        return self._front_ms < now_ms - AGE_MAX_MS


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the block. After an error the caller closes the file, which rolls it back."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


def _position(device_id: str, epoch: int, seq: int) -> tuple[str, int, int, int]:
    """Return the row for a device's position."""
    return device_id, epoch, seq, _checksum(device_id, epoch, seq, b"")


def _checksum_of(one: Numbered) -> int:
    return _checksum(one.device_id, *one.cursor, one.payload)


def _checksum(device_id: str, epoch: int, seq: int, payload: bytes) -> int:
    return crc32(payload, crc32(f"{device_id} {epoch} {seq} ".encode()))
