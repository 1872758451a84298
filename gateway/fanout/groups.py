"""Groups: clients that watch the same devices share one tail of the newest entries. Pure.

How it works. A group's tail (:mod:`gateway.fanout.tail`) holds ready frames in order of arrival. A
member's position in it is one arrival number, that of the last entry it was sent, so a client that
watches 1,000 devices costs one number. There are two kinds of members:

- *synced*: members with the same position share a :class:`Cohort`, that is one arrival number and
  one :class:`Multicast`. A flush joins the unsent entries once and hands them to the multicast of
  each cohort. A cohort is small, so that other work can run between two of them.
- *lagging*: a member with an arrival number of its own. It joined just now, its kernel was full,
  or it polls. It takes entries when it can, and is synced once it has everything.

Invariants:

- A member is either in ``lagging`` (and its ``cohort`` is None) or counted in one cohort.
- A synced member's number is ``cohort.arrival``; its own ``arrival`` is stale until it leaves.
- No member's number is below ``floor``: before the tail is cut, the members below the new floor
  leave the group.
- ``cohort.arrival`` moves before the bytes are handed on: a member that leaves in the middle of a
  send has those bytes in its connection's outbox, so they count as sent.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.fanout.tail import BATCH_BYTES_MAX, Coverage, Sent, Tail

COHORT_MAX = 64
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


class Groups:
    """All groups that have members, found by their coverage and by device."""

    def __init__(
        self,
        tail_length: Callable[[Coverage], int],
        open_multicast: OpenMulticast,
        move_out_below: Callable[[Group, int], None],
    ) -> None:
        self.sent = Sent()
        """What was sent to synced clients."""
        self.has_full_send = False
        """Whether more than one send carries was appended to some group since the last flush."""
        self._tail_length = tail_length
        self._open_multicast = open_multicast
        self._move_out_below = move_out_below  # takes out members below an arrival number
        self._groups: dict[Coverage, Group] = {}
        self._by_name: dict[str, list[Group]] = {}
        self._of_everything: list[Group] = []
        self._dirty: list[Group] = []

    def __len__(self) -> int:
        return len(self._groups)

    def join(self, member: Member, coverage: Coverage) -> Group:
        """Add a member, at its ``arrival``, to the group of a coverage; opens the group if new."""
        group = self._groups.get(coverage)
        if group is None:
            length = self._tail_length(coverage)
            group = Group(coverage, length, member.arrival, self._open_multicast, self.sent)
            self._groups[coverage] = group
            for groups in self._lists_for(coverage):
                groups.append(group)
        group.add(member)
        return group

    def leave(self, member: Member, group: Group) -> None:
        """Take a member out; the group ends with its last member."""
        group.remove(member)
        if not group.members:
            del self._groups[group.coverage]
            for groups in self._lists_for(group.coverage):
                groups.remove(group)
            for name in group.coverage.names:
                if not self._by_name[name]:
                    del self._by_name[name]

    def _lists_for(self, coverage: Coverage) -> Iterator[list[Group]]:
        yield from (self._by_name.setdefault(name, []) for name in coverage.names)
        if coverage.everything:
            yield self._of_everything

    def covering(self, device_id: str) -> Sequence[Group]:
        """Return the groups that cover a device, as a new list: groups may end meanwhile."""
        named = self._by_name.get(device_id, ())
        if not self._of_everything:
            return [*named]
        others = (g for g in self._of_everything if device_id not in g.coverage.names)
        return [*named, *(g for g in others if g.coverage.covers(device_id))]

    def append(self, device_id: str, arrival: int, frame: bytes) -> None:
        """Append an entry to the tail of each group that covers its device."""
        for group in self.covering(device_id):
            if not group.room:
                # No member may be below the new floor: its entries are cut off.
                floor = group.next_floor()
                self._move_out_below(group, floor)
                group.cut()
            group.append(arrival, frame)
            self.has_full_send |= group.unsent_bytes > BATCH_BYTES_MAX
            if not group.is_dirty:
                group.is_dirty = True
                self._dirty.append(group)

    @property
    def has_dirty(self) -> bool:
        """Tell whether an entry was appended to some group since :meth:`take_dirty`."""
        return bool(self._dirty)

    def take_dirty(self) -> list[Group]:
        """Take the groups to which entries were appended since the last call."""
        dirty, self._dirty, self.has_full_send = self._dirty, [], False
        for group in dirty:
            group.is_dirty = False
        return dirty
