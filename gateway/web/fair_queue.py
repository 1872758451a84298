"""A queue for a limited resource, fair between the addresses of clients.

How it works: a *holder* is the client's address as it counts for limits (``holder_of``). The next
request served is one of the holder that holds the least; of holders that hold the same amount, the
one whose request is oldest. The requests of one holder are served first in, first out. If the next
request does not fit, later ones wait too, even if they would fit: otherwise small requests could
overtake a large one for ever. The queue never takes anything back, so one holder may hold
everything while no other asks.

``_ranks`` is a heap of ``(held, arrival, holder)``. An entry becomes stale when its holder takes or
gives back something. Stale entries stay in the heap until they come to its front, or until the heap
has far more entries than there are holders (:data:`SPARE_RANKS`); then it is rebuilt.

Invariant: ``free`` plus the amounts of all holders is the size of the resource.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TypeAlias

from gevent.event import Event

SPARE_RANKS = 64
"""Stale entries that the heap may have, besides two for each holder that waits."""

_Rank: TypeAlias = tuple[int, int, str]


@dataclass(slots=True, eq=False)
class _Request:
    """A waiting request."""

    amount: int
    arrival: int
    granted: Event = field(default_factory=Event)


class FairQueue:
    """A resource of ``size`` units, and the requests that wait for some of them."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Request]] = {}
        self._ranks: list[_Rank] = []
        self._arrivals = count()

    def take(self, amount: int, holder: str, wait_s: float) -> bool:
        """Wait in the queue for ``amount``; return False when it was not granted in time."""
        request = _Request(amount, next(self._arrivals))
        queue = self._waiting.setdefault(holder, deque())
        queue.append(request)
        if len(queue) == 1:
            self._rank(holder)
        self._grant()
        try:
            request.granted.wait(wait_s)
        except BaseException:  # the greenlet was killed while it waited
            if request.granted.is_set():
                self.give_back(amount, holder)
            raise
        finally:
            if not request.granted.is_set():
                self._leave(holder, request)
        return request.granted.is_set()

    def give_back(self, amount: int, holder: str) -> None:
        """Return ``amount`` to the queue, which grants it to the next requests."""
        self.free += amount
        self._hold(holder, -amount)
        self._grant()

    def _grant(self) -> None:
        """Grant requests in order, until the next one does not fit."""
        while self._ranks:
            holder = self._ranks[0][2]
            if self._ranks[0] != self._rank_of(holder):  # a stale entry
                heappop(self._ranks)
                continue
            queue = self._waiting[holder]
            if queue[0].amount > self.free:
                return
            request = queue.popleft()
            if not queue:
                del self._waiting[holder]
            self.free -= request.amount
            self._hold(holder, request.amount)
            request.granted.set()

    def _leave(self, holder: str, request: _Request) -> None:
        """Remove a request that timed out; the one behind it may fit."""
        queue = self._waiting[holder]
        was_first = queue[0] is request
        queue.remove(request)
        if not queue:
            del self._waiting[holder]
        elif was_first:
            self._rank(holder)
        self._grant()

    def _hold(self, holder: str, amount: int) -> None:
        self._held[holder] += amount
        if not self._held[holder]:
            del self._held[holder]
        self._rank(holder)

    def _rank(self, holder: str) -> None:
        """Enter the current rank of a holder that waits."""
        if len(self._ranks) > 2 * len(self._waiting) + SPARE_RANKS:
            self._ranks = [rank for it in self._waiting if (rank := self._rank_of(it))]
            heapify(self._ranks)
        elif rank := self._rank_of(holder):
            heappush(self._ranks, rank)

    def _rank_of(self, holder: str) -> _Rank | None:
        queue = self._waiting.get(holder)
        return (self._held[holder], queue[0].arrival, holder) if queue else None
