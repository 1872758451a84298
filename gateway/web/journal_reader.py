"""Reads from a device's journal the readings that the gateway no longer holds, for one HTTP page.

How it works

- The page begins with the readings from before the ring. :class:`JournalReader` asks the device for
  them answer by answer, over the same replay link as the feed, until it reaches the front of the
  ring.
- A span begins at a time, but replays are asked by position. So the position is found by binary
  search, with questions for one reading each.
- The device is also asked for its newest position, when a client's cursor is ahead of everything
  that the gateway received from it.
- Live readings come first: at most :data:`AT_ONCE_MAX` questions of all requests are open at a
  time, and none while the device's feed repairs a hole. All questions of one page share one
  deadline; :meth:`JournalReader.wait_until_decided` has its own, but asks only for a cursor that
  is ahead of the ring, where no page needs the journal. The request waits; the hub does not. No
  answer is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gevent

from gateway.devices.devices import Device, with_time
from gateway.fanout.backlog import UNKNOWN_CURSOR_S
from gateway.feed.retransmission import ANSWER_READINGS_MAX
from gateway.hub import Hub
from gateway.web.cursor_checks import may_come
from gateway.web.fair_queue import FairQueue
from gateway.web.page_builder import PageBuilder
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer

DEADLINE_S = 2.0
"""For all questions of one page; the page then has the answers that came, and the ring's readings.
"""
AT_ONCE_MAX = 4
"""Questions that are open at a time: taking in an answer keeps the loop for some 5 ms."""
LOOK_AGAIN_S = 0.025
"""The first pause between two looks at a device; it doubles while a request waits for a position.
"""


class Patience(NamedTuple):
    """How long a request waits, and the holder that it is counted for meanwhile."""

    holder: str
    """The client's address as it counts for limits (``holder_of``)."""
    until_s: float
    """On the monotonic clock: the end of the wait for all questions together."""


class NoAnswer(Exception):
    """The device did not answer a question in time, or refused it."""


