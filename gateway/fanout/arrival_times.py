"""Tells how long ago an entry arrived, from its arrival number. Pure.

An entry has no time of its arrival, because that would cost memory for each reading. So the newest
arrival number is noted twice a second, and a number is as old as the next one that was noted.
"""

from bisect import bisect_right
from collections import deque

NOTE_S = 0.5
"""How often a number is noted, and the error of the ages."""
NOTES_MAX = 1_200
"""Ten minutes; a client that is further behind counts as that far behind."""


class ArrivalTimes:
    """The newest arrival number, at times :data:`NOTE_S` apart."""

    def __init__(self) -> None:
        self._arrivals: deque[int] = deque(maxlen=NOTES_MAX)
        self._times_s: deque[float] = deque(maxlen=NOTES_MAX)
        self._next_s = float("-inf")

    def note(self, arrival: int, now_s: float) -> None:
        """Note the newest arrival number, if it is time to."""
        if now_s >= self._next_s:
            self._next_s = now_s + NOTE_S
            self._arrivals.append(arrival)
            self._times_s.append(now_s)

    def age_s(self, arrival: int, now_s: float) -> float:
        """Return how long ago the first entry after ``arrival`` arrived; 0 if none did."""
        index = bisect_right(self._arrivals, arrival)
        return now_s - self._times_s[index] if index < len(self._times_s) else 0.0
