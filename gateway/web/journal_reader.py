"""What the gateway does not hold, asked of the device itself, for one HTTP answer.

That is what came before the ring, and whether the device was ever at a position that is ahead of
all that it sent here. A few questions are asked at a time for all callers, never while the device
has to repair, and within a deadline. The caller waits; live readings do not. No answer is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gevent
from gevent.event import AsyncResult

from gateway.devices.devices import Device, with_time
from gateway.fanout.backlog import UNKNOWN_CURSOR_S
from gateway.feed.retransmission import PAGE_MAX
from gateway.hub import Hub
from gateway.web.fair_queue import FairLine
from gateway.web.positions import may_come
from gateway.web.readings import Draft
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer, ReplayRefusal

DEADLINE_S = 2.0
"""For all questions of one page; then it is answered with what came, and what the ring holds."""
AT_ONCE_MAX = 4
"""Questions that wait for an answer: taking in each of them keeps the loop for some 5 ms."""
LOOK_AGAIN_S = 0.025
"""Between two looks at what changed; a request that waits for a position looks ever more rarely."""


class Caller(NamedTuple):
    """Who asks for one page: a client's address, and until when it waits."""

    holder: str
    until_s: float


class Past:
    """Asks devices for what came before their rings."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._turns = FairLine(AT_ONCE_MAX)
        self._waiting: dict[str, AsyncResult[ReplayAnswer | None]] = {}
        hub.receiver.on_aside = self._take_in

    def put_in_front(self, draft: Draft, holder: str) -> None:
        """Begin a page with what the device still has of what is asked for."""
        device = draft.device
        if not draft.wants_past or not _may_have_more(device):
            return
        if not (device.feed.has_replay and self._hub.can_ask(device.device_id)):
            draft.note_journal_away(is_expected=device.feed.is_fetching_history(self._hub.now()))
            return
        caller, begins = self._caller(holder), draft.query.since is None
        start = self._find(device, draft.query.from_ms, caller) if begins else draft.at
        if start is not None and self._add_pages(draft, start, caller):
            return
        draft.end_incomplete()

    def _caller(self, holder: str) -> Caller:
        return Caller(holder, self._hub.now().monotonic_s + DEADLINE_S)

    def wait_until_known(self, device: Device, since: Cursor, holder: str) -> bool:
        """Wait until a device is at a position, or is known not to be; False: ask again.

        A device that is there says every second where it is. One that is silent may have gone on,
        and is believed as long as over Socket.IO.
        """
        caller, wait_s, was_asked = self._caller(holder), LOOK_AGAIN_S, False
        while device.feed.online and may_come(device, since):
            left_s = caller.until_s - self._hub.now().monotonic_s
            if left_s <= 0:
                return device.feed.position < since  # that far it is only being repaired
            if not was_asked and self._denies(device, since, caller):
                return True
            was_asked = True
            gevent.sleep(min(wait_s, left_s))
            wait_s *= 2
        is_believed = device.feed.silence_s(self._hub.now()) < UNKNOWN_CURSOR_S
        return device.feed.head is not None and not (may_come(device, since) and is_believed)

    def _denies(self, device: Device, since: Cursor, caller: Caller) -> bool:
        """Ask a device where it is; tell whether that is before a position."""
        if not (device.feed.has_replay and self._hub.can_ask(device.device_id)):
            return False
        answer = self._ask(device, device.feed.head or START, 1, caller)
        return answer is not None and (answer.newest is None or answer.newest < since)

    def _add_pages(self, draft: Draft, start: Cursor, caller: Caller) -> bool:
        """Add all that the device answers; tell whether nothing is left to ask."""
        return any(self._add(draft, start, it) for it in self._pages(draft, start, caller))

    def _add(self, draft: Draft, start: Cursor, answer: ReplayAnswer) -> bool:
        """Add an answer to a page; tell whether nothing is left to ask."""
        front, now = draft.device.ring.front or START, self._hub.now()
        draft.add_past(start, [with_time(r, now) for r in answer.readings if r.cursor <= front])
        is_over = answer.reached is None or answer.reached >= min(front, answer.newest or front)
        if is_over and not draft.is_full:
            draft.end_past(front)
        return is_over or draft.is_full

    def _pages(self, draft: Draft, start: Cursor, caller: Caller) -> Iterator[ReplayAnswer]:
        """Ask on and on after a position, until there is no answer."""
        at: Cursor | None = start
        while at is not None:
            limit = PAGE_MAX if draft.query.is_span else min(draft.room, PAGE_MAX)
            answer = self._ask(draft.device, at, limit, caller)
            if answer is None:
                return
            yield answer
            at = answer.reached
            last = answer.readings[-1:]
            if at is not None and last and draft.is_before(last[0].ts_ms):
                at = max(at, self._find(draft.device, draft.query.from_ms, caller) or at)
                draft.skip_to(at)

    def _find(self, device: Device, from_ms: int, caller: Caller) -> Cursor | None:
        """Find a position not long before a time: how long numbers take is known in no epoch."""
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
            question_id = self._hub.ask_aside(device.device_id, position, limit)
            answer = None if question_id is None else self._wait(question_id, left_s)
        device.feed.oldest = None if answer is None else answer.oldest
        return answer

    @contextmanager
    def _turn(self, device: Device, caller: Caller) -> Iterator[float]:
        """Wait for a turn, in which nothing is being repaired; gives the time left, 0 without."""
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

    def _wait(self, question_id: str, left_s: float) -> ReplayAnswer | None:
        answered: AsyncResult[ReplayAnswer | None] = AsyncResult()
        self._waiting[question_id] = answered
        try:
            return answered.get(timeout=left_s)
        except gevent.Timeout:
            return None
        finally:
            del self._waiting[question_id]
            self._hub.drop_aside(question_id)

    def _take_in(self, reply: ReplayAnswer | ReplayRefusal) -> None:
        answered = self._waiting.get(reply.id)
        if answered is not None:
            answered.set(reply if isinstance(reply, ReplayAnswer) else None)


def _may_have_more(device: Device) -> bool:
    """Tell whether the device may hold what came before its ring's front."""
    front, oldest = device.ring.front or START, device.feed.oldest
    return oldest is None or oldest <= front
