"""A tail: the newest entries of some devices, in order of arrival, as ready frames. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

BATCH_BYTES_MAX = 65_536
"""What one send carries at most: more would only wait in the kernel and go stale there."""


class Coverage(NamedTuple):
    """The devices of a tail: names, and with ``everything`` all others but ``excluded``."""

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


class Tail:
    """The last ``length`` to ``2 * length`` entries; shortened in one piece, not entry by entry."""

    def __init__(self, coverage: Coverage, length: int, floor: int) -> None:
        self.coverage = coverage
        self.length = length
        self.floor = floor
        """The arrival number before the first entry of the tail."""
        self.room = 2 * length
        """How many more entries there is room for before the tail has to be cut."""
        self.unsent_bytes = 0
        """The size of the entries that came since the last flush."""
        self._arrivals: list[int] = []
        self._frames: list[bytes] = []
        self._shared: dict[int, tuple[Batch, int]] = {}

    @property
    def last(self) -> int:
        """The arrival number of the newest entry."""
        return self._arrivals[-1] if self._arrivals else self.floor

    def append(self, arrival: int, frame: bytes) -> None:
        """Put an entry behind the others."""
        self._arrivals.append(arrival)
        self._frames.append(frame)
        self.unsent_bytes += len(frame)
        self.room -= 1
        if self._shared:
            self._shared.clear()

    def next_floor(self) -> int:
        """Tell where the floor will be after :meth:`cut`."""
        return self._arrivals[-self.length - 1] if len(self._arrivals) > self.length else self.floor

    def cut(self) -> None:
        """Shorten the tail; clients that stand below the new floor must have left before."""
        self.floor = self.next_floor()
        del self._arrivals[: -self.length], self._frames[: -self.length]
        self.room = 2 * self.length - len(self._arrivals)
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

    def bytes_after(self, step: int) -> tuple[bytes, int]:
        """Give the bytes of one send to a cohort, and the arrival number they end with."""
        if self._arrivals[-2:-1] == [step]:  # one entry, most of the time
            return self._frames[-1], self._arrivals[-1]
        batch, end = self.batch_after(step)
        return batch.joined, end
