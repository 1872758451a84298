"""The terms of the gateway's core: the time, gaps, and the reasons for gaps and faults. Pure.

A reason is a string on the wire. The events, the HTTP API and the log show the same words. The
schemas, the TypeScript types and the dashboard list them too; tests compare the lists.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from shared.cursor import Cursor, count_between


class Now(NamedTuple):
    """The time: seconds of a clock that never jumps, and the wall clock in ms since 1970."""

    monotonic_s: float
    wall_ms: int


class GapReason(StrEnum):
    """Why the readings of a gap will not come."""

    OVERRUN = "overrun"
    EXPIRED = "expired"
    NOT_RECOVERED = "not_recovered"
    INVALID = "invalid"
    EPOCH = "epoch"
    EPOCH_BACK = "epoch_back"
    UNKNOWN_CURSOR = "unknown_cursor"
    EVICTED = "evicted"


class FaultReason(StrEnum):
    """A fault of a device's messages."""

    OLD_EPOCH = "old_epoch"
    FUTURE_EPOCH = "future_epoch"
    FAR_SEQ = "far_seq"
    UNSUPPORTED_VERSION = "unsupported_version"
    INVALID = "invalid"
    SEQ_BACK = "seq_back"
    CONFLICT = "conflict"
    TABLE_FULL = "table_full"


class DropReason(StrEnum):
    """Why a message was dropped, and only counted: it happens to devices without a fault."""

    DUPLICATE = "duplicate"
    HELD_FULL = "held_full"
    CROWDED_OUT = "crowded_out"
    UNASKED_ANSWER = "unasked_answer"


SHOWN_FAULTS = frozenset(FaultReason) - {FaultReason.TABLE_FULL}
"""The faults that ``device_status`` shows as ``refused``."""
LOGGED_FAULTS = frozenset(FaultReason) - {FaultReason.UNSUPPORTED_VERSION, FaultReason.INVALID}
"""The faults that are logged as ``device_fault``; the others are logged as ``message_refused``."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that will not come; both bounds are exclusive positions."""

    device_id: str
    after: Cursor | None
    before: Cursor
    reason: GapReason

    @property
    def end(self) -> Cursor:
        """A client's cursor after the gap was announced: one before ``before``."""
        return Cursor(self.before.epoch, self.before.seq - 1)

    @property
    def lost(self) -> int | None:
        """The number of missing readings; None when it cannot be known."""
        return None if self.after is None else count_between(self.after, self.before)

    def body(self) -> dict[str, object]:
        """Return the payload of the ``gap`` event."""
        return {
            "device_id": self.device_id,
            "after": None if self.after is None else str(self.after),
            "before": str(self.before),
            "lost": self.lost,
            "reason": self.reason,
        }
