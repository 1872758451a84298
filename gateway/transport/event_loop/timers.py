"""Deadlines of all connections on one timer of the event loop.

A timer for each connection would cost a watcher each, started and stopped with every packet. Items
with the same delay are due in the order in which they were added, so each delay has a queue, and
one timer waits for the earliest head of all queues. Nothing is taken out of a queue early: an owner
that no longer cares compares ``due`` with the time it remembers.

All times are monotonic seconds.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from gevent import get_hub

T = TypeVar("T")

SLACK_S = 0.002
"""Items that are due this soon after the timer fires are handled with it, in one wake-up."""


class Deadlines(Generic[T]):
    """A queue of items that are due ``delay_s`` after they were added."""

    def __init__(self, delay_s: float, on_due: Callable[[T, float], None]) -> None:
        self.delay_s = delay_s
        self._on_due = on_due
        self._entries: deque[tuple[float, T]] = deque()

    def add(self, item: T, now: float) -> float:
        """Have ``on_due(item, due)`` called after the delay; return ``due``."""
        due = now + self.delay_s
        self._entries.append((due, item))
        return due

    @property
    def next_due(self) -> float | None:
        """When the first item is due, or None without items."""
        return self._entries[0][0] if self._entries else None

    def run(self, now: float) -> None:
        """Call ``on_due`` for each item that is due."""
        while self._entries and self._entries[0][0] <= now:
            due, item = self._entries.popleft()
            self._on_due(item, due)

    def run_all(self) -> None:
        """Call ``on_due`` for each item, due or not."""
        self.run(math.inf)


class Clock:
    """One timer of the event loop for any number of ``Deadlines``."""

    def __init__(self) -> None:
        self._queues: list[Deadlines[Any]] = []
        self._timer: Any = None
        self._armed_for: float | None = None

    def queue(self, delay_s: float, on_due: Callable[[T, float], None]) -> "Schedule[T]":
        """Return a new queue; it calls ``on_due(item, due)`` for each item after ``delay_s``."""
        deadlines = Deadlines(delay_s, on_due)
        self._queues.append(deadlines)
        return Schedule(self, deadlines)

    def stop(self) -> None:
        """Drop all items and stop the timer."""
        self._queues.clear()
        self._disarm()

    def arm_for(self, due: float) -> None:
        """Set the timer to a new deadline, if that is the earliest one."""
        if self._armed_for is None or due < self._armed_for:
            self._arm()

    def _arm(self) -> None:
        """Set the timer to the earliest deadline of all queues."""
        dues = [queue.next_due for queue in self._queues if queue.next_due is not None]
        first = min(dues, default=None)
        if first is None or (self._armed_for is not None and self._armed_for <= first):
            return
        self._disarm()
        timer = get_hub().loop.timer(max(0.0, first - time.monotonic()), ref=False)
        timer.start(self._wake)
        self._timer, self._armed_for = timer, first

    def _wake(self) -> None:
        self._disarm()
        now = time.monotonic() + SLACK_S
        try:
            for queue in list(self._queues):
                queue.run(now)
        finally:
            self._arm()  # a failing callback must not stop the timer for all others

    def _disarm(self) -> None:
        timer, self._timer, self._armed_for = self._timer, None, None
        if timer is not None:
            timer.stop()
            timer.close()


class Schedule(Generic[T]):
    """One queue of a ``Clock``."""

    def __init__(self, clock: Clock, deadlines: Deadlines[T]) -> None:
        self._clock = clock
        self._deadlines = deadlines

    def add(self, item: T) -> float:
        """Add an item; return the monotonic time at which it is due."""
        due = self._deadlines.add(item, time.monotonic())
        self._clock.arm_for(due)
        return due

    def run_all(self) -> None:
        """Call ``on_due`` for each item, due or not."""
        self._deadlines.run_all()
