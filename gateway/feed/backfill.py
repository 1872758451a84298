"""The history of a device from before first contact, fetched window by window, the newest first.

Replays answer upwards from a position. So a window is fetched page by page up to where the last
one began, and put in front of the ring when it is whole: who stands a little behind after a
restart of the gateway waits for one page, not for all that the device holds. How much an older
epoch had nobody knows, so all epochs before the current one are a single window.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeAlias

from gateway.domain import Gap, GapReason
from gateway.feed.retransmission import PAGE_MAX
from shared.cursor import START, Cursor
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
SLOTS_MAX = 8
"""Devices that fetch history at once, each some 6 MB of readings; others wait their turn."""
WANTED_SLOTS_MAX = 8
"""As many more may fetch what clients wait for, who do not wait for what nobody asked for."""

Item: TypeAlias = Reading | Gap


class Stretch(NamedTuple):
    """Consecutive readings with the gaps between them; ``front`` is the position before."""

    front: Cursor
    items: tuple[Item, ...]


@dataclass(slots=True)
class BackfillSlots:
    """How many devices fetch their history now; shared by all feeds."""

    limit: int = SLOTS_MAX
    used: int = 0
    waiting: dict[str, None] = field(default_factory=dict)
    """Devices that a client waits for and that have no turn yet, the first to ask first."""

    def pop_waiting(self) -> list[str]:
        """Name those who may try to get a turn now; who is still waited for will wait again."""
        if not self.waiting or not self.have_room(wanted=True):
            return []
        waiting, self.waiting = list(self.waiting), {}
        return waiting

    def have_room(self, *, wanted: bool) -> bool:
        """Tell whether one more may fetch."""
        return self.used < self.limit + WANTED_SLOTS_MAX * wanted

    @property
    def are_crowded(self) -> bool:
        """Tell whether more fetch than may without a client that waits."""
        return self.used > self.limit


@dataclass(slots=True)
class Backfill:
    """What is fetched of the readings up to ``bound``, at most ``room`` of them."""

    device_id: str
    bound: Cursor
    """The position before everything that was given so far."""
    room: int
    slots: BackfillSlots
    contact_s: float
    wanted: Cursor | None = None
    """A client waits for what follows this position."""
    progress_s: float | None = None
    """When the turn or the last new page came; None while waiting for the turn."""
    is_whole: bool = False
    """Whether the window was fetched, and stretches of it can be taken."""
    is_last: bool = False
    """Whether no window follows the one that is whole."""
    readings: deque[Reading] = field(default_factory=deque)
    _floor: Cursor = START  # nothing at or before it is asked for
    _start: Cursor = START  # the window, exclusive
    _end: Cursor = START  # the window, inclusive
    _at: Cursor = START  # up to where it was fetched
    _turn_s: float | None = None
    _rests: bool = False  # it gave its turn back, as nobody answered

    @classmethod
    def before(
        cls, device_id: str, bound: Cursor, capacity: int, slots: BackfillSlots, now_s: float
    ) -> Self:
        """Begin to fetch up to ``capacity`` readings before ``bound``."""
        history = cls(device_id, bound, capacity, slots, now_s)
        if bound.seq > capacity:
            history._floor = Cursor(bound.epoch, bound.seq - capacity)
        history._end = bound
        history._begin()
        return history

    @property
    def after(self) -> Cursor | None:
        """The position to ask for readings after next; None: from the oldest held."""
        return None if self._at == START else self._at

    @property
    def limit(self) -> int:
        """How many readings to ask for next."""
        if self._at.epoch != self._end.epoch:
            return PAGE_MAX
        return max(1, min(self._end.seq - self._at.seq, PAGE_MAX))

    # --- who waits for it, and whose turn it is ------------------------------------------

    def want(self, cursor: Cursor) -> None:
        """Note that a client waits for what follows a position."""
        if cursor < self.bound:
            self.wanted = cursor if self.wanted is None else min(cursor, self.wanted)
            if self._turn_s is None and not self._rests:
                self.slots.waiting[self.device_id] = None

    def is_moving(self, now_s: float, asked_s: float = float("-inf")) -> bool:
        """Tell whether it is worth waiting for, for somebody who asked at ``asked_s``."""
        if self.progress_s is None:
            return now_s - max(self.contact_s, asked_s) < WAITING_S
        return now_s - self.progress_s < MOVING_S

    def is_hopeless(self, now_s: float) -> bool:
        """Tell whether it is time to stop asking."""
        return self.progress_s is not None and now_s - self.progress_s > HOPELESS_S

    @property
    def may_go_on(self) -> bool:
        """Tell whether it has its turn, or could get one now."""
        return self._turn_s is not None or self.slots.have_room(wanted=self.wanted is not None)

    def take_turn(self, now_s: float) -> bool:
        """Become one of the devices that fetch; False while there are enough of them."""
        if self._turn_s is None and self.slots.have_room(wanted=self.wanted is not None):
            self.slots.used += 1
            self.slots.waiting.pop(self.device_id, None)
            self._turn_s, self._rests = now_s, False
            self.progress_s = now_s if self.progress_s is None else self.progress_s
            self._begin()
        return self._turn_s is not None

    def return_turn(self) -> None:
        """Let another device fetch; a window that is not whole is fetched again later."""
        self.slots.waiting.pop(self.device_id, None)
        if self._turn_s is not None:
            self.slots.used -= 1
            self._turn_s, self._rests = None, True
        if not self.is_whole:
            self._begin()

    # --- window by window ----------------------------------------------------------------

    def add(self, answer: ReplayAnswer, now_s: float) -> None:
        """Add a page; with the last one the window is whole."""
        at, reached, newest = self._at, answer.reached, answer.newest
        self.readings.extend(r for r in answer.readings if at < r.cursor <= self._end)
        is_late = self._turn_s is None or now_s - self._turn_s > TURN_MAX_S
        if reached is None or reached <= at:
            self._close(answer, is_last=is_late)
            return
        self._at, self.progress_s = reached, now_s
        if is_late or newest is None or reached >= min(newest, self._end):
            self._close(answer, is_last=is_late or newest is None)

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

    def go_on(self) -> None:
        """Begin with the window before; with what nobody waits for, when others do not."""
        self._end = self._start
        if self.wanted is not None and self.bound <= self.wanted:
            self.wanted = None
        if self.wanted is None and self.slots.are_crowded:
            self.return_turn()
            self.progress_s, self._rests = None, False
        self._begin()

    def _begin(self) -> None:
        self._start = self._at = self._window_start()
        self.readings = deque(maxlen=self.room)
        self.is_whole = False

    def _window_start(self) -> Cursor:
        """Reach back a page, but no further than a client that waits needs."""
        epoch, seq = self._end
        wanted = START if self.wanted is None else self.wanted
        if seq == 0:
            return wanted if wanted < self._end else START
        start = max(Cursor(epoch, max(0, seq - PAGE_MAX)), self._floor)
        return wanted if start < wanted < self._end else start

    def _close(self, answer: ReplayAnswer, *, is_last: bool) -> None:
        """Note that the window is whole; ``oldest`` says whether there is anything before it."""
        self.is_whole = True
        self.room -= len(self.readings)
        nothing_older = answer.oldest is None or answer.oldest > self._start
        is_full = self.room <= 0 or self._start <= self._floor
        self.is_last = is_last or nothing_older or is_full

    # --- what is missing in it -----------------------------------------------------------

    def _items(self, readings: list[Reading]) -> Iterator[Item]:
        last = None
        for reading in readings:
            if last is not None:
                yield from holes(self.device_id, last, Cursor(reading.epoch, reading.seq - 1))
            yield reading
            last = reading.cursor
        if last is not None:
            yield from holes(self.device_id, last, self.bound)


def holes(device_id: str, after: Cursor, end: Cursor) -> Iterator[Gap]:
    """Announce what a replay did not have behind ``after`` up to and with ``end``."""
    if after.epoch < end.epoch:
        yield Gap(device_id, after, Cursor(end.epoch, 1), GapReason.EPOCH)
        after = Cursor(end.epoch, 0)
    if after < end:
        yield Gap(device_id, after, Cursor(end.epoch, end.seq + 1), GapReason.NOT_RECOVERED)
