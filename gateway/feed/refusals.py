"""What a feed shows of what was refused: the reason in ``device_status``. Pure.

A position that is not believed and an unknown version are shown at once. Everything else happens
to good bikes too: a sensor fails once, a reading comes by two ways. Such refusals are shown when
they go on for :data:`REFUSED_AFTER_S` and no reading is accepted between them. They are called a
run. The next accepted reading ends the run and what is shown of it.
"""

from dataclasses import dataclass, field

from gateway.domain import FaultReason
from shared.cursor import Cursor

REFUSED_AFTER_S = 3.0
"""As long as it takes a silent bike to be offline."""
REFUSED_SHOWN_S = 10.0
"""How long a refusal is shown after the last one: as long as it takes to be believed after all."""
AT_ONCE = frozenset(
    {
        FaultReason.OLD_EPOCH,
        FaultReason.FUTURE_EPOCH,
        FaultReason.FAR_SEQ,
        FaultReason.UNSUPPORTED_VERSION,
    }
)
SWITCHES_LEAST = 2
"""Two publishers of one id are recognised when their numbers took turns so often."""
NEVER_S = float("-inf")


@dataclass(slots=True)
class _Run:
    """Refusals with no accepted reading between them.

    ``row`` is the last number that was refused because it had been used. ``other`` is the last
    number of the row before it: of two publishers, each goes on with its own row.
    """

    since_s: float
    invalid: int = 0
    used: int = 0
    switches: int = 0
    row: Cursor | None = None
    other: Cursor | None = None

    @property
    def reason(self) -> FaultReason:
        """Say what is wrong, in the words of ``device_status``."""
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
    """Which refusal of one device is shown, if any; ``accepted_s`` is of its last reading."""

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
        """Show a refusal no longer than it holds."""
        is_over = self.shown not in AT_ONCE and accepted_s > self._run.since_s
        if is_over or now_s - self._shown_s >= REFUSED_SHOWN_S:
            self.shown = None

    def clear(self) -> None:
        """Show nothing: the device is believed from now on."""
        self.shown = None

    def _go_on(self, now_s: float, accepted_s: float) -> _Run:
        """Give the run that goes on, or begin one; an accepted reading ends it."""
        if self._run.since_s <= accepted_s:
            self._run = _Run(now_s)
        return self._run

    def _show_run(self, now_s: float) -> None:
        if now_s - self._run.since_s < REFUSED_AFTER_S or self.shown in AT_ONCE:
            return
        self.shown, self._shown_s = self.shown or self._run.reason, now_s


def _follows(cursor: Cursor, before: Cursor | None) -> bool:
    return before is not None and cursor == (before.epoch, before.seq + 1)
