"""Reads from a device's journal the readings that the gateway no longer holds, for one HTTP page.

How it works

- The page begins with the readings from before the ring. :class:`JournalReader` asks the device for
  them page by page, over the same replay link as the feed, until it reaches the front of the ring.
- A span begins at a time, but replays are asked by position. So the position is found by binary
  search, with questions for one reading each.
- The device is also asked for its newest position, when a client's cursor is ahead of everything
  that the gateway received from it.
- Live readings come first: at most :data:`AT_ONCE_MAX` questions of all requests are open at a
  time, and none while the device's feed repairs a hole. All questions of one page share one
  deadline. The request waits; the hub does not. No answer is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gevent

from gateway.devices.devices import Device, with_time
from gateway.fanout.backlog import UNKNOWN_CURSOR_S
from gateway.feed.retransmission import PAGE_MAX
from gateway.hub import Hub
from gateway.web.cursor_checks import may_come
from gateway.web.fair_queue import FairQueue
from gateway.web.readings import PageBuilder
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


class Caller(NamedTuple):
    """The client address that asks for a page, and the time until which the request waits."""

    holder: str
    until_s: float


class JournalReader:
    """Asks devices for readings from before their rings."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._turns = FairQueue(AT_ONCE_MAX)

    def put_in_front(self, page: PageBuilder, holder: str) -> None:
        """Begin a page with the readings that the device still has of those asked for."""
        device = page.device
        if not page.wants_past or not _may_have_more(device):
            return
        if not self._can_ask(device):
            page.note_journal_away(is_expected=device.feed.is_backfilling(self._hub.now()))
            return
        caller, begins = self._caller(holder), page.query.since is None
        start = self._find(device, page.query.from_ms, caller) if begins else page.at
        if start is not None and self._add_pages(page, start, caller):
            return
        page.end_incomplete()

    def wait_until_known(self, device: Device, since: Cursor, holder: str) -> bool:
        """Wait until a device reaches a position, or is known not to have it; False: ask again.

        A device that is online tells its position every second. A device that is silent may have
        passed the position, and is given :data:`gateway.fanout.backlog.UNKNOWN_CURSOR_S` as over
        Socket.IO.
        """
        caller, wait_s, was_asked = self._caller(holder), LOOK_AGAIN_S, False
        while device.feed.online and may_come(device, since):
            left_s = caller.until_s - self._hub.now().monotonic_s
            if left_s <= 0:
                # a position that the device has is still being repaired: ask again later
                return device.feed.position < since
            if not was_asked and self._denies(device, since, caller):
                return True
            was_asked = True
            gevent.sleep(min(wait_s, left_s))
            wait_s *= 2
        is_believed = device.feed.silence_s(self._hub.now()) < UNKNOWN_CURSOR_S
        return device.feed.head is not None and not (may_come(device, since) and is_believed)

    def _caller(self, holder: str) -> Caller:
        return Caller(holder, self._hub.now().monotonic_s + DEADLINE_S)

    def _can_ask(self, device: Device) -> bool:
        return device.feed.has_replay and self._hub.can_ask(device.device_id)

    def _denies(self, device: Device, since: Cursor, caller: Caller) -> bool:
        """Ask a device for its newest position; tell whether that is before ``since``."""
        if not self._can_ask(device):
            return False
        answer = self._ask(device, device.feed.head or START, 1, caller)
        return answer is not None and (answer.newest is None or answer.newest < since)

    def _add_pages(self, page: PageBuilder, start: Cursor, caller: Caller) -> bool:
        """Add the device's answers to a page; tell whether the page has all that was wanted."""
        return any(self._add(page, start, it) for it in self._pages(page, start, caller))

    def _add(self, page: PageBuilder, start: Cursor, answer: ReplayAnswer) -> bool:
        """Add one answer to a page; tell whether nothing is left to ask."""
        front, now = page.device.ring.front or START, self._hub.now()
        page.add_past(start, [with_time(r, now) for r in answer.readings if r.cursor <= front])
        is_over = answer.reached is None or answer.reached >= min(front, answer.newest or front)
        if is_over and not page.is_full:
            page.end_past(front)
        return is_over or page.is_full

    def _pages(self, page: PageBuilder, start: Cursor, caller: Caller) -> Iterator[ReplayAnswer]:
        """Ask again and again, each time after the last answer, until there is no answer."""
        at: Cursor | None = start
        while at is not None:
            limit = PAGE_MAX if page.query.is_span else min(page.room, PAGE_MAX)
            answer = self._ask(page.device, at, limit, caller)
            if answer is None:
                return
            yield answer
            at = answer.reached
            last = answer.readings[-1:]
            if at is not None and last and page.is_before(last[0].ts_ms):  # skip to the span
                at = max(at, self._find(page.device, page.query.from_ms, caller) or at)
                page.skip_to(at)

    def _find(self, device: Device, from_ms: int, caller: Caller) -> Cursor | None:
        """Find a position at most a page before a time, by binary search; None without an answer.

        Only the ring's epoch is searched: the number of readings in an older one is not known.
        """
        front = device.ring.front or START
        first = self._first_after(device, Cursor(front.epoch, 0), caller)
        if first is None:
            return None
        if first.cursor > front or first.ts_ms >= from_ms:
            return START
        low, high = first.seq, front.seq
        while high - low > PAGE_MAX:
            middle = self._first_after(device, Cursor(front.epoch, (low + high) // 2), caller)
            if middle is None:
                return None
            if middle.epoch > front.epoch or middle.ts_ms >= from_ms:
                high = (low + high) // 2
            else:
                low = middle.seq
        return Cursor(front.epoch, low)

    def _first_after(self, device: Device, after: Cursor, caller: Caller) -> Reading | None:
        answer = self._ask(device, after, 1, caller)
        return answer.readings[0] if answer is not None and answer.readings else None

    def _ask(
        self, device: Device, after: Cursor, limit: int, caller: Caller
    ) -> ReplayAnswer | None:
        """Ask one question when it is its turn; None without an answer in time."""
        with self._turn(device, caller) as left_s:
            if left_s <= 0:
                return None
            position = None if after == START else after
            reply = self._hub.read_past(device.device_id, position, limit, left_s)
        return reply if isinstance(reply, ReplayAnswer) else None

    @contextmanager
    def _turn(self, device: Device, caller: Caller) -> Iterator[float]:
        """Wait until a question may be asked; gives the seconds left for it, 0 if there are none.

        The device must not be repairing, and fewer than :data:`AT_ONCE_MAX` questions be open.
        """
        holder, until_s = caller
        while device.feed.is_repairing(now := self._hub.now()) and now.monotonic_s < until_s:
            gevent.sleep(LOOK_AGAIN_S)
        left_s = max(0.0, until_s - self._hub.now().monotonic_s)
        if not left_s or not self._turns.take(1, holder, left_s):
            yield 0.0
            return
        try:
            yield until_s - self._hub.now().monotonic_s
        finally:
            self._turns.give_back(1, holder)


def _may_have_more(device: Device) -> bool:
    """Tell whether the device may hold readings from before its ring's front."""
    front, oldest = device.ring.front or START, device.feed.oldest
    return oldest is None or oldest <= front
