"""A group: clients that watch the same devices share one tail of the newest entries. Pure.

How it works. A group's tail (:mod:`gateway.fanout.tail`) holds ready frames in order of arrival. A
member's position in it is one arrival number, that of the last entry it was sent, so a client that
watches 1,000 devices costs one number. There are two kinds of members:

- *synced*: members with the same position share a :class:`Cohort`, that is one arrival number and
  one :class:`Multicast`. A flush joins the unsent entries once and hands them to the multicast of
  each cohort. A cohort is small, so that other work can run between two of them.
- *lagging*: a member with an arrival number of its own. It joined just now, its kernel was full,
  or it polls. It takes entries when it can. Unless it polls, it is synced once it has everything.

Invariants:

- A member is either in ``lagging`` (and its ``cohort`` is None) or counted in one cohort.
- A synced member's number is ``cohort.arrival``; its own ``arrival`` is stale until it leaves.
- No member's number is below ``floor``: before the tail is cut, the members below the new floor
  leave the group.
- ``cohort.arrival`` moves before the bytes are handed on: a member that leaves in the middle of a
  send has those bytes in its connection's outbox, so they count as sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.fanout.tail import Coverage, Sent, Tail

COHORT_MAX = 128
"""Members of a cohort, which is sent to in one piece: 1 ms on the loopback interface, longer with
64 kB for each."""

Handle: TypeAlias = Any
"""A connection as a :class:`Multicast` knows it; this package only passes it on."""


@dataclass(slots=True, eq=False)
class Member:
    """A client as its group knows it."""

    client_id: str
    connection: Handle
    group: "Group | None" = None
    cohort: "Cohort | None" = None
    """The synced members it belongs to; None if it is lagging."""
    arrival: int = 0
    """The number of the last entry of the tail that it was sent, while it is lagging."""


class Multicast(Protocol):
    """Connections that are sent the same bytes.

    Implemented by ``gateway.transport.WebSocketMulticast``; ``create_hub`` passes it in.

    A full connection leaves by itself: the multicast calls the function that it was opened with,
    before :meth:`send` (or another send that filled the connection) returns. The connection
    delivers the bytes of that send later. A connection that fails leaves in a later callback of
    the event loop, and its bytes are lost with it.
    """

    def add(self, connection: Handle, client: Member, /) -> bool:
        """Take a connection in; returns False if it polls or cannot be written to now."""

    def discard(self, connection: Handle, /) -> None:
        """Leave a connection out from now on, without a call of the function."""

    def send(self, data: bytes, /) -> None:
        """Send whole frames to every connection."""


OpenMulticast: TypeAlias = Callable[[Callable[[Member], None]], Multicast]
"""Opens a multicast that calls the given function with each member that leaves by itself."""


@dataclass(slots=True, eq=False)
class Cohort:
    """At most :data:`COHORT_MAX` synced members: they were sent all entries up to ``arrival``."""

    arrival: int
    multicast: Multicast
    size: int = 0


class Group(Tail):
    """The members for one coverage, and the tail that they share."""

    def __init__(
        self,
        coverage: Coverage,
        length: int,
        floor: int,
        open_multicast: OpenMulticast,
        sent: Sent | None = None,
    ) -> None:
        super().__init__(coverage, length, floor)
        self.sent = Sent() if sent is None else sent
        """What was sent to synced members, of all groups."""
        self.members: set[Member] = set()
        self.lagging: set[Member] = set()
        self.cohorts: list[Cohort] = []
        """The cohorts that have members."""
        self.is_dirty = False
        """Whether entries were appended since the last flush."""
        self._open_multicast = open_multicast

    # --- members -------------------------------------------------------------------------

    def add(self, member: Member) -> None:
        """Take in a lagging member, at its ``arrival``."""
        self.members.add(member)
        self.lagging.add(member)

    def remove(self, member: Member) -> None:
        """Take a member out; its ``arrival`` is then the last number it was sent."""
        self.unsync(member)
        self.members.discard(member)
        self.lagging.discard(member)

    def try_sync(self, member: Member) -> None:
        """Make a lagging member synced, if it was sent everything and can be written to."""
        if member.cohort is not None or member.arrival < self.last:
            return
        cohort = self._cohort_at_end()
        if cohort.multicast.add(member.connection, member):
            if not cohort.size:
                self.cohorts.append(cohort)
            cohort.size += 1
            member.cohort = cohort
            self.lagging.discard(member)

    def unsync(self, member: Member) -> None:
        """Make a synced member lagging."""
        if member.cohort is not None:
            member.cohort.multicast.discard(member.connection)
            self._on_left(member)

    def _cohort_at_end(self) -> Cohort:
        """Return a cohort that was sent everything and has room; opens one if there is none."""
        for cohort in reversed(self.cohorts):
            if cohort.size < COHORT_MAX and cohort.arrival == self.last:
                return cohort
        return Cohort(self.last, self._open_multicast(self._on_left))

    def _on_left(self, member: Member) -> None:
        """Make a member lagging that its multicast no longer sends to."""
        cohort, member.cohort = member.cohort, None
        if cohort is None:
            return
        member.arrival = cohort.arrival
        self.lagging.add(member)
        cohort.size -= 1
        if not cohort.size:
            self.cohorts.remove(cohort)

    # --- send ----------------------------------------------------------------------------

    def send_unsent(self, cohort: Cohort) -> None:
        """Send a cohort all entries that it was not sent yet."""
        last = self.last
        while cohort.arrival < last:
            # The number moves first: a member that leaves during the send has these bytes.
            data, cohort.arrival, frames = self.bytes_after(cohort.arrival)
            self.sent.add(frames, len(data), cohort.size)
            cohort.multicast.send(data)

    def send_rest(self, member: Member) -> bool:
        """Send a synced member's cohort the rest; tell whether the member then has everything."""
        if member.cohort is not None:
            self.send_unsent(member.cohort)
        arrival = member.arrival if member.cohort is None else member.cohort.arrival
        return arrival >= self.last

    def send_cohorts_below(self, arrival: int) -> None:
        """Send the rest to each cohort that is below an arrival number."""
        for cohort in [it for it in self.cohorts if it.arrival < arrival]:
            self.send_unsent(cohort)

    def members_below(self, arrival: int) -> list[Member]:
        """Return the members whose number is below an arrival number."""
        below = [member for member in self.lagging if member.arrival < arrival]
        if any(cohort.arrival < arrival for cohort in self.cohorts):
            synced = ((it, it.cohort) for it in self.members)
            below += [it for it, cohort in synced if cohort and cohort.arrival < arrival]
        return below

    def join_unsent(self) -> None:
        """Join the bytes that the cohorts will be sent, in advance."""
        self.unsent_bytes = 0
        if self.cohorts:
            # The call fills the cache from which ``send_unsent`` gets the same bytes.
            self.bytes_after(self.cohorts[0].arrival)
