"""Decides how the numbering continues after a start, so that no number is used twice. Pure.

How it works. Two files show which numbers were used: the mark in the epoch file, written after each
commit, and the journal. The old epoch continues only if all of this holds:

- The machine was not restarted: data that was not synchronised is certain only until then.
- The journal is intact, and its newest epoch is the greatest epoch ever used.
- The journal holds the last row that was published. If it does not, its log was lost or cut short,
  or somebody put an old copy back.

In every other case a greater epoch begins, and its numbers begin at 1.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from shared.cursor import INTEGER_LIMIT

BOOT_ID_BYTES = 36
"""A UUID as text, as Linux gives it."""
_SLOT = struct.Struct(f">8sQQQ{BOOT_ID_BYTES}s")
_SUM = struct.Struct(">I")
_NAME = b"spoke-1\n"
SLOT_BYTES = _SLOT.size + _SUM.size


@dataclass(frozen=True, slots=True)
class Mark:
    """The greatest epoch ever used, and the state in which its journal can continue it."""

    epoch: int
    rows: int
    """The journal's last row whose reading may have been published."""
    boot_id: str
    """The boot of the machine in which the mark was written; empty if unknown."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """The end of an intact journal."""

    epoch: int
    """The newest epoch of its rows."""
    rows: int
    """The number of its last row."""
    last_seqs: Mapping[str, int]
    """The last number of each device in that epoch."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The epoch of this process, and the last number of each device in it."""

    epoch: int
    last_seqs: Mapping[str, int]
    goes_on: bool
    """Whether the epoch of the previous process continues."""


def begin(
    mark: Mark | None, journal: JournalState | None, boot_id: str | None, clock_ms: int
) -> Beginning:
    """Decide where the numbers begin; ``journal`` is None if it is damaged or empty."""
    if mark is not None and journal is not None and _is_complete(mark, journal, boot_id):
        return Beginning(journal.epoch, journal.last_seqs, goes_on=True)
    used = [known.epoch for known in (mark, journal) if known is not None]
    return Beginning(next_epoch(clock_ms, used), {}, goes_on=False)


def next_epoch(clock_ms: int, used: Iterable[int]) -> int:
    """Return an epoch greater than every ``used`` one: the time, if the clock did not go back."""
    return max(clock_ms, 1, *(epoch + 1 for epoch in used))


def encode_mark(mark: Mark, written: int) -> bytes:
    """Encode a slot; ``written`` counts the writes, so that a reader finds the later slot."""
    boot_id = mark.boot_id.encode("ascii")
    body = _SLOT.pack(_NAME, written, mark.epoch, mark.rows, boot_id)
    return body + _SUM.pack(crc32(body))


def decode_mark(slot: bytes) -> tuple[int, Mark] | None:
    """Decode a slot and its write count; None if it was never written, or is damaged."""
    body, checksum = slot[: _SLOT.size], slot[_SLOT.size : SLOT_BYTES]
    if len(slot) < SLOT_BYTES or _SUM.pack(crc32(body)) != checksum:
        return None
    name, written, epoch, rows, boot_id = _SLOT.unpack(body)
    if name != _NAME or epoch >= INTEGER_LIMIT:
        return None
    return written, Mark(epoch, rows, boot_id.rstrip(b"\0").decode("ascii", "replace"))


def _is_complete(mark: Mark, journal: JournalState, boot_id: str | None) -> bool:
    """Tell whether the journal holds every reading published in the greatest epoch."""
    is_same_boot = boot_id is not None and boot_id == mark.boot_id
    return is_same_boot and journal.epoch == mark.epoch and journal.rows >= mark.rows
