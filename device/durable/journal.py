"""The journal of a device with ``SPOKE_JOURNAL``: in memory, and on the disk as long as it works.

How it works. Readings are committed to the :class:`~device.durable.store.Store` before they are
sent. Replay questions are answered from memory, which is filled from the store at the start, so no
answer waits for the disk.

When a commit fails, nobody knows whether its rows are on the disk. So the batch and all readings
after it get numbers of a new, greater epoch. They are kept in memory only, until the disk is tried
again after :data:`RETRY_S`. A damaged file is moved away and a new one begins
(:mod:`device.durable.quarantine`).

Invariant: before a number of an epoch is sent, the epoch file holds that epoch or a greater one, if
it can be written at all. So a number is never used twice, whatever happens to the journal.
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
from device.durable.epoch_file import boot_id, open_epoch_file
from device.durable.numbers import Beginning, JournalState, Mark, begin, next_epoch
from device.durable.quarantine import quarantine
from device.durable.store import AGE_MAX_MS, FAILED_WAIT_S, Damaged, Store
from device.journal import MemoryJournal, Numbered, capacity
from shared.cursor import Cursor
from shared.errors import JournalError
from shared.replay_server.journal import JournalPage

RETRY_S = 30.0
"""Between two tries of a disk that failed. Each try that fails later costs a new epoch, and every
client a gap."""
ROOM_BYTES = 16_000_000
"""A full disk is not tried before it has this much room; less would be used up in a moment."""
LOG_AGAIN_S = 60.0
"""Between two log lines about a failing disk."""
NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
"""At the start these errors mean that the setting is wrong."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Clocks(NamedTuple):
    """The time of day in ms, and one in s that never jumps."""

    wall_ms: Callable[[], int]
    monotonic_s: Callable[[], float]


CLOCKS = Clocks(lambda: time.time_ns() // 1_000_000, time.monotonic)


class DurableJournal:
    """The journal of a process, in memory and in a file."""

    def __init__(self, path: Path, device_ids: Sequence[str], clocks: Clocks = CLOCKS) -> None:
        """Open the journal; raises JournalError if it is in use or belongs to another program."""
        self._path = claim(path)  # resolved, so that every name of the file leads to the same lock
        self._keep_a_device = capacity(len(device_ids))
        self._device_ids = device_ids
        self._clocks = clocks
        self._boot_id = boot_id()
        self._memory = MemoryJournal(self._keep_a_device)
        self._store: Store | None = None
        self._is_damaged = False
        self._retry_due_s = self._log_due_s = clocks.monotonic_s()
        self._epochs = open_epoch_file(self._path)
        try:
            self.beginning = self._begin()
        except BaseException:
            self.close()
            raise

    def keep(self, batch: Sequence[Numbered]) -> int | None:
        """Commit readings; returns a new epoch for them if the commit failed."""
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
        """Read at most ``limit`` readings after a position; None means from the oldest one."""
        return self._memory.page(device_id, after, limit)

    def close(self) -> None:
        """Close all files and release the lock."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self._epochs.close()

    # --- at the start ----------------------------------------------------------------------

    def _begin(self) -> Beginning:
        """Read the file and decide how the numbers continue."""
        found = self._load()
        beginning = begin(self._epochs.mark, found, self._boot_id, self._clocks.wall_ms())
        self._epoch = beginning.epoch
        self._last_seqs = dict.fromkeys(self._device_ids, 0) | dict(beginning.last_seqs)
        if not beginning.goes_on:
            self._remember_epoch()
            self._start_keeping()
        return beginning

    def _load(self) -> JournalState | None:
        """Open the file and read all of it; None if it is empty or cannot be used.

        Raises JournalError when this user may not write there.
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

    def _fill_memory(self, store: Store) -> JournalState | None:
        positions = store.positions()
        epoch = max((position.epoch for position in positions.values()), default=-1)
        last_seqs = {device_id: position.seq for device_id, position in positions.items()}
        oldest_ms = self._clocks.wall_ms() - AGE_MAX_MS
        for kept_ms, one in store.rows_kept():
            if one.cursor.epoch == epoch:
                last_seqs[one.device_id] = one.cursor.seq
            if kept_ms >= oldest_ms:
                self._memory.append(*one)
        return JournalState(epoch, store.rows, last_seqs) if positions else None

    # --- when the disk fails ---------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """Stop using the file for now, and log that, at most once a minute."""
        self._is_damaged = isinstance(error, Damaged) or _code(error) in DAMAGED
        if self._store is not None:
            self._store.close(FAILED_WAIT_S)
            self._store = None
        now_s = self._clocks.monotonic_s()
        self._retry_due_s = now_s + RETRY_S
        if now_s >= self._log_due_s:
            self._log_due_s = now_s + LOG_AGAIN_S
            logger.error(
                "journal_failed",
                file=str(self._path),
                reason=str(error),
                until_it_works="readings are kept in memory only",
            )

    def _leave_epoch(self) -> int:
        """Begin a greater epoch: the file may not hold the same numbers as were sent."""
        self._epoch = next_epoch(self._clocks.wall_ms(), [self._epoch])
        self._last_seqs = dict.fromkeys(self._device_ids, 0)
        self._remember_epoch()
        return self._epoch

    def _remember_epoch(self) -> None:
        """Store the epoch in the epoch file before a number of it is used."""
        try:
            self._epochs.write(self._mark(0), durable=True)
        except (
            OSError
        ) as error:  # the epoch is the time, so only a clock that goes back can repeat it
            logger.error("epoch_not_kept", epoch=self._epoch, reason=error.strerror)

    def _try_again(self) -> None:
        """Use the file again, continuing with the present numbers, if a try is due."""
        if self._clocks.monotonic_s() < self._retry_due_s:
            return
        self._start_keeping(room_bytes=ROOM_BYTES)
        if self._store is not None:
            self._log_due_s = self._clocks.monotonic_s()
            logger.info("journal_works_again", file=str(self._path), epoch=self._epoch)

    def _start_keeping(self, room_bytes: int = 0) -> None:
        """Open the file if it is closed, and begin the present epoch in it."""
        try:
            if disk_usage(self._path.parent).free < room_bytes:
                raise OSError(ENOSPC, "the disk is full")
            if self._is_damaged:
                self._quarantine()
            if self._store is None:
                self._store = self._open()
            self._store.begin(self._epoch, self._last_seqs)
            self._epochs.write(self._mark(self._store.rows), durable=True)
        except (sqlite3.Error, OSError, JournalError) as error:
            self._fail(error)

    def _open(self) -> Store:
        return Store(self._path, self._keep_a_device * len(self._device_ids))

    def _quarantine(self) -> None:
        target = quarantine(self._path)
        self._is_damaged = False
        logger.error("journal_moved_aside", damaged=str(target), new=str(self._path))

    def _mark(self, rows: int) -> Mark:
        return Mark(self._epoch, rows, self._boot_id or "")


def _code(error: Exception) -> int:
    """Return SQLite's primary code of an error, 0 for others."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
