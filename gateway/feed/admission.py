"""Admission: which positions of a device are believed, given its last settled position.

A device that restarts has a greater epoch, and its numbers go up by one. A position that breaks
this rule may come from a second device of the same id, or from a wrong clock. It is refused until
nothing acceptable has come for :data:`ADOPT_AFTER_S`: then the device has really changed.
"""

from gateway.domain import FaultReason
from shared.cursor import Cursor

ADOPT_AFTER_S = 10.0
"""After this long without an acceptable message, an older epoch or a far number is believed."""
FAR_SEQ = 1_000_000
"""A day at 10 Hz: no break within one epoch skips more numbers."""
FUTURE_EPOCH_MS = 24 * 3600 * 1000
"""A clock in the wrong time zone is less than this ahead; a boot counter never is."""


def refusal(
    cursor: Cursor, head: Cursor | None, known_seq: int, silence_s: float, wall_ms: int
) -> FaultReason | None:
    """Return why a position is refused; None if it is admitted.

    ``known_seq`` is the greatest number known of the position's epoch, ``silence_s`` the time
    since the last acceptable message.
    """
    if is_future(cursor, wall_ms):
        return FaultReason.FUTURE_EPOCH
    if head is None or silence_s >= ADOPT_AFTER_S:
        return None
    return strangeness(cursor, head, known_seq)


def is_future(cursor: Cursor, wall_ms: int) -> bool:
    """Tell whether an epoch is later than any clock may be."""
    return cursor.epoch > wall_ms + FUTURE_EPOCH_MS


def strangeness(cursor: Cursor, head: Cursor, known_seq: int) -> FaultReason | None:
    """Return why a position is not expected after ``head``; None if it is."""
    if cursor.epoch < head.epoch:
        return FaultReason.OLD_EPOCH
    return FaultReason.FAR_SEQ if cursor.seq > known_seq + FAR_SEQ else None
