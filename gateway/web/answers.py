"""Memory for large HTTP answers: all answers under way share one budget.

A request reserves what its answer may need before it reads anything. When there is no room it
waits in line for a short time, and is then refused: answers that clients take slowly cannot use up
the memory of the process. Whose address holds least goes first.
"""

from dataclasses import dataclass

from gateway.transport.client_address import LOCAL
from gateway.web.fair_queue import FairLine
from shared.errors import Unavailable

ANSWERS_BYTES_MAX = 64_000_000
"""For two thinned spans and some pages at once, or for 30 pages of the largest readings."""
WAIT_S = 5.0


class AnswerBudget:
    """Bytes that answers under way may hold together."""

    def __init__(self, size_bytes: int = ANSWERS_BYTES_MAX, wait_s: float = WAIT_S) -> None:
        self._line = FairLine(size_bytes)
        self._wait_s = wait_s

    @property
    def free_bytes(self) -> int:
        """What no answer holds."""
        return self._line.free

    def reserve(self, size_bytes: int, holder: str = LOCAL) -> "Reservation":
        """Reserve memory for a client's address; raises Unavailable when there is none in time."""
        if not self._line.take(size_bytes, holder, self._wait_s):
            raise Unavailable("too many large answers are under way: ask again")
        return Reservation(self._line, size_bytes, holder)


@dataclass(slots=True, eq=False)
class Reservation:
    """The part of a budget that one answer holds."""

    line: FairLine
    size_bytes: int
    holder: str

    def shrink_to(self, size_bytes: int) -> None:
        """Give back what the answer turned out not to need."""
        spare_bytes = max(0, self.size_bytes - size_bytes)
        self.size_bytes -= spare_bytes
        if spare_bytes:
            self.line.give_back(spare_bytes, self.holder)

    def release(self) -> None:
        """Give everything back; a second time does nothing."""
        self.shrink_to(0)
