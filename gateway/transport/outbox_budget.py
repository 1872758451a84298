"""The backlog of all clients together: one bound on its memory, and an end to stalled clients.

Each holder of unsent data says how much memory it costs. When the total passes the bound, the
client with the largest backlog is closed. A client that takes nothing of its backlog is closed
after ``stalled_s``, however small the backlog is. A sender may wait here until its client has
taken most of it.
"""

from typing import Protocol

from gevent.event import Event

from gateway.transport.budget import Budget, Later
from gateway.transport.timers import Clock, Schedule

HIGH_WATER_BYTES = 1_000_000
"""Above this a sender waits for the client, and no event of that client is served."""
LOW_WATER_BYTES = HIGH_WATER_BYTES // 2
"""Down to here the client has to take it before they go on."""
CHECKS = 4
"""A client is found stalled when so many checks in a row, a quarter of the time each, saw nothing
taken. To count checks, not seconds, spares those that could take nothing while the process stood.
"""


class Holder(Protocol):
    """A client with a backlog."""

    @property
    def taken_bytes(self) -> int:
        """A number that grows whenever the client takes something."""

    def evict(self) -> None:
        """Close: it holds most."""

    def end_stalled(self) -> None:
        """Close: it takes nothing."""


class Backlog(Budget[Holder]):
    """The memory of all unsent data; see the module."""

    def __init__(self, max_bytes: int, stalled_s: float, clock: Clock, later: Later) -> None:
        super().__init__(max_bytes, later)
        self._seen: dict[Holder, tuple[int, int]] = {}  # bytes taken, and for how many checks
        self._waits: dict[Holder, Event] = {}
        self._checks: Schedule[Backlog] = clock.queue(
            stalled_s / CHECKS, lambda _, due: self._check()
        )
        self._is_checking = False

    def note(self, holder: Holder, cost: int) -> None:
        """Set the memory that a client holds; 0 for nothing."""
        super().note(holder, cost)
        if cost:
            self._begin_checks()
        else:
            self._seen.pop(holder, None)
        if self._waits and cost <= LOW_WATER_BYTES:
            self.wake(holder)

    def wait(self, holder: Holder, limit_s: float | None) -> bool:
        """Park this greenlet until a client took most of what waits, or is closed; False for never.

        Only for a client that holds something.
        """
        return self._waits.setdefault(holder, Event()).wait(limit_s)

    def wake(self, holder: Holder) -> None:
        """Wake the senders that wait for a client."""
        event = self._waits.pop(holder, None)
        if event is not None:
            event.set()

    # Stalled clients

    def _begin_checks(self) -> None:
        if not self._is_checking:
            self._is_checking = True
            self._checks.add(self)

    def _check(self) -> None:
        self._is_checking = False
        stalled = [holder for holder in self._costs if self._took_nothing(holder)]
        for holder in stalled:
            holder.end_stalled()
        if self._costs:
            self._begin_checks()

    def _took_nothing(self, holder: Holder) -> bool:
        taken = holder.taken_bytes
        before, checks = self._seen.get(holder, (-1, -1))
        checks = checks + 1 if taken == before else 0
        self._seen[holder] = taken, checks
        return checks >= CHECKS
