"""Turns the counters of a wheel or a crank into revolutions per second. Pure.

How it works. A sensor notifies two numbers about once a second: the revolutions so far, and the
time of the last one on a clock of its own. Two different pairs give the mean rate between the two
revolutions. Both numbers wrap, independently of each other.

- The first pair gives no rate: nothing is known of the time before.
- The same number of revolutions means that no revolution ended since, not that the bike stands. The
  rate is kept, but it cannot be more than one revolution in the time that passed. After
  :data:`STANDSTILL_S` it is 0.
- The sensor's clock wraps after 32 or 64 s. If the last revolution was earlier than that by the
  receiver's clock, the difference of the times means nothing, and the pair counts as the first.
- A rate that no bike reaches means that the counter was reset. The pair counts as the first.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from device.sources.decoders.cycling import Counter

STANDSTILL_S = 2.5
TICKS_WRAP = 1 << 16
LATE_S = 4.0
"""By how much later than the one before a notification may arrive; more than radios cause."""


class Rate(NamedTuple):
    """Revolutions per second, None if unknown; ``is_new`` if this pair tells something new."""

    hz: float | None
    is_new: bool


@dataclass(slots=True)
class Revolutions:
    """The rate of one wheel or crank. ``turns_bits`` and ``ticks_per_s`` describe the counter."""

    turns_bits: int
    ticks_per_s: int
    hz_max: float
    _last: Counter | None = None
    _last_s: float = 0.0  # when the last revolution was reported, by the receiver's clock
    _hz: float | None = None

    def take(self, counter: Counter, now_s: float) -> Rate:
        """Take the pair that arrived at ``now_s``, which is another one or a later one."""
        if self._last is None:
            return self._begin(counter, now_s)
        turns = (counter.turns - self._last.turns) % (1 << self.turns_bits)
        if turns == 0:
            return self._keep(now_s - self._last_s)
        ticks = (counter.ticks - self._last.ticks) % TICKS_WRAP
        hz = turns * self.ticks_per_s / ticks if ticks else inf
        wrap_s = TICKS_WRAP / self.ticks_per_s
        if hz > self.hz_max or now_s - self._last_s > wrap_s - LATE_S:
            return self._begin(counter, now_s)
        self._last, self._last_s, self._hz = counter, now_s, hz
        return Rate(hz, is_new=True)

    def _begin(self, counter: Counter, now_s: float) -> Rate:
        self._last, self._last_s, self._hz = counter, now_s, None
        return Rate(None, is_new=False)

    def _keep(self, waited_s: float) -> Rate:
        if waited_s >= STANDSTILL_S:
            self._hz = 0.0
            return Rate(0.0, is_new=True)
        if self._hz is None or self._hz * waited_s <= 1:
            return Rate(self._hz, is_new=False)
        self._hz = 1 / waited_s
        return Rate(self._hz, is_new=True)
