"""The tail of a group: the newest entries of its devices, in order of arrival. Pure.

An entry is an arrival number and a ready frame. The tail grows from ``length`` to twice as many
entries and is then cut back in one piece, which costs less than to drop entries one by one.

Invariant: no frame is larger than :data:`BATCH_BYTES_MAX`, because a reading or a gap has at most
some 2 kB. So a batch is empty only if nothing follows its arrival number.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

BATCH_BYTES_MAX = 65_536
"""The most that one send carries: more would only wait in the kernel and go stale there."""


class Coverage(NamedTuple):
    """A set of devices: ``names``, and with ``everything`` all others except ``excluded``."""

    names: frozenset[str]
    everything: bool = False
    excluded: frozenset[str] = frozenset()

    def covers(self, device_id: str) -> bool:
        return device_id in self.names or (self.everything and device_id not in self.excluded)

    def without(self, device_id: str) -> "Coverage":
        """Return the same coverage except one device."""
        excluded = self.excluded | {device_id} if self.everything else self.excluded
        return Coverage(self.names - {device_id}, self.everything, excluded)


@dataclass(eq=False)
class Batch:
    """Frames for one send, at most :data:`BATCH_BYTES_MAX` bytes; clients often share a batch."""

    frames: Sequence[bytes]

    @cached_property
    def joined(self) -> bytes:
        """The frames in one piece, as they go into a WebSocket stream."""
        return b"".join(self.frames)


@dataclass(slots=True)
class Sent:
    """How much was handed to the connections of all clients: frames, and their bytes."""

    frames: int = 0
    size_bytes: int = 0

    def add(self, frames: int, size_bytes: int, clients: int = 1) -> None:
        """Count one send, to one client or to several."""
        self.frames += frames * clients
        self.size_bytes += size_bytes * clients


class Tail:
    """The last ``length`` to ``2 * length`` entries of the devices of one coverage."""

    def __init__(self, coverage: Coverage, length: int, floor: int) -> None:
        self.coverage = coverage
        self.length = length
        self.floor = floor
        """The arrival number before the first entry of the tail."""
        self.room = 2 * length
        """How many more entries fit before the tail must be cut."""
        self.unsent_bytes = 0
        """The size of the entries that were appended since the last flush."""
        self._arrivals: list[int] = []
        self._frames: list[bytes] = []
        self._batches: dict[int, tuple[Batch, int]] = {}  # by the arrival number before them

    @property
    def last(self) -> int:
        """The arrival number of the newest entry."""
        return self._arrivals[-1] if self._arrivals else self.floor

    def append(self, arrival: int, frame: bytes) -> None:
        self._arrivals.append(arrival)
        self._frames.append(frame)
        self.unsent_bytes += len(frame)
        self.room -= 1
        if self._batches:
            self._batches.clear()

    def next_floor(self) -> int:
        """Return the floor that :meth:`cut` will leave."""
        return self._arrivals[-self.length - 1] if len(self._arrivals) > self.length else self.floor

    def cut(self) -> None:
        """Keep the last ``length`` entries; no member may be below the new floor any more."""
        self.floor = self.next_floor()
        del self._arrivals[: -self.length], self._frames[: -self.length]
        self.room = 2 * self.length - len(self._arrivals)
        self._batches.clear()

    def entries_after(self, arrival: int) -> Iterator[tuple[int, bytes]]:
        """Return number and frame of each entry that arrived after ``arrival``."""
        start = bisect_right(self._arrivals, arrival)
        return zip(self._arrivals[start:], self._frames[start:], strict=True)

    def count_after(self, arrival: int) -> int:
        """Return how many entries arrived after ``arrival``."""
        return len(self._arrivals) - bisect_right(self._arrivals, arrival)

    def batch_after(self, arrival: int) -> tuple[Batch, int]:
        """Return the batch that follows ``arrival``, and the number of its last entry.

        Clients with the same number share the batch until the next entry is appended.
        """
        batch = self._batches.get(arrival)
        if batch is None:
            batch = self._batches[arrival] = self._batch(bisect_right(self._arrivals, arrival))
        return batch

    def _batch(self, start: int) -> tuple[Batch, int]:
        sizes = accumulate(len(frame) for frame in self._frames[start:])
        count = sum(size <= BATCH_BYTES_MAX for size in sizes)
        stop = start + count
        return Batch(self._frames[start:stop]), self._arrivals[stop - 1] if count else self.last

    def first_after(self, arrival: int) -> int:
        """Return the number of the first entry after ``arrival``; there must be one."""
        return self._arrivals[bisect_right(self._arrivals, arrival)]

    def bytes_after(self, arrival: int) -> tuple[bytes, int, int]:
        """Return the bytes of one send that follow ``arrival``.

        Also returns the number that they end with, and of how many entries they are.
        """
        if self._arrivals[-2:-1] == [arrival]:
            # ``arrival`` is the last but one, so one entry follows: the usual case.
            return self._frames[-1], self._arrivals[-1], 1
        batch, end = self.batch_after(arrival)
        return batch.joined, end, len(batch.frames)
