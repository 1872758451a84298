"""The reorder buffer: readings that came too early, held until the hole before them is settled.

How it works: readings are kept by position in a dict. A heap has the positions, so that the least
one is found in O(log n). A reading that is released stays in the heap as a stale position, and
:meth:`ReorderBuffer.first` removes stale positions when they become the least.
"""

import heapq
from dataclasses import dataclass, field

from shared.cursor import Cursor
from shared.reading import Reading

HELD_MAX = 1_000
"""Readings of one device: ten seconds at 100 Hz, longer than a repair may take."""
ALL_HELD_MAX = 50_000
"""Readings of all devices together, even if a thousand devices are broken: some 50 MB of usual
readings, 360 MB of the largest."""


@dataclass(slots=True)
class ReorderTotal:
    """How many readings the buffers of all devices hold together."""

    limit: int = ALL_HELD_MAX
    used: int = 0


@dataclass(slots=True)
class ReorderBuffer:
    """The readings of one device that came too early."""

    total: ReorderTotal = field(default_factory=ReorderTotal)
    _readings: dict[Cursor, Reading] = field(default_factory=dict)
    _order: list[Cursor] = field(default_factory=list)  # a heap; some are released already

    def __len__(self) -> int:
        return len(self._readings)

    def get(self, cursor: Cursor) -> Reading | None:
        """Return the reading at a position; None if it is not held."""
        return self._readings.get(cursor)

    @property
    def is_full(self) -> bool:
        """Tell whether there is no room for a live reading; a later repair fetches it again."""
        return len(self._readings) >= HELD_MAX or self.total.used >= self.total.limit

    def hold(self, reading: Reading) -> None:
        """Add a reading that is not held yet."""
        self._readings[reading.cursor] = reading
        heapq.heappush(self._order, reading.cursor)
        self.total.used += 1

    def release(self, cursor: Cursor) -> Reading:
        """Remove and return the reading at a position."""
        self.total.used -= 1
        return self._readings.pop(cursor)

    def first(self) -> Cursor | None:
        """Return the least position held; None if nothing is."""
        while self._order and self._order[0] not in self._readings:
            heapq.heappop(self._order)
        return self._order[0] if self._order else None

    def drop_epoch(self, epoch: int) -> None:
        """Remove all readings of one epoch."""
        for cursor in [cursor for cursor in self._readings if cursor.epoch == epoch]:
            self.release(cursor)

    def clear(self) -> None:
        """Remove all readings."""
        self.total.used -= len(self._readings)
        self._readings.clear()
        self._order.clear()
