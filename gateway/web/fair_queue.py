"""A line for something that is short, fair between the addresses of clients.

The address that holds least goes first; of those that hold the same, the one that came first.
Within an address requests are served in the order in which they came. The next request in line is
waited for even if a later one would fit: large requests are not overtaken for ever. Nothing is
taken from anybody, so one address may hold all of it while no other asks.

``_ranks`` is a heap of ``(held, arrival, holder)``. A rank that no longer holds stays in it until
it comes to the front, or until there are far more ranks than holders.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TypeAlias

from gevent.event import Event

SPARE_RANKS = 64
"""Ranks that no longer hold, besides one for each holder that waits."""

_Rank: TypeAlias = tuple[int, int, str]


@dataclass(slots=True, eq=False)
class _Place:
    """A request that waits."""

    amount: int
    arrival: int
    granted: Event = field(default_factory=Event)


class FairLine:
    """Something of which there is ``size``, and who waits for a part of it."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Place]] = {}
        self._ranks: list[_Rank] = []
        self._arrivals = count()

    def take(self, amount: int, holder: str, wait_s: float) -> bool:
        """Wait for a part, in turn; False when it did not come in time."""
        place = _Place(amount, next(self._arrivals))
        line = self._waiting.setdefault(holder, deque())
        line.append(place)
        if len(line) == 1:
            self._rank(holder)
        self._grant()
        try:
            place.granted.wait(wait_s)
        except BaseException:  # the request was ended while it waited
            if place.granted.is_set():
                self.give_back(amount, holder)
            raise
        finally:
            if not place.granted.is_set():
                self._leave(holder, place)
        return place.granted.is_set()

    def give_back(self, amount: int, holder: str) -> None:
        """Take a part back, for the next in line."""
        self.free += amount
        self._hold(holder, -amount)
        self._grant()

    def _grant(self) -> None:
        """Serve those in front, as long as there is enough."""
        while self._ranks:
            holder = self._ranks[0][2]
            if self._ranks[0] != self._rank_of(holder):
                heappop(self._ranks)
                continue
            line = self._waiting[holder]
            if line[0].amount > self.free:
                return
            place = line.popleft()
            if not line:
                del self._waiting[holder]
            self.free -= place.amount
            self._hold(holder, place.amount)
            place.granted.set()

    def _leave(self, holder: str, place: _Place) -> None:
        line = self._waiting[holder]
        was_first = line[0] is place
        line.remove(place)
        if not line:
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
        """Note where a holder that waits stands now."""
        if len(self._ranks) > 2 * len(self._waiting) + SPARE_RANKS:
            self._ranks = [rank for it in self._waiting if (rank := self._rank_of(it))]
            heapify(self._ranks)
        elif rank := self._rank_of(holder):
            heappush(self._ranks, rank)

    def _rank_of(self, holder: str) -> _Rank | None:
        line = self._waiting.get(holder)
        return (self._held[holder], line[0].arrival, holder) if line else None
