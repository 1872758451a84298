"""The hub: the loop that connects the devices to the clients, and the clients' API.

How it works: one greenlet turns for ever. A turn takes in messages from the devices
(:mod:`gateway.receiver`), judges timeouts (:mod:`gateway.timeouts`) and sends each client the
frames due to it (:mod:`gateway.sender`). The core (``devices``, ``fanout``) decides; these modules
carry it out. Everything runs in this greenlet or between its pauses, so nothing needs a lock. An
error in this greenlet ends the process. This is not gevent's hub, the event loop: a *turn* here is
one pass of this greenlet; a turn of the event loop (``timeslice``) is shorter. A *flush* is the
sending part of a turn. It comes at most every ``flush_s`` seconds (``SPOKE_FLUSH_MS``), or earlier
when a group has more than one send carries.

A turn is made when a socket has a message, when a client can take more, and every
:data:`gateway.timeouts.TURN_S` while something is unsettled. Each turn has a fixed price, so the
hub waits before the next one, and messages collect meanwhile.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from functools import partial
from typing import Any, TypeAlias

import gevent
from gevent.event import Event as Wake
from gevent.lock import BoundedSemaphore
from loguru import logger

from gateway.devices.devices import Devices
from gateway.domain import Now
from gateway.fanout.arrival_times import ArrivalTimes
from gateway.fanout.fanout import Fanout, do_nothing
from gateway.fanout.group import OpenMulticast
from gateway.fanout.subscription import Subscribe, Unsubscribe
from gateway.receiver import Receiver
from gateway.sender import ClientConnection, Sender
from gateway.timeouts import TURN_S, Timeouts
from gateway.upstream.readiness import Watch, watch_descriptor
from gateway.upstream.replay_client import ReplayClient
from gateway.upstream.subscriber import Subscriber
from shared.cursor import Cursor
from shared.wire import ReplayAnswer, ReplayRefusal

IDLE_S = 0.2
"""The hub turns this often when nothing is unsettled. On a machine that is mostly idle, a timer
costs ten times as much CPU as on a busy one, because the caches are cold."""
PERIOD_S, PERIOD_MAX_S = 0.001, 0.004
"""The limits of the time from the beginning of one turn to the next, in a busy gateway."""
LOAD_PART = 3
"""The next turn begins three times the last turn's duration after the last turn began, within these
limits: the hub works a third of the time."""
YIELD_S = 0.000_001
"""A timer, however short, lets the loop poll its sockets. With 0 gevent runs up to 50 rounds of
ready callbacks before it polls."""
PIECE_S = 0.004
"""After this long a turn lets the loop poll its sockets before it continues."""
FLUSH_PIECE_S = 0.0085
"""The same while it sends: 1,000 clients are sent to in one piece. After an
interruption the rest is sent with cold caches: without one, a delivery took 0.97 times the CPU
(``scripts/bench --only steady --against``, seven pairs, from 0.92 to 1.00)."""
ANSWERS_ABOUT_ALL = 4
"""Answers to ``subscribe`` with ``*`` that are written at the same time: each takes 4 MB for 10,000
bikes, and no limit of the outboxes counts an answer before it is complete. Others wait in line."""

OpenSubscriber: TypeAlias = Callable[[Watch, Callable[[], None], Callable[..., None]], Subscriber]
"""Makes the subscriber; ``app.create_hub`` has filled in its settings."""


def read_clocks() -> Now:
    """Read both clocks."""
    return Now(time.monotonic(), time.time_ns() // 1_000_000)


class Hub:
    """Connects devices and clients; see the module."""

    def __init__(
        self,
        devices: Devices,
        replay: ReplayClient,
        open_subscriber: OpenSubscriber,
        open_multicast: OpenMulticast,
        *,
        flush_s: float = 0.0,
        clock: Callable[[], Now] = read_clocks,
    ) -> None:
        self.devices = devices
        self.fanout = Fanout(devices, open_multicast)
        self.connections: dict[str, ClientConnection] = {}
        self.started_s: float | None = None
        self.turns, self.turning_s = 0, 0.0
        """How many turns there were, and the time that they took in all."""
        self.arrival_times = ArrivalTimes()
        self.receiver = Receiver(devices, replay, self.now, self._pause, self._after_message)
        self._timeouts = Timeouts(devices, self.now)
        self.sender = Sender(
            self.fanout, self.connections, self.now, partial(self._pause, FLUSH_PIECE_S)
        )
        self._open_subscriber = open_subscriber
        self._flush_s = flush_s
        self._period_s = PERIOD_S
        self._clock = clock
        self._wake = Wake()
        self._answers_about_all = BoundedSemaphore(ANSWERS_ABOUT_ALL)
        self._flushed_s = self._turned_s = self._piece_began_s = 0.0
        self._has_more = False  # there is work that can continue at once

    # --- the loop ------------------------------------------------------------------------

    def start(self) -> None:
        """Open the ZeroMQ sockets; raises SettingsError if an endpoint cannot be opened."""
        subscriber = self._open_subscriber(watch_descriptor, self._wake.set, logger.warning)
        self.receiver.subscriber = subscriber
        subscriber.start()
        self.started_s = self._turned_s = self._clock().monotonic_s

    def stop(self) -> None:
        """Close the ZeroMQ sockets."""
        if self.receiver.subscriber is not None:
            self.receiver.subscriber.stop()

    def run(self) -> None:
        """Turn for ever."""
        # Repeating timers: a timeout for each turn costs as much as taking in a reading.
        loop: Any = gevent.get_hub().loop  # its timers have no public type
        idle, unsettled = loop.timer(IDLE_S, IDLE_S), loop.timer(TURN_S, TURN_S)
        with closing(idle), closing(unsettled):
            idle.start(self._wake.set)
            while True:
                self._turn_in_time()
                if not self._is_unsettled:
                    unsettled.stop()
                elif not unsettled.active:
                    unsettled.start(self._wake.set)

    def _turn_in_time(self) -> None:
        """Wait until there is work and the last turn's period is over, then make a turn."""
        if self._wake.is_set():
            gevent.sleep(YIELD_S)  # the other greenlets have their share first
        else:
            self._wake.wait()
        wait_s = self._turned_s + self._period_s - self._clock().monotonic_s
        if wait_s > 0 and not self._has_more:
            gevent.sleep(wait_s)
        self._wake.clear()
        self.turn()
        took_s = self._clock().monotonic_s - self._turned_s
        self.turns += 1
        self.turning_s += took_s
        least_s = max(PERIOD_S, min(self._flush_s, TURN_S))
        self._period_s = max(least_s, min(LOAD_PART * took_s, PERIOD_MAX_S))

    @property
    def _is_unsettled(self) -> bool:
        """Tell whether something may fall due though no message comes in."""
        has_waiting = self.sender.has_waiting
        return has_waiting or self.devices.is_unsettled or self.fanout.is_unsettled

    def turn(self) -> None:
        """Take in messages, judge timeouts, send frames that are due."""
        now = self._clock()
        self._piece_began_s = now.monotonic_s
        self._timeouts.note_turn(now.monotonic_s, now.monotonic_s - self._turned_s)
        self._turned_s = now.monotonic_s
        self._has_more = self.receiver.take_in(now)
        self.arrival_times.note(self.devices.arrival, now.monotonic_s)
        self._timeouts.judge(now, messages_wait=self._has_more)
        for device_id in self.fanout.take_wanted():
            self.devices.ask_newest(device_id, now)
        self.receiver.ask_questions(now)
        is_time = now.monotonic_s - self._flushed_s >= self._flush_s - PERIOD_S  # timers fire early
        if is_time or self.sender.has_full_send:
            self._flushed_s = now.monotonic_s
            if self.sender.send_due(now):
                self._has_more = True  # the next turn begins at once
                self._wake.set()

    def _pause(self, piece_s: float = PIECE_S) -> None:
        """Let the loop poll its sockets if this piece of work has lasted ``piece_s`` seconds.

        Clients may come, go and subscribe during the pause. No device message is taken in.
        """
        if self._clock().monotonic_s - self._piece_began_s >= piece_s:
            gevent.sleep(YIELD_S)
            self._piece_began_s = self._clock().monotonic_s

    def _after_message(self) -> None:
        """Send what fills a send, and pause: a message may move or concern thousands of clients."""
        self.sender.send_full()
        self._pause()

    def now(self) -> Now:
        """Read the hub's clocks."""
        return self._clock()

    # --- questions to devices ------------------------------------------------------------

    def can_ask(self, device_id: str) -> bool:
        """Tell whether any replay endpoint may know the device."""
        return self.receiver.can_ask(device_id)

    def ask_journal(
        self, device_id: str, after: Cursor | None, limit: int, timeout_s: float
    ) -> ReplayAnswer | ReplayRefusal | None:
        """Ask a device and wait; see :meth:`gateway.receiver.Receiver.ask_journal`."""
        return self.receiver.ask_journal(device_id, after, limit, timeout_s)

    # --- the clients' API ----------------------------------------------------------------

    def connect(self, client_id: str, connection: ClientConnection) -> None:
        """Admit a client."""
        self.connections[client_id] = connection
        self.fanout.add(client_id, connection)

    def disconnect(self, client_id: str) -> None:
        """Forget a client."""
        self.connections.pop(client_id, None)
        self.sender.forget(client_id)
        self.fanout.remove(client_id)

    def subscribe(
        self, client_id: str, request: Subscribe, pause: Callable[[], None] = do_nothing
    ) -> str:
        """Subscribe a client; returns the answer as JSON. Its readings follow in a later turn.

        The caller must send the answer before it lets another greenlet run. The next turn sends the
        client its statuses, gaps and readings, and nothing but this rule puts the answer first.
        ``pause`` is called between two pieces of the work; an error that it raises ends the work.
        """
        with self._answers_about_all if request.everything else nullcontext():
            pause()
            devices = self.fanout.subscribe(client_id, request, self._clock(), pause)
        self.sender.note_subscribed(client_id)
        self._wake.set()
        return f'{{"ok":true,"devices":{devices}}}'

    def unsubscribe(self, client_id: str, request: Unsubscribe) -> dict[str, object]:
        """End a client's subscription, or part of it; returns the answer."""
        self.fanout.unsubscribe(client_id, request, self._clock())
        self._wake.set()
        return {"ok": True}

    def subscribe_automatically(self, client_id: str) -> None:
        """Give a client everything at 1 Hz until it subscribes by itself."""
        self.fanout.subscribe_automatically(client_id, self._clock())
        self._wake.set()

    def pull(self, client_id: str, *, room_bytes: int, room_frames: int) -> Sequence[bytes]:
        """Return the frames that are due to a polling client, as many as fit."""
        return self.sender.pull(client_id, room_bytes=room_bytes, room_frames=room_frames)

    def on_writable(self, client_id: str) -> None:
        """Serve a client again that took everything it was sent, or that stopped polling."""
        if self.sender.note_writable(client_id):
            self._wake.set()
