"""How the numbering goes on after a start, so that no number is ever used twice. Pure.

Two files tell what was used: the mark, overwritten in place after each commit, and the journal.
An epoch goes on only if they prove together that the journal holds all that was published under
it; else a greater one begins.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from shared.cursor import INTEGER_LIMIT

BOOT_ID_BYTES = 36
"""A UUID as text, as Linux writes it."""
_SLOT = struct.Struct(f">8sQQQ{BOOT_ID_BYTES}s")
_SUM = struct.Struct(">I")
_NAME = b"spoke-1\n"
SLOT_BYTES = _SLOT.size + _SUM.size


@dataclass(frozen=True, slots=True)
class Mark:
    """The greatest epoch ever used, and what must be in the journal for it to go on."""

    epoch: int
    rows: int
    """The number of the journal's last row whose reading may have been published."""
    boot_id: str
    """When the machine was started; what was not synchronised is certain only until it ends."""


@dataclass(frozen=True, slots=True)
class Held:
    """What an intact journal holds."""

    epoch: int
    """The epoch its rows were written under last."""
    rows: int
    """The number of its last row."""
    last_seqs: Mapping[str, int]
    """The last number of each device in that epoch."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the numbering begins."""

    epoch: int
    last_seqs: Mapping[str, int]
    goes_on: bool
    """Whether the epoch is the one of the process before."""


def begin(mark: Mark | None, held: Held | None, boot_id: str | None, clock_ms: int) -> Beginning:
    """Decide where the numbers begin; ``held`` is None when the journal is not intact or empty."""
    if mark is not None and held is not None and _is_proven(mark, held, boot_id):
        return Beginning(held.epoch, held.last_seqs, goes_on=True)
    used = [known.epoch for known in (mark, held) if known is not None]
    return Beginning(next_epoch(clock_ms, used), {}, goes_on=False)


def next_epoch(clock_ms: int, used: Iterable[int]) -> int:
    """Return an epoch greater than all that were ``used``: the time, where the clock is right."""
    return max(clock_ms, 1, *(epoch + 1 for epoch in used))


def encode_mark(mark: Mark, written: int) -> bytes:
    """Write a slot; ``written`` counts the writes, so that the later of two slots is known."""
    boot_id = mark.boot_id.encode("ascii")
    body = _SLOT.pack(_NAME, written, mark.epoch, mark.rows, boot_id)
    return body + _SUM.pack(crc32(body))


def decode_mark(slot: bytes) -> tuple[int, Mark] | None:
    """Read a slot and its count; None when it was never written, or not to its end."""
    body, checksum = slot[: _SLOT.size], slot[_SLOT.size : SLOT_BYTES]
    if len(slot) < SLOT_BYTES or _SUM.pack(crc32(body)) != checksum:
        return None
    name, written, epoch, rows, boot_id = _SLOT.unpack(body)
    if name != _NAME or epoch >= INTEGER_LIMIT:
        return None
    return written, Mark(epoch, rows, boot_id.rstrip(b"\0").decode("ascii", "replace"))


def _is_proven(mark: Mark, held: Held, boot_id: str | None) -> bool:
    """Tell whether the journal holds all that was published under the greatest epoch.

    ``rows`` finds a journal that is intact but older than what was published: its log was lost
    or cut short, or a copy of it was put back.
    """
    is_same_boot = boot_id is not None and boot_id == mark.boot_id
    return is_same_boot and held.epoch == mark.epoch and held.rows >= mark.rows
