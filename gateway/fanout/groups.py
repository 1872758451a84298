"""Groups: clients that watch the same devices share one tail of the newest entries.

Pure. A group's *tail* is a short run of ready frames in order of arrival; where a client stands
in it is one number, the arrival it was sent last. So watching 1,000 bikes costs one number, and
the bytes of a flush are joined once for everybody who stands at the same place.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gateway.fanout.clients import Client

BATCH_BYTES_MAX = 65_536
"""What one send carries at most: more would only wait in the kernel and go stale there."""


class Coverage(NamedTuple):
    """The devices of a group: names, and with ``everything`` all others but ``excluded``."""

    names: frozenset[str]
    everything: bool = False
    excluded: frozenset[str] = frozenset()

    def covers(self, device_id: str) -> bool:
        """Tell whether a device belongs to it."""
        return device_id in self.names or (self.everything and device_id not in self.excluded)


@dataclass(eq=False)
class Batch:
    """Frames for one client, at most :data:`BATCH_BYTES_MAX` of them; often shared by many."""

    frames: Sequence[bytes]

    @cached_property
    def joined(self) -> bytes:
        """The frames as one piece of a WebSocket stream."""
        return b"".join(self.frames)


@dataclass(slots=True, eq=False)
class Group:
    """The tail of one coverage, of ``length`` to twice as many entries."""

    coverage: Coverage
    length: int
    members: "set[Client]" = field(default_factory=set)
    floor: int = 0
    """The arrival number before the first entry of the tail."""
    _arrivals: list[int] = field(default_factory=list)
    _frames: list[bytes] = field(default_factory=list)
    _shared: dict[int, tuple[Batch, int]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The arrival number of the newest entry."""
        return self._arrivals[-1] if self._arrivals else self.floor

    @property
    def is_full(self) -> bool:
        """Tell whether the tail has to be cut before the next entry."""
        return len(self._arrivals) >= 2 * self.length

    def append(self, arrival: int, frame: bytes) -> None:
        """Put an entry behind the others."""
        self._arrivals.append(arrival)
        self._frames.append(frame)
        self._shared.clear()

    def next_floor(self) -> int:
        """Tell where the floor will be after :meth:`cut`."""
        return self._arrivals[-self.length - 1] if len(self._arrivals) > self.length else self.floor

    def cut(self) -> None:
        """Shorten the tail; who stands below the new floor must have left before."""
        self.floor = self.next_floor()
        del self._arrivals[: -self.length], self._frames[: -self.length]
        self._shared.clear()

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

    def __init__(self, tail_length: int, expel: Callable[[Group, int], None]) -> None:
        self.dirty: set[Group] = set()
        """Those that got entries since somebody took note."""
        self._tail_length = tail_length
        self._expel = expel  # moves out the members who stand below an arrival number
        self._groups: dict[Coverage, Group] = {}
        self._of_device: dict[str, tuple[Group, ...]] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def join(self, client: "Client", coverage: Coverage, arrival: int) -> Group:
        """Enter a client into the group of a coverage, which begins after ``arrival`` if new."""
        group = self._groups.get(coverage)
        if group is None:
            group = self._groups[coverage] = Group(coverage, self._tail_length, floor=arrival)
            self._of_device.clear()
        group.members.add(client)
        return group

    def leave(self, client: "Client", group: Group) -> None:
        """Take a client out; the last one out ends the group."""
        group.members.discard(client)
        if not group.members:
            del self._groups[group.coverage]
            self.dirty.discard(group)
            self._of_device.clear()

    def take_dirty(self) -> "set[Group]":
        """Take note of the groups that got entries since the last time."""
        dirty, self.dirty = self.dirty, set()
        return dirty

    def covering(self, device_id: str) -> tuple[Group, ...]:
        """Find the groups a device belongs to."""
        groups = self._of_device.get(device_id)
        if groups is None:
            groups = tuple(g for g in self._groups.values() if g.coverage.covers(device_id))
            self._of_device[device_id] = groups
        return groups

    def append(self, device_id: str, arrival: int, frame: bytes) -> None:
        """Put an entry into each tail that covers its device."""
        for group in self.covering(device_id):
            if group.is_full:
                self._expel(group, group.next_floor())
                group.cut()
            group.append(arrival, frame)
            self.dirty.add(group)
