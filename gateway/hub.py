"""The hub: one loop that takes in what devices say and sends each browser what is due to it.

A shell: it reads the links, asks the core (``devices``, ``fanout``) what follows, and does it. All
of it runs in one greenlet, so nothing needs a lock; what dies here ends the process.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Protocol, TypeAlias

import gevent
from gevent.event import Event as Wake
from gevent.lock import BoundedSemaphore
from loguru import logger

from gateway.devices.devices import Devices
from gateway.fanout.fanout import Fanout, do_nothing
from gateway.fanout.groups import OpenMulticast
from gateway.fanout.subscription import Subscribe, Unsubscribe
from gateway.feed.effects import Now
from gateway.log_once import LogOnce
from gateway.upstream.readiness import Watch
from gateway.upstream.replay_client import Aside, Replay, Reply
from gateway.upstream.sockets import Incoming
from gateway.upstream.subscriber import Subscriber
from shared.cursor import Cursor
from shared.errors import BadMessage
from shared.wire import ReplayAnswer, ReplayRefusal, Serve, decode_message

TURN_S = 0.025
"""While something is unsettled its timeouts are looked at this often; the shortest is 50 ms."""
IDLE_S = 0.1
"""With nothing to settle the loop turns this often."""
REST_S, REST_MAX_S = 0.001, 0.004
"""From one turn to the next at least: a turn has a price, and what comes meanwhile shares the next.
"""
REST_PART = 3
"""A turn begins so many times what the last one took after that began, within these bounds."""
YIELD_S = 0.000_001
"""A timer, however short, lets the loop poll its sockets; 0 only lets it run what is ready, up to
50 times before it polls."""
EVERYONE_S = 0.5
"""How often the timeouts of devices with nothing to settle are judged, a share in each turn."""
JUDGE_S, JUDGED_AT_ONCE = 0.004, 50
"""What that may take of a turn, and how many are judged between two looks at the clock."""
LATE_S = 0.25
"""After a pause this long (a stopped process) what waits is taken in before anyone is judged."""
JUDGE_LATEST_S = 1.0
"""Under a flood that never ends, timeouts are judged at least this often."""
PIECE_S = 0.004
"""A turn that has lasted so long lets the loop poll its sockets before it goes on."""
CATCH_UP_S = 0.005
"""What sending to those who are not plainly live may take of a turn: live goes first."""
ANSWERS_ABOUT_ALL = 4
"""Answers to ``subscribe`` with ``*`` that are written at the same time: each takes 4 MB for 10,000
bikes. The other clients wait in line."""
READABLE = 1
"""libev's name for it."""
FAULTS = {
    "conflict": "each number belongs to one reading: are there two bikes of this name?",
    "seq_back": "each reading has the number after the one before, and a restart a greater epoch",
    "old_epoch": "a restart has a greater epoch; this one is believed after 10 s without others",
    "far_seq": "numbers go up by one; this one is believed after 10 s without others",
    "future_epoch": "an epoch is a boot counter, or the ms since 1970 now: is its clock right?",
    "table_full": "at most SPOKE_MAX_DEVICES, and none gives way",
}
"""What is expected instead of each fault of a device."""
LINES_A_MINUTE = 60
"""Lines about messages that cannot be used, whatever strangers send."""
CAME_MAX = 200
"""Bytes of such a message in its line."""


class Connection(Protocol):
    """A browser's connection, as the hub needs it."""

    @property
    def transport(self) -> str:
        """``websocket``, or ``polling``: such a client fetches by itself (:meth:`Hub.pull`)."""

    @property
    def writable(self) -> bool:
        """Tell whether more can be sent without piling it up."""

    def wake_poll(self) -> None:
        """Let a client that polls, and waits, look again."""

    def send_frames(self, data: bytes) -> None:
        """Send ready frames at once."""

    def close_transport(self) -> None:
        """Close the transport, so that a stock client comes back."""


OpenLinks: TypeAlias = Callable[[Watch, Callable[[], None], Callable[..., None]], Subscriber]
"""Makes the links; given are the arguments of :class:`Subscriber` but for the settings."""


def watch_descriptor(descriptor: int, on_readable: Callable[[], None]) -> Callable[[], None]:
    """Have the event loop call whenever a descriptor is readable; returns what ends that."""
    watcher = gevent.get_hub().loop.io(descriptor, READABLE)
    watcher.start(on_readable)

    def end() -> None:
        watcher.stop()
        watcher.close()

    return end


