"""When each bike of a fleet publishes and says its status. Pure: the time comes in.

Deadlines are absolute on a clock that never jumps, so nothing drifts. When the process comes late
by more than :data:`LATE_MAX_S` (it was suspended, or the machine cannot keep up) the ride of the
whole fleet is moved by that much: every measurement is still published, at its pace, the fleet
stays spread, and there is no burst. Statuses are not moved and not made up for.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import floor
from typing import NamedTuple

STATUS_INTERVAL_S = 1.0
LATE_MAX_S = 0.5
"""A shorter delay is made up for, so that a rate is kept. The burst that follows is half a second
of a fleet's readings: 5,000 from 1,000 bikes at 10 Hz, a quarter of its high-water mark."""
TURN_TASKS_MAX = 500
"""So that a signal or a question waits for some 10 ms at most, however much is due."""


class Kind(Enum):
    """What is due."""

    STATUS = auto()
    READING = auto()


class Task(NamedTuple):
    """What one bike has to do now; ``bike`` is its place in the fleet."""

    kind: Kind
    bike: int


class _Due(NamedTuple):
    due_s: float
    bike: int


@dataclass(slots=True)
class Schedule:
    """The next reading and the next status of each bike."""

    offsets_s: Sequence[float]
    """By how much each bike begins its ride after the first, in s."""
    start_s: float
    """When the ride of the first bike began, on the clock; grows when the fleet is moved."""
    moved_s: float = 0.0
    """By how much the fleet was moved since :meth:`take_moved`."""
    _readings: list[_Due] = field(default_factory=list)  # heap, relative to start_s
    _statuses: list[_Due] = field(default_factory=list)  # heap, on the clock

    def plan_reading(self, bike: int, due_s: float | None, now_s: float) -> None:
        """Plan a measurement taken ``due_s`` after the bike's start, None: publish it now."""
        due = now_s - self.start_s if due_s is None else self.offsets_s[bike] + due_s
        heapq.heappush(self._readings, _Due(due, bike))

    def take_due(self, now_s: float) -> list[Task]:
        """Take out what is due, statuses first; the status after each one is planned."""
        self._catch_up(now_s)
        tasks = [Task(Kind.STATUS, bike) for bike in self._take_statuses(now_s)]
        while self._readings and len(tasks) < TURN_TASKS_MAX:
            if self.start_s + self._readings[0].due_s > now_s:
                break
            tasks.append(Task(Kind.READING, heapq.heappop(self._readings).bike))
        return tasks

    def next_due_s(self) -> float:
        """Return when something is due next; a status always is."""
        next_s = self._statuses[0].due_s
        return min(next_s, self.start_s + self._readings[0].due_s) if self._readings else next_s

    def take_moved(self) -> float:
        """Return by how much the fleet was moved since this was asked last, in s."""
        moved, self.moved_s = self.moved_s, 0.0
        return moved

    def _catch_up(self, now_s: float) -> None:
        late_s = now_s - self.start_s - self._readings[0].due_s if self._readings else 0.0
        if late_s > LATE_MAX_S:
            self.start_s += late_s
            self.moved_s += late_s

    def _take_statuses(self, now_s: float) -> list[int]:
        bikes: list[int] = []
        while self._statuses[0].due_s <= now_s and len(bikes) < TURN_TASKS_MAX:
            due_s, bike = self._statuses[0]
            heapq.heapreplace(self._statuses, _Due(_next_status_s(due_s, now_s), bike))
            bikes.append(bike)
        return bikes


def schedule_fleet(intervals_s: Sequence[float], now_s: float) -> Schedule:
    """Spread the bikes over their intervals, and their statuses over a second.

    An interval of 0 is irregular; such bikes begin spread over a second.
    """
    bikes = len(intervals_s)
    offsets = [
        (interval_s or STATUS_INTERVAL_S) * bike / bikes
        for bike, interval_s in enumerate(intervals_s)
    ]
    statuses = [_Due(now_s + STATUS_INTERVAL_S * bike / bikes, bike) for bike in range(bikes)]
    return Schedule(offsets, now_s, _statuses=statuses)


def _next_status_s(due_s: float, now_s: float) -> float:
    """Return the next time after now that is a whole number of intervals after ``due_s``."""
    passed = floor((now_s - due_s) / STATUS_INTERVAL_S)
    return due_s + (passed + 1) * STATUS_INTERVAL_S
