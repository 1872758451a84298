"""Groups: clients that watch the same devices share one tail of the newest entries.

Pure. A group's *tail* is a short run of ready frames in order of arrival; where a client stands
in it is one number, the arrival it was sent last. So watching 1,000 bikes costs one number.

Most clients are *in step*: they have been sent the same and took all of it. Some of them share a
:class:`Cohort`: one number and one :class:`Multicast`. What is new is joined once for the group and
sent to one cohort after the other; between two cohorts other work may run. The others are *apart*:
they poll, or their kernel was full; each has its own number until it has caught up.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.fanout.tail import BATCH_BYTES_MAX, Coverage, Tail

COHORT_MAX = 64
"""Clients that are sent to in one piece: 1 to 4 ms by the loopback, more with 64 kB for each."""


Handle: TypeAlias = Any
"""A connection as a :class:`Multicast` knows it; only handed on here."""


@dataclass(slots=True, eq=False)
class Member:
    """A client as its group knows it."""

    client_id: str
    connection: Handle
    group: "Group | None" = None
    cohort: "Cohort | None" = None
    """Those it is in step with; None when it is apart."""
    arrival: int = 0
    """Where it stands in the tail of its group, when it stands there by itself."""


class Multicast(Protocol):
    """Connections that are sent the same; one that cannot take all of it leaves by itself.

    It says so before :meth:`send` or whatever else blocked it returns. What it was sent reaches it
    all the same.
    """

    def add(self, connection: Handle, client: Member, /) -> bool:
        """Take a connection in; False when it polls or cannot be written to now."""

    def discard(self, connection: Handle, /) -> None:
        """Leave a connection out from now on, without a word."""

    def send(self, data: bytes, /) -> None:
        """Send whole frames to everybody."""


OpenMulticast: TypeAlias = Callable[[Callable[[Member], None]], Multicast]
"""Opens one that calls the given function with who left by itself."""


@dataclass(slots=True, eq=False)
class Cohort:
    """At most :data:`COHORT_MAX` clients in step: they were sent all entries up to ``step``."""

    step: int
    multicast: Multicast
    size: int = 0


class Group(Tail):
    """The members for one coverage, and the tail that they share."""

    def __init__(
        self, coverage: Coverage, length: int, floor: int, open_multicast: OpenMulticast
    ) -> None:
        super().__init__(coverage, length, floor)
        self.members: set[Member] = set()
        self.apart: set[Member] = set()
        self.cohorts: list[Cohort] = []
        """Those that have members."""
        self.is_dirty = False
        """Has entries that some members were not sent yet."""
        self._open_multicast = open_multicast

    # --- members -------------------------------------------------------------------------

    def enter(self, client: Member) -> None:
        """Take in a client that stands by itself at ``client.arrival``."""
        self.members.add(client)
        self.apart.add(client)

    def leave(self, client: Member) -> None:
        """Let a client go; it stands by itself then."""
        self.step_aside(client)
        self.members.discard(client)
        self.apart.discard(client)

    def step_in(self, client: Member) -> None:
        """Let a client go on with others, if it was sent everything and can be written to."""
        if client.cohort is not None or client.arrival < self.last:
            return
        cohort = self._level_cohort()
        if cohort.multicast.add(client.connection, client):
            if not cohort.size:
                self.cohorts.append(cohort)
            cohort.size += 1
            client.cohort = cohort
            self.apart.discard(client)

    def step_aside(self, client: Member) -> None:
        """Give a client a place of its own, where it stands."""
        if client.cohort is not None:
            client.cohort.multicast.discard(client.connection)
            self._on_left(client)

    def arrival_of(self, client: Member) -> int:
        """Give the arrival number a client was sent last."""
        return client.arrival if client.cohort is None else client.cohort.step

    def is_level(self, client: Member) -> bool:
        """Tell whether a client was sent everything; one in step is sent the rest first."""
        if client.cohort is not None:
            self.send_on(client.cohort)
        return self.arrival_of(client) >= self.last

    def _level_cohort(self) -> Cohort:
        """Find a cohort that was sent everything and has room, or open one."""
        for cohort in reversed(self.cohorts):
            if cohort.size < COHORT_MAX and cohort.step == self.last:
                return cohort
        return Cohort(self.last, self._open_multicast(self._on_left))

    def _on_left(self, client: Member) -> None:
        cohort, client.cohort = client.cohort, None
        if cohort is None:
            return
        client.arrival = cohort.step
        self.apart.add(client)
        cohort.size -= 1
        if not cohort.size:
            self.cohorts.remove(cohort)

    # --- send ----------------------------------------------------------------------------

    def send_on(self, cohort: Cohort) -> None:
        """Send a cohort what it was not sent yet."""
        last = self.last
        while cohort.step < last:
            # The step moves first: a client that leaves during the send has this in its outbox.
            data, cohort.step = self.bytes_after(cohort.step)
            cohort.multicast.send(data)

    def send_up_to(self, arrival: int) -> None:
        """Send all cohorts that stand before an arrival number what they were not sent yet."""
        for cohort in [it for it in self.cohorts if it.step < arrival]:
            self.send_on(cohort)

    def join_unsent(self) -> None:
        """Join what the cohorts will be sent, in advance."""
        self.unsent_bytes = 0
        if self.cohorts:
            self.bytes_after(self.cohorts[0].step)


class Groups:
    """All groups that have members, found by their coverage and by device."""

    def __init__(
        self,
        tail_length: Callable[[Coverage], int],
        open_multicast: OpenMulticast,
        expel: Callable[[Group, int], None],
    ) -> None:
        self._tail_length = tail_length
        self._open_multicast = open_multicast
        self._expel = expel  # moves out the members who stand below an arrival number
        self._groups: dict[Coverage, Group] = {}
        self._by_name: dict[str, list[Group]] = {}
        self._of_everything: list[Group] = []
        self._dirty: list[Group] = []
        self.are_full = False
        """Some group got more than one send carries since the last flush."""

    def __len__(self) -> int:
        return len(self._groups)

    def join(self, client: Member, coverage: Coverage) -> Group:
        """Enter a client, which was sent all that arrived, into the group of a coverage."""
        group = self._groups.get(coverage)
        if group is None:
            length = self._tail_length(coverage)
            group = Group(coverage, length, client.arrival, self._open_multicast)
            self._groups[coverage] = group
            for groups in self._places(coverage):
                groups.append(group)
        group.enter(client)
        return group

    def leave(self, client: Member, group: Group) -> None:
        """Take a client out; the last one out ends the group."""
        group.leave(client)
        if not group.members:
            del self._groups[group.coverage]
            for groups in self._places(group.coverage):
                groups.remove(group)
            for name in group.coverage.names:
                if not self._by_name[name]:
                    del self._by_name[name]

    def _places(self, coverage: Coverage) -> Iterator[list[Group]]:
        yield from (self._by_name.setdefault(name, []) for name in coverage.names)
        if coverage.everything:
            yield self._of_everything

    def covering(self, device_id: str) -> Sequence[Group]:
        """Find the groups a device belongs to; a list of its own, as groups end meanwhile."""
        named = self._by_name.get(device_id, ())
        if not self._of_everything:
            return [*named]
        others = (g for g in self._of_everything if device_id not in g.coverage.names)
        return [*named, *(g for g in others if g.coverage.covers(device_id))]

    def append(self, device_id: str, arrival: int, frame: bytes) -> None:
        """Put an entry into each tail that covers its device."""
        for group in self.covering(device_id):
            if not group.room:
                floor = group.next_floor()
                group.send_up_to(floor)
                self._expel(group, floor)
                group.cut()
            group.append(arrival, frame)
            self.are_full |= group.unsent_bytes > BATCH_BYTES_MAX
            if not group.is_dirty:
                group.is_dirty = True
                self._dirty.append(group)

    @property
    def are_dirty(self) -> bool:
        """Tell whether a group got entries since :meth:`take_dirty`."""
        return bool(self._dirty)

    def take_dirty(self) -> list[Group]:
        """Take note of the groups that got entries since the last time."""
        dirty, self._dirty, self.are_full = self._dirty, [], False
        for group in dirty:
            group.is_dirty = False
        return dirty
