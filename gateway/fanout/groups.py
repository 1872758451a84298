"""Groups: clients that watch the same devices share one tail of the newest entries.

Pure. A group's *tail* is a short run of ready frames in order of arrival; where a client stands
in it is one number, the arrival it was sent last. So watching 1,000 bikes costs one number.

Most clients are *in step*: they have been sent the same and took all of it. Some of them share a
:class:`Cohort`: one number and one :class:`Multicast`. What is new is joined once for the group and
sent to one cohort after the other; between two cohorts other work may run. The others are *apart*:
they poll, or their kernel was full; each has its own number until it has caught up.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, TypeAlias

BATCH_BYTES_MAX = 65_536
"""What one send carries at most: more would only wait in the kernel and go stale there."""
COHORT_MAX = 64
"""Clients that are sent to in one piece: 1 to 4 ms by the loopback, more with 64 kB for each."""


class Coverage(NamedTuple):
    """The devices of a group: names, and with ``everything`` all others but ``excluded``."""

    names: frozenset[str]
    everything: bool = False
    excluded: frozenset[str] = frozenset()

    def covers(self, device_id: str) -> bool:
        """Tell whether a device belongs to it."""
        return device_id in self.names or (self.everything and device_id not in self.excluded)

    def without(self, device_id: str) -> "Coverage":
        """Leave one device out."""
        excluded = self.excluded | {device_id} if self.everything else self.excluded
        return Coverage(self.names - {device_id}, self.everything, excluded)


@dataclass(eq=False)
class Batch:
    """Frames for one client, at most :data:`BATCH_BYTES_MAX` of them; often shared by many."""

    frames: Sequence[bytes]

    @cached_property
    def joined(self) -> bytes:
        """The frames as one piece of a WebSocket stream."""
        return b"".join(self.frames)


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


@dataclass(slots=True, eq=False)
class Group:
    """The tail of one coverage, of ``length`` to twice as many entries."""

    coverage: Coverage
    length: int
    open_multicast: OpenMulticast
    floor: int = 0
    """The arrival number before the first entry of the tail."""
    members: set[Member] = field(default_factory=set)
    apart: set[Member] = field(default_factory=set)
    cohorts: list[Cohort] = field(default_factory=list)
    """Those that have members."""
    is_dirty: bool = False
    """Has entries that some members were not sent yet."""
    room: int = field(init=False)
    """How many more entries there is room for before the tail has to be cut."""
    unsent_bytes: int = 0
    """The size of the entries that came since the last flush."""
    _arrivals: list[int] = field(default_factory=list)
    _frames: list[bytes] = field(default_factory=list)
    _shared: dict[int, tuple[Batch, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room = 2 * self.length

    @property
    def last(self) -> int:
        """The arrival number of the newest entry."""
        return self._arrivals[-1] if self._arrivals else self.floor

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
        return Cohort(self.last, self.open_multicast(self._on_left))

    def _on_left(self, client: Member) -> None:
        cohort, client.cohort = client.cohort, None
        if cohort is None:
            return
        client.arrival = cohort.step
        self.apart.add(client)
        cohort.size -= 1
        if not cohort.size:
            self.cohorts.remove(cohort)

    # --- the tail ------------------------------------------------------------------------

    def append(self, arrival: int, frame: bytes) -> None:
        """Put an entry behind the others."""
        self._arrivals.append(arrival)
        self._frames.append(frame)
        self.unsent_bytes += len(frame)
        self.room -= 1
        if self._shared:
            self._shared.clear()

    def send_on(self, cohort: Cohort) -> None:
        """Send a cohort what it was not sent yet."""
        last = self.last
        while cohort.step < last:
            # The step moves first: a client that leaves during the send has this in its outbox.
            data, cohort.step = self._unsent_after(cohort.step)
            cohort.multicast.send(data)

    def send_up_to(self, arrival: int) -> None:
        """Send all cohorts that stand before an arrival number what they were not sent yet."""
        for cohort in [it for it in self.cohorts if it.step < arrival]:
            self.send_on(cohort)

    def join_unsent(self) -> None:
        """Join what the cohorts will be sent, in advance."""
        self.unsent_bytes = 0
        if self.cohorts:
            self._unsent_after(self.cohorts[0].step)

    def _unsent_after(self, step: int) -> tuple[bytes, int]:
        """Give the bytes of one send to a cohort, and the arrival number they end with."""
        if self._arrivals[-2:-1] == [step]:  # one entry, most of the time
            return self._frames[-1], self._arrivals[-1]
        batch, end = self.batch_after(step)
        return batch.joined, end

    def next_floor(self) -> int:
        """Tell where the floor will be after :meth:`cut`."""
        return self._arrivals[-self.length - 1] if len(self._arrivals) > self.length else self.floor

    def cut(self) -> None:
        """Shorten the tail; clients that stand below the new floor must have left before."""
        self.floor = self.next_floor()
        del self._arrivals[: -self.length], self._frames[: -self.length]
        self.room = 2 * self.length - len(self._arrivals)
        self._shared.clear()

    # --- for those apart -----------------------------------------------------------------

    def entries_after(self, arrival: int) -> Iterator[tuple[int, bytes]]:
        """Give each entry that follows ``arrival``: its number and its frame."""
        start = bisect_right(self._arrivals, arrival)
        return zip(self._arrivals[start:], self._frames[start:], strict=True)

    def batch_after(self, arrival: int) -> tuple[Batch, int]:
        """Give what follows ``arrival``, and the arrival number it ends with."""
        shared = self._shared.get(arrival)
        if shared is None:
            shared = self._shared[arrival] = self._batch(bisect_right(self._arrivals, arrival))
        return shared

    def _batch(self, start: int) -> tuple[Batch, int]:
        sizes = accumulate(len(frame) for frame in self._frames[start:])
        count = sum(size <= BATCH_BYTES_MAX for size in sizes)
        stop = start + count
        return Batch(self._frames[start:stop]), self._arrivals[stop - 1] if count else self.last


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
            group = Group(coverage, length, self._open_multicast, floor=client.arrival)
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
