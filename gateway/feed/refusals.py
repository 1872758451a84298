"""Which refusal of a device ``device_status`` shows, if any. Pure.

How it works: a position that is not believed and an unknown version are shown at once. Other
refusals happen to good bikes too: a sensor fails once, a reading comes by two ways. They are shown
when they continue for :data:`REFUSED_AFTER_S` without an accepted reading between them. Such a
series is called a run. The next accepted reading ends the run, and it is no longer shown.
"""

from dataclasses import dataclass, field

from gateway.domain import FaultReason
from shared.cursor import Cursor

REFUSED_AFTER_S = 3.0
"""The time after which a silent bike is offline."""
REFUSED_SHOWN_S = 10.0
"""A refusal is shown this long after the last one: then a refused position is believed."""
AT_ONCE = frozenset(
    {
        FaultReason.OLD_EPOCH,
        FaultReason.FUTURE_EPOCH,
        FaultReason.FAR_SEQ,
        FaultReason.UNSUPPORTED_VERSION,
    }
)
SWITCHES_LEAST = 2
"""Two publishers of one id are recognised when their numbers took turns this often."""
NEVER_S = float("-inf")


@dataclass(slots=True)
class _Run:
    """Refusals with no accepted reading between them.

    ``row`` is the last number that was refused because it had been used. ``other`` is the last
    number of the row before it: each of two publishers continues its own row.
    """

    since_s: float
    invalid: int = 0
    used: int = 0
    switches: int = 0
    row: Cursor | None = None
    other: Cursor | None = None

    @property
    def reason(self) -> FaultReason:
        """The reason that ``device_status`` shows for this run."""
        if self.invalid >= self.used:
            return FaultReason.INVALID
        is_conflict = self.switches >= SWITCHES_LEAST
        return FaultReason.CONFLICT if is_conflict else FaultReason.SEQ_BACK

    def note_used(self, cursor: Cursor) -> None:
        """Note a number that had been used before."""
        self.used += 1
        if not _follows(cursor, self.row):
            self.switches += _follows(cursor, self.other)
            self.other = self.row
        self.row = cursor


@dataclass(slots=True)
class Refusals:
    """The refusals of one device; ``accepted_s`` is the time of its last accepted reading."""

    shown: FaultReason | None = None
    _shown_s: float = NEVER_S
    _run: _Run = field(default_factory=lambda: _Run(NEVER_S))

    def note(self, reason: str, now_s: float, accepted_s: float) -> None:
        """Note a message that was refused."""
        if reason in AT_ONCE:
            self.shown, self._shown_s = FaultReason(reason), now_s
            return
        self._go_on(now_s, accepted_s).invalid += 1
        self._show_run(now_s)

    def note_used(self, cursor: Cursor, now_s: float, accepted_s: float) -> None:
        """Note a reading that was dropped because its number had been used."""
        self._go_on(now_s, accepted_s).note_used(cursor)
        self._show_run(now_s)

    def settle(self, now_s: float, accepted_s: float) -> None:
        """Hide a refusal that is over."""
        is_over = self.shown not in AT_ONCE and accepted_s > self._run.since_s
        if is_over or now_s - self._shown_s >= REFUSED_SHOWN_S:
            self.shown = None

    def clear(self) -> None:
        """Show nothing, because the device is believed from now on."""
        self.shown = None

    def _go_on(self, now_s: float, accepted_s: float) -> _Run:
        """Return the present run, or a new one if a reading was accepted since it began."""
        if self._run.since_s <= accepted_s:
            self._run = _Run(now_s)
        return self._run

    def _show_run(self, now_s: float) -> None:
        if now_s - self._run.since_s < REFUSED_AFTER_S or self.shown in AT_ONCE:
            return
        self.shown, self._shown_s = self.shown or self._run.reason, now_s


def _follows(cursor: Cursor, before: Cursor | None) -> bool:
    return before is not None and cursor == (before.epoch, before.seq + 1)
