"""A journal that outlives its process, and the epochs of its numbers.

Readings are committed to the :class:`~device.durable.store.Store` before they go out, and answered
for from memory, which is filled from it at the start: no answer ever waits for the disk. When a
commit fails the numbers go on in a new epoch, in memory, and the disk is tried again now and then.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from errno import ENOSPC
from pathlib import Path
from shutil import disk_usage
from typing import NamedTuple

from loguru import logger

from device.durable.claim import claim
from device.durable.epoch_file import boot_id, open_beside
from device.durable.numbers import Beginning, Held, Mark, begin, next_epoch
from device.durable.quarantine import move_aside
from device.durable.store import AGE_MAX_MS, FAILED_WAIT_S, Damaged, Store
from device.journal import MemoryJournal, Numbered, capacity
from shared.cursor import Cursor
from shared.errors import JournalError
from shared.replay_server.journal import JournalPage

RETRY_S = 30.0
"""Between two tries of a disk that did not take a commit. Each that fails after all is a new epoch,
and a gap for everybody."""
ROOM_BYTES = 16_000_000
"""A full disk is not tried before it has so much room again: less is used up in a moment."""
SAY_AGAIN_S = 60.0
NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
"""At the start these are a wrong setting."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Clocks(NamedTuple):
    """The time of day in ms, and one in s that never jumps."""

    wall_ms: Callable[[], int]
    monotonic_s: Callable[[], float]


CLOCKS = Clocks(lambda: time.time_ns() // 1_000_000, time.monotonic)


class DurableJournal:
    """The journal of a process: in memory and, as long as the disk takes it, in a file."""

    def __init__(self, path: Path, device_ids: Sequence[str], clocks: Clocks = CLOCKS) -> None:
        """Open the journal; raises JournalError when it is in use, or not to be touched."""
        self._path = claim(path)  # resolved: by whatever name one comes there, there is one lock
        self._keep_a_device = capacity(len(device_ids))
        self._device_ids = device_ids
        self._clocks = clocks
        self._boot_id = boot_id()
        self._memory = MemoryJournal(self._keep_a_device)
        self._store: Store | None = None
        self._is_damaged = False
        self._retry_s = self._say_s = clocks.monotonic_s()
        self._epochs = open_beside(self._path)
        try:
            self.beginning = self._begin()
        except BaseException:
            self.close()
            raise

    def keep(self, batch: Sequence[Numbered]) -> int | None:
        """Commit readings; returns a new epoch for them when that failed."""
        if self._store is None:
            self._try_again()
        if self._store is not None:
            try:
                self._store.append(batch, self._clocks.wall_ms())
                self._epochs.write(self._mark(self._store.rows), durable=False)
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                return self._leave_epoch()
        self._memory.keep(batch)
        self._last_seqs.update((one.device_id, one.cursor.seq) for one in batch)
        return None

    def page(self, device_id: str, after: Cursor | None, limit: int) -> JournalPage:
        """Read at most ``limit`` readings after a position, None: from the oldest held."""
        return self._memory.page(device_id, after, limit)

    def close(self) -> None:
        """Close all files; another process may have them then."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self._epochs.close()

    # --- at the start ----------------------------------------------------------------------

    def _begin(self) -> Beginning:
        """Read what is there, and decide how the numbers go on."""
        held = self._load()
        beginning = begin(self._epochs.mark, held, self._boot_id, self._clocks.wall_ms())
        self._epoch = beginning.epoch
        self._last_seqs = dict.fromkeys(self._device_ids, 0) | dict(beginning.last_seqs)
        if not beginning.goes_on:
            self._remember_epoch()
            self._start_keeping()
        return beginning

    def _load(self) -> Held | None:
        """Open the file and read all of it; None when there is nothing the numbers can go on from.

        Raises JournalError when nobody can write there.
        """
        try:
            self._store = self._open()
            self._store.check()
            return self._fill_memory(self._store)
        except (sqlite3.Error, Damaged) as error:
            if _code(error) in NOT_WRITABLE:
                raise JournalError(
                    f"SPOKE_JOURNAL: cannot write to {self._path} ({error}); give a file that this"
                    " user may write to, in a folder that this user may write to"
                ) from error
            self._memory.close()
            self._fail(error)
            return None

    def _fill_memory(self, store: Store) -> Held | None:
        positions = store.positions()
        epoch = max((position.epoch for position in positions.values()), default=-1)
        last_seqs = {device_id: position.seq for device_id, position in positions.items()}
        oldest_ms = self._clocks.wall_ms() - AGE_MAX_MS
        for kept_ms, one in store.rows_kept():
            if one.cursor.epoch == epoch:
                last_seqs[one.device_id] = one.cursor.seq
            if kept_ms >= oldest_ms:
                self._memory.append(*one)
        return Held(epoch, store.rows, last_seqs) if positions else None

    # --- when the disk fails ---------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """Give the file up for now, and say so; again a minute later at the soonest."""
        self._is_damaged = isinstance(error, Damaged) or _code(error) in DAMAGED
        if self._store is not None:
            self._store.close(FAILED_WAIT_S)
            self._store = None
        now_s = self._clocks.monotonic_s()
        self._retry_s = now_s + RETRY_S
        if now_s >= self._say_s:
            self._say_s = now_s + SAY_AGAIN_S
            logger.error(
                "journal_failed",
                file=str(self._path),
                reason=str(error),
                until_it_works="readings are kept in memory only",
            )

    def _leave_epoch(self) -> int:
        """Begin a greater epoch: in this one the file may hold more or less than was published."""
        self._epoch = next_epoch(self._clocks.wall_ms(), [self._epoch])
        self._last_seqs = dict.fromkeys(self._device_ids, 0)
        self._remember_epoch()
        return self._epoch

    def _remember_epoch(self) -> None:
        """Write down that the epoch is used, before it is."""
        try:
            self._epochs.write(self._mark(0), durable=True)
        except OSError as error:  # only a clock that goes back can do harm now
            logger.error("epoch_not_kept", epoch=self._epoch, reason=error.strerror)

    def _try_again(self) -> None:
        """Use the file again, from the numbers on that were reached; not too often."""
        if self._clocks.monotonic_s() < self._retry_s:
            return
        self._start_keeping(room_bytes=ROOM_BYTES)
        if self._store is not None:
            self._say_s = self._clocks.monotonic_s()
            logger.info("journal_works_again", file=str(self._path), epoch=self._epoch)

    def _start_keeping(self, room_bytes: int = 0) -> None:
        """Open the file, unless it is, and begin the epoch there."""
        try:
            if disk_usage(self._path.parent).free < room_bytes:
                raise OSError(ENOSPC, "the disk is full")
            if self._is_damaged:
                self._move_aside()
            if self._store is None:
                self._store = self._open()
            self._store.begin(self._epoch, self._last_seqs)
            self._epochs.write(self._mark(self._store.rows), durable=True)
        except (sqlite3.Error, OSError, JournalError) as error:
            self._fail(error)

    def _open(self) -> Store:
        return Store(self._path, self._keep_a_device * len(self._device_ids))

    def _move_aside(self) -> None:
        target = move_aside(self._path)
        self._is_damaged = False
        logger.error("journal_moved_aside", damaged=str(target), new=str(self._path))

    def _mark(self, rows: int) -> Mark:
        return Mark(self._epoch, rows, self._boot_id or "")


def _code(error: Exception) -> int:
    """Return SQLite's primary code of an error, 0 for others."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
