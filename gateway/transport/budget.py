"""Memory that all clients share: a sum of what each holds, with one bound.

Each holder says how much it holds. When the sum passes the bound, the holders with most are closed.
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

RELIEF = 7 / 8
"""Evict down to this part of the bound, so that the largest are not looked for each time."""

Later = Callable[[Callable[[], None]], Any]
"""Calls from the event loop, after whoever runs now."""


class Evictable(Protocol):
    """A client that holds memory."""

    def evict(self) -> None:
        """Close: it holds most."""


H = TypeVar("H", bound=Evictable)


class Budget(Generic[H]):
    """The memory of all holders; see the module."""

    def __init__(self, max_bytes: int, later: Later) -> None:
        self.total = 0
        self._later = later
        self._max_bytes = max_bytes
        self._costs: dict[H, int] = {}
        self._is_relieving = False

    def note(self, holder: H, cost: int) -> None:
        """Set the memory that a client holds; 0 for nothing."""
        self.total += cost - self._costs.get(holder, 0)
        if cost:
            self._costs[holder] = cost
        else:
            self._costs.pop(holder, None)
        if self.total > self._max_bytes and not self._is_relieving:
            # Deferred: the caller may be in the middle of a list of clients.
            self._is_relieving = True
            self._later(self._relieve)

    def _relieve(self) -> None:
        """Close the clients that hold most, as all of them hold too much."""
        self._is_relieving = False
        if self.total <= self._max_bytes:
            return
        for holder in sorted(self._costs, key=self._costs.__getitem__, reverse=True):
            if self.total <= self._max_bytes * RELIEF:
                return
            holder.evict()
            self.note(holder, 0)