def read_clocks() -> Now:
    """Read both clocks."""
    return Now(time.monotonic(), time.time_ns() // 1_000_000)


class Hub:
    """Everything between the links and the connections; see the module."""

    def __init__(
        self,
        devices: Devices,
        replay: Replay,
        open_links: OpenLinks,
        open_multicast: OpenMulticast,
        *,
        flush_s: float = 0.0,
        clock: Callable[[], Now] = read_clocks,
    ) -> None:
        self.devices = devices
        self.fanout = Fanout(devices, open_multicast)
        self.connections: dict[str, Connection] = {}
        self.started_s: float | None = None
        self.links: Subscriber | None = None
        self.on_aside: Callable[[ReplayAnswer | ReplayRefusal], None] = lambda _: None
        """Who is told the reply to a question of :meth:`ask_aside`."""
        self._replay = replay
        self._open_links = open_links
        self._flush_s = flush_s
        self._rest_s = REST_S
        self._clock = clock
        self._wake = Wake()
        self._answers_about_all = BoundedSemaphore(ANSWERS_ABOUT_ALL)
        self._once = LogOnce(a_minute=LINES_A_MINUTE)
        self._lagging: dict[str, None] = {}  # who can be sent more at once, who waits longest first
        self._blocked: set[str] = set()  # whose kernel is full, until on_writable
        self._flushed_s = self._judged_s = self._turned_s = self._piece_began_s = 0.0
        self._judge_not_before_s = 0.0
        self._late_since_s: float | None = None
        self._has_more = False  # to do that waits for nothing

    # --- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Open the links; raises SettingsError for an endpoint that cannot be had."""
        self.links = self._open_links(watch_descriptor, self._wake.set, logger.warning)
        self.links.start()
        self.started_s = self._turned_s = self._clock().monotonic_s

    def run(self) -> None:
        """Turn for ever."""
        # One timer for all turns: a timeout for each costs as much as taking in a reading.
        timer = gevent.get_hub().loop.timer(TURN_S, TURN_S)
        timer.start(self._wake_in_time)
        try:
            while True:
                self._turn_in_time()
        finally:
            timer.close()

    def _turn_in_time(self) -> None:
        """Make the next turn, once there is something to do and the last one is long enough ago."""
        if self._wake.is_set():
            gevent.sleep(YIELD_S)  # the others' share
        else:
            self._wake.wait()
        rest_s = self._turned_s + self._rest_s - self._clock().monotonic_s
        if rest_s > 0 and not self._has_more:
            gevent.sleep(rest_s)
        self._wake.clear()
        self.turn()
        took_s = self._clock().monotonic_s - self._turned_s
        least_s = max(REST_S, min(self._flush_s, TURN_S))
        self._rest_s = max(least_s, min(REST_PART * took_s, REST_MAX_S))

    def _wake_in_time(self) -> None:
        """Have a turn made where something may fall due without anything coming in."""
        is_unsettled = self._lagging or self.devices.is_settling or self.fanout.is_unsettled
        if is_unsettled or self._clock().monotonic_s - self._turned_s >= IDLE_S:
            self._wake.set()

    def stop(self) -> None:
        """Close the links."""
        if self.links is not None:
            self.links.stop()

    def turn(self) -> None:
        """Take in what came, judge timeouts, send what is due."""
        now = self._clock()
        self._piece_began_s = now.monotonic_s
        self._note_lateness(now.monotonic_s)
        self._has_more = not self._take_in(now)
        if now.monotonic_s - self._judged_s >= (JUDGE_LATEST_S if self._has_more else TURN_S):
            self._judge(now)
        self._ask_for_wanted(now)
        is_time = now.monotonic_s - self._flushed_s >= self._flush_s - REST_S  # timers fire early
        if is_time or self.fanout.is_full:
            self._flushed_s = now.monotonic_s
            self._send_due(now)

    def _note_lateness(self, now_s: float) -> None:
        """Put judging off after a pause, once for a row of late turns and not for ever."""
        if now_s - self._turned_s <= LATE_S:
            self._late_since_s = None
        else:
            self._late_since_s = now_s if self._late_since_s is None else self._late_since_s
            latest_s = self._late_since_s + JUDGE_LATEST_S
            self._judge_not_before_s = min(now_s + LATE_S, latest_s)
        self._turned_s = now_s

    # --- in ------------------------------------------------------------------------------

    def _take_in(self, now: Now) -> bool:
        """Take in what came; tell whether that was all of it."""
        if self.links is None:
            return True
        for message in self.links.take():
            try:
                self._receive(message, now)
            except BadMessage as error:
                self._log_refused(error, message, now)
                self.devices.refuse(error, now)
            self._ask_questions(now)
        self._tell_faults()
        return self.links.is_emptied

    def _receive(self, message: Incoming, now: Now) -> None:
        if message.kind == "live":
            self.devices.receive(decode_message(message.frames), now)
            return
        match self._replay.receive(message.route, message.frames, now.monotonic_s, self._pause):
            case Reply(purpose, ReplayAnswer() as answer):
                self.devices.answer(purpose, answer, now)
            case Reply(purpose, ReplayRefusal(device_id=device_id, code="busy")):
                self.devices.busy(device_id, purpose, now)
            case Reply(purpose, ReplayRefusal(device_id=device_id)):
                self.devices.no_answer(device_id, purpose, now)
            case Aside(reply):
                self.on_aside(reply)
            case Serve(devices=offered):
                for device_id in offered:
                    self.devices.replay_offered(device_id, now)

    def _log_refused(self, error: BadMessage, message: Incoming, now: Now) -> None:
        """Say once what came and what is expected; a message without an id has its topic."""
        key, sender = "device_id", error.device_id
        if sender is None and message.kind == "live":
            key, sender = "topic", repr(message.frames[0][:CAME_MAX])
        if not self._once.is_first(error.reason, sender, now.monotonic_s):
            return
        logger.warning(
            "message_refused",
            reason=error.reason,
            **{key: sender},
            expected=str(error),
            came=repr(message.frames[-1][:CAME_MAX]) if message.frames else "nothing",
            note="counted from now on, not logged again",
        )

    def _tell_faults(self) -> None:
        """Log what the devices found wrong with positions and values."""
        while self.devices.faults:
            reason, device_id, came, newest = self.devices.faults.pop()
            logger.warning(
                "device_fault",
                reason=reason,
                device_id=device_id,
                came=str(came),
                newest=str(newest),
                expected=FAULTS[reason],
                note="counted from now on, not logged again",
            )

    def _ask_questions(self, now: Now) -> None:
        """Ask what the feeds want to know; with nobody to ask, that is the answer."""
        while self.devices.questions:
            question = self.devices.questions.pop(0)
            requests = self._replay.ask(*question, now.monotonic_s)
            if requests and self.links is not None:
                self.links.ask(requests)
            else:
                self.devices.no_answer(question.device_id, question.purpose, now)

    def can_ask(self, device_id: str) -> bool:
        """Tell whether there is anybody to ask for a device."""
        now_s = self._clock().monotonic_s
        return self.links is not None and self._replay.has_route(device_id, now_s)

    def ask_aside(self, device_id: str, after: Cursor | None, limit: int) -> str | None:
        """Ask a device for somebody who waits; returns the question's id, None with nobody to ask.

        The reply comes to :attr:`on_aside`, until :meth:`drop_aside`.
        """
        now_s = self._clock().monotonic_s
        question_id, requests = self._replay.ask_aside(device_id, after, limit, now_s)
        if not requests or self.links is None:
            self._replay.drop_aside(question_id)
            return None
        self.links.ask(requests)
        return question_id

    def drop_aside(self, question_id: str) -> None:
        """Wait no longer for the reply to a question that was asked aside."""
        self._replay.drop_aside(question_id)

    def _judge(self, now: Now) -> None:
        if now.monotonic_s < self._judge_not_before_s:
            return
        share = min(1.0, (now.monotonic_s - self._judged_s) / EVERYONE_S)
        self._judged_s = now.monotonic_s
        self.devices.tick(now, everyone=False)
        self._judge_share(1 + int(share * len(self.devices)), now)
        self._ask_questions(now)

    def _judge_share(self, count: int, now: Now) -> None:
        """Judge some devices that have nothing to settle, for so long as others can wait."""
        until_s = self._clock().monotonic_s + JUDGE_S
        while count > 0 and self._clock().monotonic_s <= until_s:
            self.devices.judge_some(min(count, JUDGED_AT_ONCE), now)
            count -= JUDGED_AT_ONCE

    def _ask_for_wanted(self, now: Now) -> None:
        wanted, self.fanout.wanted = self.fanout.wanted, set()
        for device_id in wanted:
            self.devices.ask_newest(device_id, now)
        self._ask_questions(now)

    # --- out -----------------------------------------------------------------------------

    def _send_due(self, now: Now) -> None:
        self._pause()
        apart = self.fanout.send_live(self._pause)
        self._pause()
        waiting = [*self._lagging, *apart, *self.fanout.due(now)]
        until_s = self._clock().monotonic_s + CATCH_UP_S
        for number, client_id in enumerate(dict.fromkeys(waiting)):
            if client_id in self._blocked:
                continue
            if client_id not in self.connections:
                self._lagging.pop(client_id, None)
            elif number == 0 or self._clock().monotonic_s < until_s:
                self._send(client_id, self.connections[client_id], now)
            else:  # who lags longest goes first in the next turn
                self._lagging.setdefault(client_id)
                self._go_on()

    def _pause(self) -> None:
        """Let the loop poll its sockets once this piece of work has lasted long enough.

        Clients may come, go and subscribe meanwhile. Nothing is taken in from the devices.
        """
        if self._clock().monotonic_s - self._piece_began_s >= PIECE_S:
            gevent.sleep(YIELD_S)
            self._piece_began_s = self._clock().monotonic_s

    def _send(self, client_id: str, connection: Connection, now: Now) -> None:
        if connection.transport == "polling":
            self._lagging.pop(client_id, None)
            if self.fanout.has_due(client_id):
                connection.wake_poll()
            return
        self._lagging.pop(client_id, None)
        if not connection.writable:
            self._blocked.add(client_id)
            return
        batch = self.fanout.take(client_id, now)
        if batch.frames:
            connection.send_frames(batch.joined)
        if self.fanout.has_due(client_id):
            self._lagging[client_id] = None
            self._go_on()

    def _go_on(self) -> None:
        """Turn again without a rest: there is more that could be sent right now."""
        self._has_more = True
        self._wake.set()

    def now(self) -> Now:
        """Read the clocks the hub lives by."""
        return self._clock()

    def pull(self, client_id: str, room_frames: int, room_bytes: int) -> Sequence[bytes]:
        """Give a client that polls what is due to it."""
        if client_id not in self.connections:
            return ()
        return self.fanout.take(client_id, self._clock(), room_bytes, room_frames).frames

    def on_writable(self, client_id: str) -> None:
        """Go on with a client that took all it was sent, or that polls no longer."""
        self._blocked.discard(client_id)
        if client_id in self.connections and self.fanout.has_due(client_id):
            self._lagging.setdefault(client_id)
            self._wake.set()

    # --- clients -------------------------------------------------------------------------

    def connect(self, client_id: str, connection: Connection) -> None:
        """Admit a client."""
        self.connections[client_id] = connection
        self.fanout.add(client_id, connection)

    def disconnect(self, client_id: str) -> None:
        """Forget a client."""
        self.connections.pop(client_id, None)
        self._lagging.pop(client_id, None)
        self._blocked.discard(client_id)
        self.fanout.remove(client_id)

    def subscribe(
        self, client_id: str, request: Subscribe, pause: Callable[[], None] = do_nothing
    ) -> str:
        """Subscribe a client; returns the answer as JSON. What it is due follows in a later turn.

        ``pause`` is called between two pieces of the work; what it raises ends the work. Few
        answers about all bikes are written at the same time: no bound of the outboxes counts an
        answer that is not complete.
        """
        with self._answers_about_all if request.everything else nullcontext():
            pause()
            devices = self.fanout.subscribe(client_id, request, self._clock(), pause)
        self._lagging.setdefault(client_id)
        self._wake.set()
        return f'{{"ok":true,"devices":{devices}}}'

    def unsubscribe(
        self, client_id: str, request: Unsubscribe, pause: Callable[[], None] = do_nothing
    ) -> dict[str, object]:
        """End a client's subscription, or part of it; returns the answer."""
        self.fanout.unsubscribe(client_id, request, self._clock(), pause)
        return {"ok": True}

    def subscribe_automatically(self, client_id: str) -> None:
        """Give a client everything at 1 Hz until it subscribes by itself."""
        self.fanout.subscribe_automatically(client_id, self._clock())
        self._wake.set()
