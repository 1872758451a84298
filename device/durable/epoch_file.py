"""The small file that stores the mark: the greatest epoch ever used, and the last row published.

How it works. The file is allocated when it is made and overwritten in place, so that a full disk
cannot stop a write. It has two slots with a checksum each. Writes alternate between them, so that
a write that is cut short destroys only its own slot. The valid slot with the greater write count
is the mark. A lock on the file keeps a second process away from the journal.
"""

import errno
import fcntl
import os
from contextlib import closing, suppress
from pathlib import Path

from device.durable.numbers import SLOT_BYTES, Mark, decode_mark, encode_mark, next_epoch
from shared.errors import JournalError

SLOT_PLACES = (0, 4_096)
"""In different blocks of the disk, so that one write never touches both."""
FILE_BYTES = 8_192


class EpochFile:
    """An open epoch file; its methods raise OSError when it cannot be opened, read or written."""

    def __init__(self, path: Path) -> None:
        """Open the file; creates it and its folder if they are missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._written = 0
        self.mark = self._read()

    def lock(self) -> bool:
        """Lock the file until this process ends; returns False if another process has the lock."""
        with suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.mark = self._read()  # the process that had the lock may have written
            return True
        return False

    def wait_for_lock(self) -> None:
        """Wait for the lock, which other processes hold for a moment only."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.mark = self._read()

    def write(self, mark: Mark, *, durable: bool) -> None:
        """Write a mark that survives this process, and the loss of power if ``durable``."""
        if os.fstat(self._file).st_size < FILE_BYTES:
            os.pwrite(self._file, bytes(FILE_BYTES), 0)
        self._written += 1
        place = SLOT_PLACES[self._written % len(SLOT_PLACES)]
        os.pwrite(self._file, encode_mark(mark, self._written), place)
        self.mark = mark
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file and release its lock."""
        os.close(self._file)

    def _read(self) -> Mark | None:
        slots = [os.pread(self._file, SLOT_BYTES, place) for place in SLOT_PLACES]
        found = [slot for slot in map(decode_mark, slots) if slot is not None]
        self._written, mark = max(found, key=lambda slot: slot[0], default=(0, None))
        return mark


def take_epoch(path: Path, clock_ms: int) -> int:
    """Return an epoch greater than every epoch taken from this file, and store it there.

    Raises OSError when it cannot be stored, or when the file belongs to another program.
    """
    if is_foreign(path):
        raise FileExistsError(errno.EEXIST, "it is a file of another program")
    with closing(EpochFile(path)) as file:
        file.wait_for_lock()
        epoch = next_epoch(clock_ms, [] if file.mark is None else [file.mark.epoch])
        file.write(Mark(epoch, 0, ""), durable=True)
        return epoch


def epoch_path(journal: Path) -> Path:
    """Return the path of a journal's epoch file."""
    return journal.with_name(f"{journal.name}.epoch")


def holds_mark(path: Path) -> bool:
    """Tell whether a file holds a valid mark."""
    return any(decode_mark(slot) is not None for slot in _slots(path))


def is_foreign(path: Path) -> bool:
    """Tell whether a file belongs to another program: it holds data, but no valid mark."""
    if holds_mark(path):
        return False
    return any(slot.strip(b"\0") for slot in _slots(path))


def _slots(path: Path) -> list[bytes]:
    with suppress(FileNotFoundError):
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return [os.pread(file, SLOT_BYTES, place) for place in SLOT_PLACES]
        finally:
            os.close(file)
    return []


def boot_id() -> str | None:
    """Return the id of this boot of the machine; None where the system has none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return None


def open_epoch_file(journal: Path) -> EpochFile:
    """Open and lock the epoch file of a journal; raises JournalError if that fails."""
    path = epoch_path(journal)
    try:
        file = EpochFile(path)
    except OSError as error:
        raise JournalError(
            f"SPOKE_JOURNAL: cannot use {path}: {error.strerror}; give a file in a folder that"
            " this user may write to"
        ) from error
    if not file.lock():
        file.close()
        raise JournalError(
            f"SPOKE_JOURNAL: {journal} is in use by another device process; stop that one, or"
            " give this one a file of its own with SPOKE_JOURNAL or --journal"
        )
    return file
