"""The backlog of all clients together: one bound on its memory, and the end of stalled clients.

How it works: each owner of unsent data reports how much memory the data costs. When the total
passes the bound, the client with the largest backlog is closed. A client that takes nothing of its
backlog is closed after ``stalled_s``, however small the backlog is. A sender may wait here until
its client has taken most of its backlog.
"""

from typing import Protocol

from gevent.event import Event

from gateway.transport.budget import Budget, Later
from gateway.transport.timers import Clock, Schedule

HIGH_WATER_BYTES = 1_000_000
"""Above this, senders wait for the client, and no event of that client is served."""
LOW_WATER_BYTES = HIGH_WATER_BYTES // 2
"""They go on when the backlog has shrunk to this."""
CHECKS = 4
"""A client is stalled when it took nothing between so many checks in a row, ``stalled_s`` / CHECKS
apart. Checks are counted, not seconds: while the whole process stood still, no client could take
anything.
"""


class BacklogOwner(Protocol):
    """A client with unsent data."""

    @property
    def taken_bytes(self) -> int:
        """A number that grows whenever the client takes something."""

    def evict(self) -> None:
        """Close: this client has the largest backlog."""

    def end_stalled(self) -> None:
        """Close: this client takes nothing."""


class Backlog(Budget[BacklogOwner]):
    """The memory of all unsent data; see the module."""

    def __init__(self, max_bytes: int, stalled_s: float, clock: Clock, later: Later) -> None:
        super().__init__(max_bytes, later)
        self._seen: dict[BacklogOwner, tuple[int, int]] = {}  # bytes taken, and for how many checks
        self._waits: dict[BacklogOwner, Event] = {}
        self._checks: Schedule[Backlog] = clock.queue(
            stalled_s / CHECKS, lambda _, due: self._check()
        )
        self._is_checking = False

    def note(self, owner: BacklogOwner, cost: int) -> None:
        """Set the memory that a client's unsent data costs, in bytes."""
        super().note(owner, cost)
        if cost:
            self._begin_checks()
        else:
            self._seen.pop(owner, None)
        if self._waits and cost <= LOW_WATER_BYTES:
            self.wake(owner)

    def wait(self, owner: BacklogOwner, limit_s: float | None) -> bool:
        """Park this greenlet until a client took most of its backlog, or is closed.

        The client must have a backlog. Returns False when ``limit_s`` passed first.
        """
        return self._waits.setdefault(owner, Event()).wait(limit_s)

    def wake(self, owner: BacklogOwner) -> None:
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

    def _took_nothing(self, owner: BacklogOwner) -> bool:
        taken = owner.taken_bytes
        before, checks = self._seen.get(owner, (-1, -1))
        checks = checks + 1 if taken == before else 0
        self._seen[owner] = taken, checks
        return checks >= CHECKS
