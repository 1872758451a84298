"""Backfill: fetches a device's readings from before first contact, the newest window first.

How it works

- A replay answers upwards from a position, but the newest readings are wanted first. So the past is
  divided into windows of one answer. Each is fetched answer by answer, up to the beginning of the
  window fetched before it, and put in front of the ring when it is whole. A client that is a
  little behind after a restart of the gateway waits for one answer, not for the whole journal.
- The number of readings in an older epoch is not known. So all epochs before the current one are
  a single window.
- A whole window is handed over in stretches of :data:`STRETCH_MAX` readings, the newest first. The
  holes in it become gaps. ``bound`` is the position before everything handed over so far.
- Few devices backfill at the same time (:class:`BackfillSlots`). A device takes a slot for as long
  as it fetches. Devices that a client waits for are served first, and have slots of their own.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeAlias

from gateway.domain import Gap, GapReason
from gateway.feed.retransmission import ANSWER_READINGS_MAX, FIRST_ANSWER_S
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer

MOVING_S = 2.0
"""Clients wait for a backfill that made progress within this time. For the first answer they wait
:data:`~gateway.feed.retransmission.FIRST_ANSWER_S`."""
WAITING_S = 10.0
"""Clients wait this long for a backfill to begin, while other devices have the slots."""
HOPELESS_S = 60.0
"""A device that answered nothing for this long after it took a slot has no replay."""
SLOT_MAX_S = 60.0
"""A replay that takes longer is very slow, or invents readings, and other devices wait."""
STRETCH_MAX = 500
"""Readings handed over at once: encoding them keeps the event loop for some 5 ms."""
SLOTS_MAX = 8
"""Devices that backfill at once, each with some 6 MB of readings."""
WANTED_SLOTS_MAX = 8
"""Further slots for devices that a client waits for."""

Item: TypeAlias = Reading | Gap


class Stretch(NamedTuple):
    """Consecutive readings with the gaps between them; ``front`` is the position before them."""

    front: Cursor
    items: tuple[Item, ...]


@dataclass(slots=True)
class BackfillSlots:
    """The slots of devices that backfill now; shared by all feeds."""

    limit: int = SLOTS_MAX
    used: int = 0
    waiting: dict[str, None] = field(default_factory=dict)
    """Devices without a slot that a client waits for, in the order of the requests."""

    def pop_waiting(self) -> list[str]:
        """Return the devices that may take a slot now; one that gets none is added again later."""
        if not self.waiting or not self.have_room(wanted=True):
            return []
        waiting, self.waiting = list(self.waiting), {}
        return waiting

    def have_room(self, *, wanted: bool) -> bool:
        """Tell whether one more device may backfill; ``wanted``: a client waits for it."""
        return self.used < self.limit + WANTED_SLOTS_MAX * wanted

    @property
    def are_crowded(self) -> bool:
        """Tell whether devices use the further slots."""
        return self.used > self.limit


@dataclass(slots=True)
class Backfill:
    """Fetches at most ``room`` readings of one device, up to ``bound``."""

    device_id: str
    bound: Cursor
    """The position before everything that was handed over so far."""
    room: int
    slots: BackfillSlots
    contact_s: float
    wanted: Cursor | None = None
    """A client waits for the readings after this position."""
    progress_s: float | None = None
    """When the slot was taken or the last new answer came; None while waiting for a slot."""
    is_whole: bool = False
    """Whether the window is fetched, so that stretches of it can be handed over."""
    is_last: bool = False
    """Whether the whole window is the last one."""
    readings: deque[Reading] = field(default_factory=deque)
    _floor: Cursor = START  # no reading at or before it is asked for
    _start: Cursor = START  # the window, exclusive
    _end: Cursor = START  # the window, inclusive
    _at: Cursor = START  # the window is fetched up to here
    _slot_s: float | None = None  # when the slot was taken
    _is_answered: bool = False
    _rests: bool = False  # it returned its slot, because no answer came

    @classmethod
    def before(
        cls, device_id: str, bound: Cursor, capacity: int, slots: BackfillSlots, now_s: float
    ) -> Self:
        """Begin to fetch up to ``capacity`` readings, up to ``bound``."""
        backfill = cls(device_id, bound, capacity, slots, now_s)
        if bound.seq > capacity:
            backfill._floor = Cursor(bound.epoch, bound.seq - capacity)
        backfill._end = bound
        backfill._begin()
        return backfill

    @property
    def after(self) -> Cursor | None:
        """The position of the next question; None: from the oldest reading held."""
        return None if self._at == START else self._at

    @property
    def limit(self) -> int:
        """The number of readings of the next question."""
        if self._at.epoch != self._end.epoch:
            return ANSWER_READINGS_MAX
        return max(1, min(self._end.seq - self._at.seq, ANSWER_READINGS_MAX))

    # --- clients that wait, and the slot -------------------------------------------------

    def want(self, cursor: Cursor) -> None:
        """Note that a client waits for the readings after a position."""
        if cursor < self.bound:
            self.wanted = cursor if self.wanted is None else min(cursor, self.wanted)
            if self._slot_s is None and not self._rests:
                self.slots.waiting[self.device_id] = None

    def is_moving(self, now_s: float, asked_s: float = float("-inf")) -> bool:
        """Tell whether a client that asked at ``asked_s`` should wait for this backfill."""
        if self.progress_s is None:
            return now_s - max(self.contact_s, asked_s) < WAITING_S
        return now_s - self.progress_s < (MOVING_S if self._is_answered else FIRST_ANSWER_S)

    def is_hopeless(self, now_s: float) -> bool:
        """Tell whether the device answered nothing for so long that it has no replay."""
        return self.progress_s is not None and now_s - self.progress_s > HOPELESS_S

    @property
    def may_go_on(self) -> bool:
        """Tell whether it has a slot, or could take one now."""
        return self._slot_s is not None or self.slots.have_room(wanted=self.wanted is not None)

    def take_slot(self, now_s: float) -> bool:
        """Take a slot, unless it has one; False if none is free."""
        if self._slot_s is None and self.slots.have_room(wanted=self.wanted is not None):
            self.slots.used += 1
            self.slots.waiting.pop(self.device_id, None)
            self._slot_s, self._rests = now_s, False
            self.progress_s = now_s if self.progress_s is None else self.progress_s
            self._begin()
        return self._slot_s is not None

    def return_slot(self) -> None:
        """Return the slot; a window that is not whole is fetched again later."""
        self.slots.waiting.pop(self.device_id, None)
        if self._slot_s is not None:
            self.slots.used -= 1
            self._slot_s, self._rests = None, True
        if not self.is_whole:
            self._begin()

    # --- window by window ----------------------------------------------------------------

    def add(self, answer: ReplayAnswer, now_s: float) -> None:
        """Add an answer; with the last one the window is whole."""
        self._is_answered = True
        at, reached, newest = self._at, answer.reached, answer.newest
        self.readings.extend(r for r in answer.readings if at < r.cursor <= self._end)
        is_late = self._slot_s is None or now_s - self._slot_s > SLOT_MAX_S
        if reached is None or reached <= at:
            self._close(answer, is_last=is_late)
            return
        self._at, self.progress_s = reached, now_s
        if is_late or newest is None or reached >= min(newest, self._end):
            self._close(answer, is_last=is_late or newest is None)

    def pop_stretch(self) -> Stretch:
        """Hand over the newest readings left, with every hole after them as a gap.

        The stretch begins with a reading and ends at ``bound``, which moves in front of it.
        """
        count = min(STRETCH_MAX, len(self.readings))
        readings = [self.readings.pop() for _ in range(count)][::-1]
        items = tuple(self._items(readings))
        if readings:
            self.bound = Cursor(readings[0].epoch, readings[0].seq - 1)
        return Stretch(self.bound, items)

    def go_on(self) -> None:
        """Begin the window before; without a client that waits, leave a further slot to others."""
        self._end = self._start
        if self.wanted is not None and self.bound <= self.wanted:
            self.wanted = None
        if self.wanted is None and self.slots.are_crowded:
            self.return_slot()
            self.progress_s, self._rests = None, False
        self._begin()

    def _begin(self) -> None:
        self._start = self._at = self._window_start()
        self.readings = deque(maxlen=self.room)
        self.is_whole = False

    def _window_start(self) -> Cursor:
        """Return the beginning of the window: an answer back, or where a client waits.

        A window that ends with the end of an older epoch has all epochs up to there.
        """
        epoch, seq = self._end
        wanted = START if self.wanted is None else self.wanted
        if seq == 0:
            return wanted if wanted < self._end else START
        start = max(Cursor(epoch, max(0, seq - ANSWER_READINGS_MAX)), self._floor)
        return wanted if start < wanted < self._end else start

    def _close(self, answer: ReplayAnswer, *, is_last: bool) -> None:
        """Note that the window is whole, and whether the device has readings before it."""
        self.is_whole = True
        self.room -= len(self.readings)
        nothing_older = answer.oldest is None or answer.oldest > self._start
        is_full = self.room <= 0 or self._start <= self._floor
        self.is_last = is_last or nothing_older or is_full

    # --- gaps ----------------------------------------------------------------------------

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
    """Yield the gaps for readings after ``after`` up to and including ``end`` that are lost."""
    if after.epoch < end.epoch:
        yield Gap(device_id, after, Cursor(end.epoch, 1), GapReason.EPOCH)
        after = Cursor(end.epoch, 0)
    if after < end:
        yield Gap(device_id, after, Cursor(end.epoch, end.seq + 1), GapReason.NOT_RECOVERED)
