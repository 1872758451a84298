"""The unsent bytes of all clients: one bound on their memory, and the end of stalled clients.

Unsent bytes are those that the application sent, and that neither the kernel (WebSocket) nor a GET
of the client (polling) has taken.

How it works: each owner of an outbox reports how much memory its unsent bytes cost. When the total
passes the bound, the client with most is closed. A client that takes none of them is closed after
``stalled_s``, however few they are. A sender may wait here until its client has taken most of them.
"""

from typing import Protocol

from gevent.event import Event

from gateway.transport.event_loop.timers import Clock, Schedule
from gateway.transport.limits.budget import Budget, Later

HIGH_WATER_BYTES = 1_000_000
"""With more unsent bytes, senders wait for the client, and no event of the client is served."""
LOW_WATER_BYTES = HIGH_WATER_BYTES // 2
"""They go on when the client's unsent bytes have shrunk to this."""
CHECKS = 4
"""A client is stalled when it took nothing between so many checks in a row, ``stalled_s`` / CHECKS
apart. Checks are counted, not seconds: while the whole process stood still, no client could take
anything.
"""


class OutboxOwner(Protocol):
    """A client with unsent bytes."""

    @property
    def taken_bytes(self) -> int:
        """A number that grows whenever the client takes something."""

    def evict(self) -> None:
        """Close: this client has the most unsent bytes."""

    def end_stalled(self) -> None:
        """Close: this client takes none of its unsent bytes."""


class OutboxBudget(Budget[OutboxOwner]):
    """The memory of all unsent bytes; see the module."""

    def __init__(self, max_bytes: int, stalled_s: float, clock: Clock, later: Later) -> None:
        super().__init__(max_bytes, later)
        self._seen: dict[OutboxOwner, tuple[int, int]] = {}  # bytes taken, and for how many checks
        self._waits: dict[OutboxOwner, Event] = {}
        self._checks: Schedule[OutboxBudget] = clock.queue(
            stalled_s / CHECKS, lambda _, due: self._check()
        )
        self._is_checking = False

    def note(self, owner: OutboxOwner, cost: int) -> None:
        """Set the memory that a client's unsent bytes cost, in bytes."""
        super().note(owner, cost)
        if cost:
            self._begin_checks()
        else:
            self._seen.pop(owner, None)
        if self._waits and cost <= LOW_WATER_BYTES:
            self.wake(owner)

    def wait(self, owner: OutboxOwner, limit_s: float | None) -> bool:
        """Park this greenlet until a client took most of its unsent bytes, or is closed.

        The client must have unsent bytes. Returns False when ``limit_s`` passed first.
        """
        return self._waits.setdefault(owner, Event()).wait(limit_s)

    def wake(self, owner: OutboxOwner) -> None:
        """Wake the senders that wait for a client."""
        event = self._waits.pop(owner, None)
        if event is not None:
            event.set()

    # Stalled clients

    def _begin_checks(self) -> None:
        if not self._is_checking:
            self._is_checking = True
            self._checks.add(self)

    def _check(self) -> None:
        self._is_checking = False
        stalled = [owner for owner in self._costs if self._took_nothing(owner)]
        for owner in stalled:
            owner.end_stalled()
        if self._costs:
            self._begin_checks()

    def _took_nothing(self, owner: OutboxOwner) -> bool:
        taken = owner.taken_bytes
        before, checks = self._seen.get(owner, (-1, -1))
        checks = checks + 1 if taken == before else 0
        self._seen[owner] = taken, checks
        return checks >= CHECKS
