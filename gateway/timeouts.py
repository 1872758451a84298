"""Decides when the timeouts of devices are judged, and of how many in one turn. Pure.

How it works

- A device with something unsettled (a hole, an open question) is judged every :data:`TURN_S`. All
  others are judged in shares, so that each has its turn within :data:`EVERYONE_S`; a share may take
  :data:`JUDGE_S` of a turn.
- A timeout must not expire because the gateway was busy. While messages wait to be taken in,
  devices are judged every :data:`JUDGE_LATEST_S` only. After a long pause between two turns (the
  process was stopped), judging waits :data:`LATE_S`, so that the waiting messages are taken in
  first. A row of late turns delays it by :data:`JUDGE_LATEST_S` in all.
"""

from collections.abc import Callable

from gateway.devices.devices import Devices
from gateway.domain import Now

TURN_S = 0.025
"""How often unsettled devices are judged; the shortest of their timeouts is 50 ms."""
EVERYONE_S = 0.5
"""How often every other device is judged."""
JUDGE_S, JUDGED_AT_ONCE = 0.004, 50
"""The time a share may take of a turn, and how many devices are judged between two looks at the
clock."""
LATE_S = 0.25
"""A turn that begins this long after the last one is late."""
JUDGE_LATEST_S = 1.0
"""Under a flood of messages, or late turns only, devices are judged at least this often."""


class Timeouts:
    """Judges the timeouts of all devices, turn by turn."""

    def __init__(self, devices: Devices, clock: Callable[[], Now]) -> None:
        self._devices = devices
        self._clock = clock
        self._judged_s = self._not_before_s = 0.0
        self._late_since_s: float | None = None

    def note_turn(self, now_s: float, since_last_s: float) -> None:
        """Note that a turn begins; put judging off if it begins late."""
        if since_last_s <= LATE_S:
            self._late_since_s = None
            return
        self._late_since_s = now_s if self._late_since_s is None else self._late_since_s
        self._not_before_s = min(now_s + LATE_S, self._late_since_s + JUDGE_LATEST_S)

    def judge(self, now: Now, *, messages_wait: bool) -> None:
        """Judge the unsettled devices and a share of the others, if it is time to."""
        since_last_s = now.monotonic_s - self._judged_s
        least_s = JUDGE_LATEST_S if messages_wait else TURN_S
        if since_last_s < least_s or now.monotonic_s < self._not_before_s:
            return
        self._judged_s = now.monotonic_s
        self._devices.tick(now, everyone=False)
        count = 1 + int(min(1.0, since_last_s / EVERYONE_S) * len(self._devices))
        until_s = self._clock().monotonic_s + JUDGE_S
        while count > 0 and self._clock().monotonic_s <= until_s:
            self._devices.judge_some(min(count, JUDGED_AT_ONCE), now)
            count -= JUDGED_AT_ONCE
