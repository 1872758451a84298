"""The order of one device's readings: each position is taken once, or covered by a gap.

How it works

- The *head* is the last settled position. Everything at or before it was taken or announced as a
  gap, and never changes again. So a reading at or before the head is dropped.
- A reading right after the head is taken, and the head moves to it. A later reading waits in the
  reorder buffer, and the hole before it is remembered (the sequence tracker knows how far it goes).
- A hole that is open for ``patience_s`` is closed: a gap is announced, and the head moves to the
  hole's end. A replay that answered for the hole can make it final earlier
  (:meth:`Order.settle_up_to`). Holes of refused numbers, and holes larger than the ring, are closed
  at once.
- A status may announce readings that are still on their way. Such a hole is late only after
  the time the device needs for them, and its ``patience_s`` begins once more that time later,
  because devices are not punctual. It never begins before :meth:`Order.settle` first found the hole
  late, because only then the feed asks for it: a gateway that was stopped in between must not give
  up readings that it never asked for.
- Invariant: the positions that come out only go up, without an unannounced hole. Only
  :meth:`Order.adopt` moves the head back, and announces it (``epoch_back``).
- Nearly every reading is the next one. :meth:`Order.take_next` takes it after one comparison,
  as long as nothing is missing, buffered, void or ended (``_is_settled``).

This module only describes the holes; the feed asks the device for the missing readings.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from gateway.domain import DropReason, FaultReason, Gap, GapReason
from gateway.feed.effects import Announce, Count, Effects, Empty, Seen, Take
from gateway.feed.reorder_buffer import ReorderBuffer
from gateway.feed.sequence_tracker import Missing, SequenceTracker
from shared.cursor import START, Cursor
from shared.reading import Reading


class _Wait(NamedTuple):
    """A hole that is late from ``late_s`` on; ``known`` is the greatest position known then."""

    late_s: float
    known: Cursor
    found_late_s: float = inf
    """When :meth:`Order.settle` first found it late, so that the feed could ask for it."""


@dataclass(slots=True)
class Order:
    """The head of one device, and the readings and holes ahead of it.

    ``capacity`` is the number of readings that the ring holds: a larger hole is not filled whole.
    """

    device_id: str
    capacity: int
    buffer: ReorderBuffer
    head: Cursor | None = None
    tracker: SequenceTracker = field(default_factory=SequenceTracker)
    gave_up: bool = False
    """Whether the last :meth:`settle` ended a wait."""
    _wait: _Wait | None = None
    _announced_s: float = 0.0  # how long a reading may come after the status that announced it
    _final: Cursor = START  # readings missing up to here will not come
    _is_settled: bool = False  # nothing is missing, buffered, void or ended

    def is_settled_at(self, cursor: Cursor) -> bool:
        """Tell whether ``cursor`` is the head, with nothing known after it or missing before it."""
        return self._is_settled and self.head == cursor

    # --- known positions -----------------------------------------------------------------

    @property
    def position(self) -> Cursor:
        """The greatest position known to exist."""
        return START if self.head is None else self.tracker.greatest(self.head)

    @property
    def is_waiting(self) -> bool:
        """Tell whether something is missing right after the head."""
        return self._wait is not None

    def is_late(self, now_s: float) -> bool:
        """Tell whether the missing readings should have come by now."""
        return self._wait is not None and self._wait.late_s <= now_s

    def missing(self) -> Missing | None:
        """Describe the hole right after the head; None if there is none."""
        return None if self.head is None else self.tracker.missing(self.head, self.buffer.first())

    def know(self, cursor: Cursor) -> None:
        """Note that everything of the epoch up to this position exists."""
        self._is_settled = False
        self.tracker.know(cursor)
        dropped = None if self.head is None else self.tracker.crowded_out(self.head)
        if dropped is not None:
            self.buffer.drop_epoch(dropped)

    def announce(self, cursor: Cursor, within_s: float) -> None:
        """Note that everything up to this position exists, or comes within ``within_s``."""
        self._announced_s = within_s
        self.know(cursor)

    def note_void(self, position: Cursor) -> None:
        """Note the position of a reading that was refused for its values alone."""
        if self.head is not None:
            self.tracker.note_void(position, self.head)

    def settle_up_to(self, final: Cursor) -> None:
        """Note that readings missing up to here will never come."""
        self._final = max(self._final, final)

    # --- readings ------------------------------------------------------------------------

    def take_next(self, reading: Reading) -> bool:
        """Take a reading if it is the next one and nothing is unsettled; else return False."""
        head = self.head
        if (
            head is None
            or not self._is_settled
            or reading.seq != head.seq + 1
            or reading.epoch != head.epoch
        ):
            return False
        self.head = Cursor(reading.epoch, reading.seq)
        return True

    def place(self, reading: Reading) -> Effects:
        """Buffer a live reading until its turn; drop one whose position was taken before."""
        cursor = reading.cursor
        if self.head is None or cursor <= self.head:
            return [Seen(reading)]
        held = self.buffer.get(cursor)
        if held is not None:
            same = held == replace(reading, ts_ms=held.ts_ms)  # the time may be the gateway's own
            return [Count(DropReason.DUPLICATE if same else FaultReason.CONFLICT)]
        if not self.tracker.knows(cursor):
            return [Count(DropReason.CROWDED_OUT)]
        is_next = cursor == (self.head.epoch, self.head.seq + 1)
        if self.buffer.is_full and not is_next:
            return [Count(DropReason.HELD_FULL)]
        self.buffer.hold(reading)
        return []

    def place_recovered(self, reading: Reading) -> None:
        """Buffer a reading from a replay, unless a live one has its position.

        There may be more than the buffer's limit: the answer settles the holes before them, so the
        next :meth:`settle` takes them all.
        """
        cursor = reading.cursor
        if self.head is None or cursor <= self.head or self.buffer.get(cursor) is not None:
            return
        self.tracker.know(cursor)
        self.buffer.hold(reading)
        self._wait = None  # the replay makes progress: the patience begins anew
        self._announced_s = 0.0  # the rest of the hole is late at once, so it is asked for

    def adopt(self, front: Cursor) -> Effects:
        """Forget everything and continue after ``front``, even if that is before the head."""
        after, self.head = self.head, front
        self.buffer.clear()
        self.tracker, self._wait, self._final = SequenceTracker(), None, START
        before = Cursor(front.epoch, front.seq + 1)
        return [Empty(front), Announce(Gap(self.device_id, after, before, GapReason.EPOCH_BACK))]

    # --- moving the head -----------------------------------------------------------------

    def settle(self, now_s: float, patience_s: float) -> Effects:
        """Move the head as far as possible; close holes that were late for ``patience_s``."""
        effects: Effects = []
        self.gave_up = False
        while self.head is not None and self._advance(self.head, effects, patience_s, now_s):
            pass
        self._is_settled = (
            self.head is not None
            and self._wait is None
            and self.tracker.has_nothing_after(self.head)
        )
        return effects

    def _advance(self, head: Cursor, effects: Effects, patience_s: float, now_s: float) -> bool:
        """Move the head by one reading or one gap; False if it has to stay."""
        # 1. The next reading is in the buffer: take it.
        first = self.buffer.first()
        if first is not None and first == (head.epoch, head.seq + 1):
            self.head = first
            self.tracker.take(first)
            effects.append(Take(self.buffer.release(first)))
            is_expecting = self._announced_s > 0 and self.position.epoch == first.epoch
            if is_expecting and not self.buffer:
                self._wait = None  # readings are coming: the announced ones have their time anew
            return True
        missing = self.tracker.missing(head, first)
        if missing is None:
            self._wait = None
            return False
        # 2. There is a hole: wait for its readings.
        is_announced = missing.kind == "readings" and first is None
        wait = self._wait = self._next_wait(head, now_s, is_announced=is_announced)
        # 3. The hole was late for too long: no reading known when it began will come any more.
        grace_s = self._announced_s if is_announced else 0.0  # devices are not punctual
        if max(wait.late_s + grace_s, wait.found_late_s) + patience_s <= now_s:
            self.gave_up = True
            self.settle_up_to(wait.known)
        effects += self._close(head, missing)
        return self.head != head

    def _next_wait(self, head: Cursor, now_s: float, *, is_announced: bool) -> _Wait:
        """Return the wait for the hole after the head: a new one, or the one that has begun.

        A hole is late at once, unless a status announced readings that the device has yet to send.
        A hole that grew after a wait begins a wait of its own.
        """
        wait = self._wait
        if wait is None or head >= wait.known:
            wait = _Wait(now_s + self._announced_s if is_announced else now_s, self.position)
        elif not is_announced and wait.late_s > now_s:
            wait = wait._replace(late_s=now_s)  # a later reading overtook it
        if wait.late_s <= now_s < wait.found_late_s:
            wait = wait._replace(found_late_s=now_s)
        return wait

    def _close(self, head: Cursor, missing: Missing) -> Effects:
        """Close the hole after the head by a gap, as far as it can be closed now."""
        too_old = missing.last.seq - self.capacity
        settled = min(self._final, missing.end)
        match missing.kind:
            case "invalid":
                return self._gap(head, missing.end, GapReason.INVALID)
            case "epoch" if self.tracker.ends_at(head):
                self._skip_to(missing.end)
            case "epoch" if settled == missing.end:
                return self._gap(head, missing.end, GapReason.EPOCH)
            case "epoch" if head < settled and settled.epoch == head.epoch:
                return self._gap(head, settled, GapReason.NOT_RECOVERED)
            case "readings" if too_old > head.seq:
                return self._gap(head, Cursor(head.epoch, too_old), GapReason.OVERRUN)
            case "readings" if settled > head:
                return self._gap(head, settled, GapReason.NOT_RECOVERED)
        return []

    def _gap(self, after: Cursor, end: Cursor, reason: GapReason) -> Effects:
        self._skip_to(end)
        return [Announce(Gap(self.device_id, after, Cursor(end.epoch, end.seq + 1), reason))]

    def _skip_to(self, end: Cursor) -> None:
        self.head = end
        self.tracker.skip_to(end)
