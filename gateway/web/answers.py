"""The memory budget of large HTTP answers: all answers being sent share it.

A request reserves the memory that its answer may need before it reads anything. When the budget is
used up, the request waits in a :class:`FairQueue` for a short time and is then refused. So clients
that read their answers slowly cannot use up the memory of the process. The next request to get
memory is one of the client address that holds the least.
"""

from dataclasses import dataclass

from gateway.transport.limits.client_address import LOCAL
from gateway.web.fair_queue import FairQueue
from shared.errors import Unavailable

ANSWERS_BYTES_MAX = 64_000_000
"""Enough for two thinned spans and some pages at once, or for 30 pages of the largest readings."""
WAIT_S = 5.0


class AnswerBudget:
    """The bytes that all answers being sent may hold together."""

    def __init__(self, size_bytes: int = ANSWERS_BYTES_MAX, wait_s: float = WAIT_S) -> None:
        self._queue = FairQueue(size_bytes)
        self._wait_s = wait_s

    def reserve(self, size_bytes: int, holder: str = LOCAL) -> "Reservation":
        """Reserve memory for a holder; raises Unavailable when none is free in time.

        ``holder``: the client's address as it counts for limits (``holder_of``).
        """
        if not self._queue.take(size_bytes, holder, self._wait_s):
            raise Unavailable("too many large answers are under way: ask again")
        return Reservation(self._queue, size_bytes, holder)


@dataclass(slots=True, eq=False)
class Reservation:
    """The part of a budget that one answer holds."""

    queue: FairQueue
    size_bytes: int
    holder: str

    def shrink_to(self, size_bytes: int) -> None:
        """Give back the bytes that the answer turned out not to need."""
        spare_bytes = max(0, self.size_bytes - size_bytes)
        self.size_bytes -= spare_bytes
        if spare_bytes:
            self.queue.give_back(spare_bytes, self.holder)

    def release(self) -> None:
        """Give everything back; a second call does nothing."""
        self.shrink_to(0)
