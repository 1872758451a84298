"""When each bike publishes its next reading and its next status. Pure: the time comes in.

How it works. Two heaps hold the deadlines: one reading and one status for each bike. Deadlines are
absolute on a monotonic clock, so nothing drifts. Deadlines of readings count from ``start_s``, the
start of the first bike's ride.

When the earliest reading is late by more than :data:`LATE_MAX_S`, because the process was suspended
or the machine is too slow, ``start_s`` grows by the delay. This moves the rides of the whole fleet.
So every sample is still published at its pace, the bikes stay spread over the interval, and there
is no burst. Statuses are not moved, and missed ones are skipped.

Invariants: a status of each bike is always planned. A bike has at most one planned reading. One
call of :meth:`Schedule.take_due` returns a bounded number of tasks.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import floor
from typing import NamedTuple

STATUS_INTERVAL_S = 1.0
LATE_MAX_S = 0.5
"""After a shorter delay the readings catch up, so that the rate stays right. The burst is half a
second of a fleet's readings: 5,000 from 1,000 bikes at 10 Hz, a quarter of the high-water mark."""
TURN_TASKS_MAX = 500
"""Bounds a turn to some 10 ms, so that signals and questions do not wait longer."""


class TaskKind(Enum):
    """The two kinds of tasks."""

    STATUS = auto()
    READING = auto()


class Task(NamedTuple):
    """A task that is due; ``bike`` is the bike's place in the fleet."""

    kind: TaskKind
    bike: int


class _Due(NamedTuple):
    due_s: float
    bike: int


@dataclass(slots=True)
class Schedule:
    """The next reading and the next status of each bike."""

    offsets_s: Sequence[float]
    """The start of each bike's ride, in s after the first bike's."""
    start_s: float
    """The start of the first bike's ride on the clock; grows when the fleet is moved."""
    moved_s: float = 0.0
    """The time by which the fleet was moved since :meth:`take_moved`."""
    _readings: list[_Due] = field(default_factory=list)  # heap, relative to start_s
    _statuses: list[_Due] = field(default_factory=list)  # heap, on the clock

    def plan_reading(self, bike: int, due_s: float | None, now_s: float) -> None:
        """Plan a reading ``due_s`` after the start of the bike's ride; None means now."""
        due = now_s - self.start_s if due_s is None else self.offsets_s[bike] + due_s
        heapq.heappush(self._readings, _Due(due, bike))

    def take_due(self, now_s: float) -> list[Task]:
        """Take out the tasks that are due, statuses first, and plan the next statuses."""
        self._catch_up(now_s)
        tasks = [Task(TaskKind.STATUS, bike) for bike in self._take_statuses(now_s)]
        while self._readings and len(tasks) < TURN_TASKS_MAX:
            if self.start_s + self._readings[0].due_s > now_s:
                break
            tasks.append(Task(TaskKind.READING, heapq.heappop(self._readings).bike))
        return tasks

    def next_due_s(self) -> float:
        """Return the time of the earliest deadline."""
        next_s = self._statuses[0].due_s
        return min(next_s, self.start_s + self._readings[0].due_s) if self._readings else next_s

    def take_moved(self) -> float:
        """Return the time by which the fleet was moved since the last call, in s."""
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
    """Plan a fleet: readings spread over the interval of the bikes, statuses over a second.

    An interval of 0 means irregular; the starts of such bikes are spread over a second.
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
