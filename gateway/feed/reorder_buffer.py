"""Readings that came before their turn, held until the hole in front of them is settled."""

import heapq
from dataclasses import dataclass, field

from shared.cursor import Cursor
from shared.reading import Reading

HELD_MAX = 1_000
"""Per device: ten seconds at 100 Hz, longer than a repair may take."""
ALL_HELD_MAX = 50_000
"""All devices together, whatever a thousand broken devices do at once: some 50 MB of usual
readings, 360 MB of the largest."""


@dataclass(slots=True)
class ReorderTotal:
    """How many readings all devices together hold back."""

    limit: int = ALL_HELD_MAX
    used: int = 0


@dataclass(slots=True)
class ReorderBuffer:
    """The readings one device is ahead by, the least first."""

    total: ReorderTotal = field(default_factory=ReorderTotal)
    _readings: dict[Cursor, Reading] = field(default_factory=dict)
    _order: list[Cursor] = field(default_factory=list)  # a heap; may name released ones

    def __len__(self) -> int:
        return len(self._readings)

    def get(self, cursor: Cursor) -> Reading | None:
        """Find what is held at a position."""
        return self._readings.get(cursor)

    @property
    def is_full(self) -> bool:
        """Tell whether a live reading has to be left to a later repair."""
        return len(self._readings) >= HELD_MAX or self.total.used >= self.total.limit

    def hold(self, reading: Reading) -> None:
        """Keep a reading that is not held yet."""
        self._readings[reading.cursor] = reading
        heapq.heappush(self._order, reading.cursor)
        self.total.used += 1

    def release(self, cursor: Cursor) -> Reading:
        """Give back a reading whose turn has come."""
        self.total.used -= 1
        return self._readings.pop(cursor)

    def first(self) -> Cursor | None:
        """Find the least position held."""
        while self._order and self._order[0] not in self._readings:
            heapq.heappop(self._order)
        return self._order[0] if self._order else None

    def drop_epoch(self, epoch: int) -> None:
        """Let go of everything of one epoch."""
        for cursor in [cursor for cursor in self._readings if cursor.epoch == epoch]:
            self.release(cursor)

    def clear(self) -> None:
        """Let go of everything."""
        self.total.used -= len(self._readings)
        self._readings.clear()
        self._order.clear()
