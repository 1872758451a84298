"""Which positions of a device are believed, seen from the last one that is settled."""

from gateway.domain import FaultReason
from shared.cursor import Cursor

ADOPT_AFTER_S = 10.0
"""After this long without anything acceptable, an older epoch or a far number is believed."""
FAR_SEQ = 1_000_000
"""A day at 10 Hz: no break a device survives skips more numbers in one epoch."""
FUTURE_EPOCH_MS = 24 * 3600 * 1000
"""A clock in the wrong time zone is no more than this ahead; boot counters never are."""


def refusal(
    cursor: Cursor, head: Cursor | None, known_seq: int, silence_s: float, wall_ms: int
) -> FaultReason | None:
    """Say why a position is refused; None when it is admitted.

    ``known_seq`` is the greatest number known of the position's epoch, ``silence_s`` the time
    since anything acceptable was heard.
    """
    if is_future(cursor, wall_ms):
        return FaultReason.FUTURE_EPOCH
    if head is None or silence_s >= ADOPT_AFTER_S:
        return None
    return strangeness(cursor, head, known_seq)


def is_future(cursor: Cursor, wall_ms: int) -> bool:
    """Tell whether an epoch lies where no clock can be."""
    return cursor.epoch > wall_ms + FUTURE_EPOCH_MS


def strangeness(cursor: Cursor, head: Cursor, known_seq: int) -> FaultReason | None:
    """Say what is wrong with a position; None when it is as expected."""
    if cursor.epoch < head.epoch:
        return FaultReason.OLD_EPOCH
    return FaultReason.FAR_SEQ if cursor.seq > known_seq + FAR_SEQ else None
