"""A bound on the memory of all clients together.

Each client reports how much it holds. When the sum passes the bound, the clients that hold most
are closed.
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

RELIEF = 7 / 8
"""Evict down to this part of the bound, so that not every new byte starts another search."""

Later = Callable[[Callable[[], None]], Any]
"""Calls from the event loop, after the code that runs now."""


class Evictable(Protocol):
    """A client that holds memory."""

    def evict(self) -> None:
        """Close: this client holds most."""


C = TypeVar("C", bound=Evictable)


class Budget(Generic[C]):
    """The memory of all clients; see the module."""

    def __init__(self, max_bytes: int, later: Later) -> None:
        self.total = 0
        self._later = later
        self.max_bytes = max_bytes
        self._costs: dict[C, int] = {}
        self._is_relieving = False

    def note(self, client: C, cost: int) -> None:
        """Set the memory that a client holds, in bytes."""
        self.total += cost - self._costs.get(client, 0)
        if cost:
            self._costs[client] = cost
        else:
            self._costs.pop(client, None)
        if self.total > self.max_bytes and not self._is_relieving:
            # Deferred: the caller may be in the middle of a list of clients.
            self._is_relieving = True
            self._later(self._relieve)

    def _relieve(self) -> None:
        """Close the clients that hold most."""
        self._is_relieving = False
        if self.total <= self.max_bytes:
            return
        for client in sorted(self._costs, key=self._costs.__getitem__, reverse=True):
            if self.total <= self.max_bytes * RELIEF:
                return
            client.evict()
            self.note(client, 0)