class JournalReader:
    """Asks devices for readings from before their rings.

    The ``holder`` of its methods is the client's address as it counts for limits (``holder_of``).
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._slots = FairQueue(AT_ONCE_MAX)

    def add_older_readings(self, builder: PageBuilder, holder: str) -> None:
        """Add the readings from before the ring that the query asks for and the device has."""
        device = builder.device
        if not builder.wants_journal or not _may_have_more(device):
            return
        if not self._can_ask(device):
            is_expected = device.feed.is_backfilling(self._hub.now())
            builder.note_unreachable_journal(is_expected=is_expected)
            return
        patience, is_by_time = self._patience(holder), builder.query.since is None
        try:
            start = self._find_start(builder, patience) if is_by_time else builder.at
            self._add_answers(builder, start, patience)
        except NoAnswer:
            builder.end_incomplete()

    def wait_until_decided(self, device: Device, since: Cursor, holder: str) -> bool:
        """Wait until the device is at ``since``, or until it is certain that it will not get there.

        An online device that is before ``since`` after :data:`DEADLINE_S` is not there. Returns
        False while it is open: the device was at ``since`` and its readings are still being
        repaired, or the device is silent. The client should ask again.

        A device that is online reports its position every second. A silent device may have passed
        ``since`` unheard. The gateway gives it up after a silence of
        :data:`gateway.fanout.backlog.UNKNOWN_CURSOR_S`. (Over Socket.IO the same time counts from
        the client's request.)
        """
        patience, wait_s, was_asked = self._patience(holder), LOOK_AGAIN_S, False
        while device.feed.online and may_come(device, since):
            left_s = patience.until_s - self._hub.now().monotonic_s
            if left_s <= 0:
                # True: the device does not claim to be at ``since``. False: it is there, and its
                # readings are still being repaired: the client asks again.
                return device.feed.position < since
            if not was_asked and self._denies(device, since, patience):
                return True
            was_asked = True
            gevent.sleep(min(wait_s, left_s))
            wait_s *= 2
        if device.feed.head is None:
            return False
        silence_s = device.feed.silence_s(self._hub.now())
        return not may_come(device, since) or silence_s >= UNKNOWN_CURSOR_S

    def _patience(self, holder: str) -> Patience:
        return Patience(holder, self._hub.now().monotonic_s + DEADLINE_S)

    def _can_ask(self, device: Device) -> bool:
        return device.feed.replay_may_answer and self._hub.can_ask(device.device_id)

    def _denies(self, device: Device, since: Cursor, patience: Patience) -> bool:
        """Ask a device for its newest position; tell whether that is before ``since``."""
        if not self._can_ask(device):
            return False
        try:
            answer = self._ask(device, device.feed.head or START, 1, patience)
        except NoAnswer:
            return False
        return answer.newest is None or answer.newest < since

    def _add_answers(self, builder: PageBuilder, start: Cursor, patience: Patience) -> None:
        """Ask for the readings after ``start``, answer by answer, and add them to a builder.

        Returns when the page is full or reaches the front of the ring. Raises NoAnswer.
        """
        after: Cursor | None = start
        while after is not None:
            wanted = ANSWER_READINGS_MAX if builder.query.is_span else builder.room
            limit = min(wanted, ANSWER_READINGS_MAX)
            answer = self._ask(builder.device, after, limit, patience)
            after = self._add(builder, start, answer)
            last = answer.readings[-1:]
            if after is not None and last and builder.precedes_span(last[0].ts_ms):
                # the span begins later: search for its start instead of reading up to it
                after = max(after, self._find_start(builder, patience))
                builder.skip_to(after)

    def _add(self, builder: PageBuilder, start: Cursor, answer: ReplayAnswer) -> Cursor | None:
        """Add one answer to a page; returns where to ask on, or None if nothing is left to ask."""
        front, now = builder.device.ring.front or START, self._hub.now()
        readings = [with_time(r, now) for r in answer.readings if r.cursor <= front]
        builder.add_from_journal(start, readings)
        if builder.is_full:
            return None
        reached, end = answer.reached, min(front, answer.newest or front)
        if reached is None or reached >= end:  # None: the answer is empty
            builder.end_of_journal(front)
            return None
        return reached

    def _find_start(self, builder: PageBuilder, patience: Patience) -> Cursor:
        """Find a position at most an answer before the span's start, by binary search.

        Only the ring's epoch is searched: the number of readings in an older one is not known. If
        the span may begin in an older one, the position is the journal's start. Raises NoAnswer.
        """
        device, from_ms = builder.device, builder.query.from_ms
        front = device.ring.front or START
        if not front.seq:  # the ring begins with its epoch: all earlier readings are of older ones
            return START
        first = self._first_after(device, Cursor(front.epoch, 0), patience)
        if first is None or first.cursor > front or first.ts_ms >= from_ms:
            return START
        low, high = first.seq, front.seq
        while high - low > ANSWER_READINGS_MAX:
            middle = (low + high) // 2
            found = self._first_after(device, Cursor(front.epoch, middle), patience)
            if found is None or found.epoch > front.epoch or found.ts_ms >= from_ms:
                high = middle
            else:
                low = found.seq
        return Cursor(front.epoch, low)

    def _first_after(self, device: Device, after: Cursor, patience: Patience) -> Reading | None:
        """Return the first reading that a device has after a position. Raises NoAnswer."""
        return next(iter(self._ask(device, after, 1, patience).readings), None)

    def _ask(self, device: Device, after: Cursor, limit: int, patience: Patience) -> ReplayAnswer:
        """Ask one question as soon as it may be asked, and wait. Raises NoAnswer."""
        with self._question_slot(device, patience) as left_s:
            if left_s <= 0:
                raise NoAnswer
            position = None if after == START else after
            reply = self._hub.ask_journal(device.device_id, position, limit, left_s)
        if not isinstance(reply, ReplayAnswer):
            raise NoAnswer
        return reply

    @contextmanager
    def _question_slot(self, device: Device, patience: Patience) -> Iterator[float]:
        """Wait until a question may be asked; give the seconds left for it, 0 if there are none.

        The device must not be repairing, and fewer than :data:`AT_ONCE_MAX` questions be open.
        """
        holder, until_s = patience
        while True:
            while self._is_repairing(device, until_s):
                gevent.sleep(LOOK_AGAIN_S)
            if not self._slots.take(1, holder, self._left_s(until_s)):
                yield 0.0
                return
            if not self._is_repairing(device, until_s):
                break
            self._slots.give_back(1, holder)  # the repair began during the wait for the slot
        try:
            yield self._left_s(until_s)
        finally:
            self._slots.give_back(1, holder)

    def _is_repairing(self, device: Device, until_s: float) -> bool:
        """Tell whether the device repairs and there is time left to wait for the end of that."""
        return device.feed.is_repairing(self._hub.now()) and self._left_s(until_s) > 0

    def _left_s(self, until_s: float) -> float:
        return max(0.0, until_s - self._hub.now().monotonic_s)


def _may_have_more(device: Device) -> bool:
    """Tell whether the device may hold readings from before its ring's front."""
    front, oldest = device.ring.front or START, device.feed.oldest
    return oldest is None or oldest <= front
