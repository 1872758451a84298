"""Deadlines of all connections, kept in order by one timer on the monotonic clock."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from gevent import get_hub

T = TypeVar("T")

# Slack when a timer fires: what is due within it is done at once, not by a wake-up of its own.
SLACK_S = 0.002


class Deadlines(Generic[T]):
    """Items that are all due the same time after they were added, so oldest first is in order.

    Nothing is taken out early: the one who is told compares ``due`` with what it remembers.
    """

    def __init__(self, delay_s: float, on_due: Callable[[T, float], None]) -> None:
        self.delay_s = delay_s
        self._on_due = on_due
        self._entries: deque[tuple[float, T]] = deque()

    def add(self, item: T, now: float) -> float:
        """Have ``item`` called for after the delay; return when (monotonic seconds)."""
        due = now + self.delay_s
        self._entries.append((due, item))
        return due

    @property
    def next_due(self) -> float | None:
        """When the first one is due, or None."""
        return self._entries[0][0] if self._entries else None

    def run(self, now: float) -> None:
        """Call for all that are due."""
        while self._entries and self._entries[0][0] <= now:
            due, item = self._entries.popleft()
            self._on_due(item, due)

    def run_all(self) -> None:
        """Call for all, due or not."""
        self.run(math.inf)


class Clock:
    """One timer of the event loop for any number of ``Deadlines``."""

    def __init__(self) -> None:
        self._queues: list[Deadlines[Any]] = []
        self._timer: Any = None
        self._armed_for: float | None = None

    def queue(self, delay_s: float, on_due: Callable[[T, float], None]) -> "Schedule[T]":
        """Return a place to put items that are due ``delay_s`` after they are put there."""
        deadlines = Deadlines(delay_s, on_due)
        self._queues.append(deadlines)
        return Schedule(self, deadlines)

    def stop(self) -> None:
        """Let nothing be called any more."""
        self._queues.clear()
        self._disarm()

    def arm(self) -> None:
        """Wake up when the first deadline of all is due."""
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
            self.arm()  # one that fails must not stop the clock for all

    def _disarm(self) -> None:
        timer, self._timer, self._armed_for = self._timer, None, None
        if timer is not None:
            timer.stop()
            timer.close()


class Schedule(Generic[T]):
    """One delay of a ``Clock``."""

    def __init__(self, clock: Clock, deadlines: Deadlines[T]) -> None:
        self._clock = clock
        self._deadlines = deadlines

    def add(self, item: T) -> float:
        """Have ``item`` called for; return the monotonic time at which it is due."""
        due = self._deadlines.add(item, time.monotonic())
        self._clock.arm()
        return due

    def run_all(self) -> None:
        """Call for all items, due or not."""
        self._deadlines.run_all()
