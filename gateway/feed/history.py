"""The history of a device from before first contact: fetched page by page, put in front at last."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

from gateway.feed.asking import PAGE_MAX
from gateway.packets import Gap
from shared.cursor import Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer

MOVING_S = 2.0
"""Clients wait for history only as long as it makes progress."""
WAITING_S = 10.0
"""How long they wait for it to begin while other devices have their turn."""
HOPELESS_S = 60.0
"""A device that answered nothing for this long after its turn came has no replay."""
TURN_MAX_S = 60.0
"""A replay that takes longer is very slow, or makes readings up; others wait for its turn."""
STRETCH_MAX = 500
"""Readings put in front at once: writing them down keeps the event loop for some 5 ms."""
FILLS_MAX = 8
"""Devices that fetch history at once, each some 6 MB of readings; others wait their turn."""

Item: TypeAlias = Reading | Gap


class Stretch(NamedTuple):
    """Consecutive readings with the gaps between them; ``front`` is the position before."""

    front: Cursor
    items: tuple[Item, ...]


@dataclass(slots=True)
class Fills:
    """How many devices fetch their history now; shared by all feeds."""

    limit: int = FILLS_MAX
    used: int = 0


@dataclass(slots=True)
class History:
    """What was fetched so far of the readings up to ``bound``; at most ``readings.maxlen``."""

    device_id: str
    bound: Cursor
    at: Cursor | None
    readings: deque[Reading]
    fills: Fills
    contact_s: float
    progress_s: float | None = None
    """When the first turn or the last new page came; None before."""
    is_fetched: bool = False
    _turn_s: float | None = None

    @classmethod
    def before(
        cls, device_id: str, bound: Cursor, capacity: int, fills: Fills, now_s: float
    ) -> Self:
        """Begin to fetch up to ``capacity`` readings before ``bound``."""
        return cls(device_id, bound, _start(bound, capacity), deque(maxlen=capacity), fills, now_s)

    @property
    def limit(self) -> int:
        """How many readings to ask for next."""
        at = self.at
        if at is None or at.epoch != self.bound.epoch:
            return PAGE_MAX
        return max(1, min(self.bound.seq - at.seq, PAGE_MAX))

    def is_moving(self, now_s: float) -> bool:
        """Tell whether it is worth waiting for."""
        if self.progress_s is None:
            return now_s - self.contact_s < WAITING_S
        return now_s - self.progress_s < MOVING_S

    def is_hopeless(self, now_s: float) -> bool:
        """Tell whether it is time to stop asking."""
        return self.progress_s is not None and now_s - self.progress_s > HOPELESS_S

    def take_turn(self, now_s: float) -> bool:
        """Become one of the devices that fetch; False while there are enough of them."""
        if self._turn_s is None and self.fills.used < self.fills.limit:
            self.fills.used += 1
            self._turn_s = now_s
            self.progress_s = now_s if self.progress_s is None else self.progress_s
        return self._turn_s is not None

    def return_turn(self) -> None:
        """Let another device fetch; what was fetched so far is fetched again later."""
        if self._turn_s is not None:
            self.fills.used -= 1
            self._turn_s = None
        if not self.is_fetched:
            self.at = _start(self.bound, self.readings.maxlen or 0)
            self.readings.clear()

    def add(self, answer: ReplayAnswer, now_s: float) -> None:
        """Add a page; after the last one everything is fetched."""
        fresh = [r for r in answer.readings if self.at is None or r.cursor > self.at]
        self.readings.extend(reading for reading in fresh if reading.cursor <= self.bound)
        if fresh:
            self.at, self.progress_s = fresh[-1].cursor, now_s
        is_over = self._turn_s is None or now_s - self._turn_s > TURN_MAX_S
        self.is_fetched = not fresh or is_over or self._is_last(answer.newest)

    def pop_stretch(self) -> Stretch:
        """Give the newest readings that were not given yet, with every hole behind them as a gap.

        It begins with a reading and ends at the bound, which moves in front of it.
        """
        count = min(STRETCH_MAX, len(self.readings))
        readings = [self.readings.pop() for _ in range(count)][::-1]
        items = tuple(self._items(readings))
        if readings:
            self.bound = Cursor(readings[0].epoch, readings[0].seq - 1)
        return Stretch(self.bound, items)

    def _is_last(self, newest: Cursor | None) -> bool:
        return newest is None or self.at is None or self.at >= min(newest, self.bound)

    def _items(self, readings: list[Reading]) -> Iterator[Item]:
        last = None
        for reading in readings:
            if last is not None:
                yield from self._gaps(last, Cursor(reading.epoch, reading.seq - 1))
            yield reading
            last = reading.cursor
        if last is not None:
            yield from self._gaps(last, self.bound)

    def _gaps(self, after: Cursor, end: Cursor) -> Iterator[Gap]:
        """Announce what is missing behind ``after`` up to and with ``end``."""
        if after.epoch < end.epoch:
            yield Gap(self.device_id, after, Cursor(end.epoch, 1), "epoch")
            after = Cursor(end.epoch, 0)
        if after < end:
            yield Gap(self.device_id, after, Cursor(end.epoch, end.seq + 1), "not_recovered")


def _start(bound: Cursor, capacity: int) -> Cursor | None:
    """Begin no further back than needed; where the epoch is younger, with the oldest held."""
    skipped = bound.seq - capacity
    return Cursor(bound.epoch, skipped) if skipped > 0 else None
