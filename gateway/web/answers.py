"""Memory for large HTTP answers: all answers under way share one budget.

A request reserves what its answer may need before it reads anything. When there is no room it
waits in line for a short time, and is then refused: answers that clients take slowly cannot use up
the memory of the process.
"""

from collections import deque
from dataclasses import dataclass

from gevent.event import Event

from shared.errors import Unavailable

ANSWERS_BYTES_MAX = 64_000_000
"""For two thinned spans and some pages at once, or for 30 pages of the largest readings."""
WAIT_S = 5.0


class AnswerBudget:
    """Bytes that answers under way may hold together."""

    def __init__(self, size_bytes: int = ANSWERS_BYTES_MAX, wait_s: float = WAIT_S) -> None:
        self.free_bytes = size_bytes
        self._wait_s = wait_s
        self._waiting: deque[tuple[int, Event]] = deque()

    def reserve(self, size_bytes: int) -> "Reservation":
        """Reserve memory, in turn; raises Unavailable when there is none in time."""
        granted = Event()
        place = (size_bytes, granted)
        self._waiting.append(place)
        self._grant()
        try:
            granted.wait(self._wait_s)
        finally:
            if not granted.is_set():
                self._waiting.remove(place)
                self._grant()
        if not granted.is_set():
            raise Unavailable("too many large answers are under way: ask again")
        return Reservation(self, size_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Take memory back, for the next in line."""
        self.free_bytes += size_bytes
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free_bytes:
            size_bytes, granted = self._waiting.popleft()
            self.free_bytes -= size_bytes
            granted.set()


@dataclass(slots=True, eq=False)
class Reservation:
    """The part of a budget that one answer holds."""

    budget: AnswerBudget
    size_bytes: int

    def shrink_to(self, size_bytes: int) -> None:
        """Give back what the answer turned out not to need."""
        spare_bytes = max(0, self.size_bytes - size_bytes)
        self.size_bytes -= spare_bytes
        self.budget.give_back(spare_bytes)

    def release(self) -> None:
        """Give everything back; a second time does nothing."""
        self.shrink_to(0)
