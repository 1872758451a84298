"""The links at work: what devices say comes in here, and questions to them go out.

All of it runs in the event loop. What the loop does not get to stays in libzmq's queues, which are
bounded; what those drop is a hole that the feed repairs.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

import zmq

from gateway.links.arrivals import Arrivals, Watch
from gateway.links.links import (
    Incoming,
    Link,
    LinkSettings,
    open_links,
    open_socket,
    receive,
    send,
    subscribe,
)
from gateway.links.replay_routes import Route
from shared.contexts import end_within
from shared.errors import SettingsError

TAKE_MESSAGES = 256
TAKE_BYTES = 128 * 1024
"""What one turn of the loop hands out: some 5 ms of decoding, then it is others' turn."""
LINK_MESSAGES = 64
"""What is read of one link before the next one's turn: a flood on one delays no other."""
LOOK_AT_ALL_S = 0.1
"""Should a signal ever be lost, what it was for is found within this time."""
SILENCE_S = 10.0
"""Devices say something every second, and a subscription can go dead for ever (libzmq #1199);
questions that nobody answered for so long are not kept for whoever comes then."""
ENDING_MAX_S = 0.5
"""Closing takes a ms; nothing waits to be sent."""


@dataclass(slots=True)
class _Batch:
    messages: list[Incoming] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, message: Incoming) -> None:
        self.messages.append(message)
        self.size_bytes += sum(map(len, message.frames))

    @property
    def is_full(self) -> bool:
        return len(self.messages) >= TAKE_MESSAGES or self.size_bytes >= TAKE_BYTES


class Subscriber:
    """All ZeroMQ sockets of the gateway.

    ``watch`` is the event loop's (see :data:`~gateway.links.arrivals.Watch`); ``wake`` leads to a
    call of :meth:`take`, soon. ``notice(event, **fields)`` is told what an operator should know.
    """

    def __init__(
        self,
        settings: LinkSettings,
        watch: Watch,
        wake: Callable[[], None],
        notice: Callable[..., None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.is_emptied = True
        """Whether the last :meth:`take` left nothing behind that had come in."""
        self.unsent = 0
        """Requests that nobody was there to take; the feed asks again."""
        self._settings = settings
        self._wake = wake
        self._notice = notice
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links: deque[Link] = deque()
        self._ready: set[Link] = set()
        """Links that may hold a message; the others were found empty and will say so."""
        self._looked_s = 0.0
        self._replay: dict[str, Link] = {}
        self._arrivals = Arrivals(watch)

    def start(self) -> None:
        """Open the sockets and listen; raises SettingsError for an endpoint that cannot be had."""
        try:
            for link in open_links(self._context, self._settings):
                self._links.append(link)
                if link.kind == "live":  # it may be cut off before its first message
                    link.quiet_since_s, link.is_renewed = self._clock(), True
                self._listen(link)
        except SettingsError:
            self.stop()
            raise
        self._replay = {link.endpoint: link for link in self._links if link.kind == "replay"}

    def take(self) -> list[Incoming]:
        """Hand out what came in, in order for each link, up to a bounded amount.

        What is left to do wakes the loop again.
        """
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_AT_ALL_S:
            self._looked_s = now_s
            self._ready.update(self._links)
        batch = self._read(now_s)
        self.is_emptied = not batch.is_full
        if batch.is_full:
            self._wake()
        else:
            self._renew_silent(now_s)
        return batch.messages

    def ask(self, requests: Iterable[tuple[Route, bytes]]) -> None:
        """Send requests, in order."""
        for route, payload in requests:
            link = self._replay.get(route.endpoint)
            if link is None or not send(link, route.peer, payload):
                self.unsent += 1
            elif link.quiet_since_s is None:
                link.quiet_since_s = self._clock()
        self._ready.update(self._links)
        self._wake()  # for a message that came meanwhile: sending takes its signal

    def stop(self) -> None:
        """Close every socket; nothing is sent or received any more."""
        self._arrivals.clear()
        self._replay.clear()
        self._ready.clear()
        while self._links:
            self._links.pop().socket.close()
        end_within(ENDING_MAX_S, self._context.term)

    def _read(self, now_s: float) -> _Batch:
        """Read those that may hold something, in turns, until none does or the batch is full."""
        batch = _Batch()
        while self._ready and not batch.is_full:
            link = self._links[0]
            self._links.rotate(-1)
            if link not in self._ready:
                continue
            before = len(batch.messages)
            if _is_emptied(link, batch):
                self._ready.discard(link)
            if len(batch.messages) > before:
                link.quiet_since_s = now_s if link.kind == "live" else None
                link.is_renewed = False
        return batch

    def _renew_silent(self, now_s: float) -> None:
        """Connect anew where nothing comes any more; of devices that is said, once a silence."""
        for link in self._links:
            quiet_s = 0.0 if link.quiet_since_s is None else now_s - link.quiet_since_s
            if quiet_s < SILENCE_S or link.binds:
                continue
            if link.kind == "live" and not link.is_renewed:
                self._notice("devices_silent", endpoint=link.endpoint, note="connecting anew")
            link.quiet_since_s = now_s if link.kind == "live" else None
            link.is_renewed = True
            self._renew(link)

    def _renew(self, link: Link) -> None:
        try:
            socket = open_socket(self._context, link.setting, link.endpoint, self._settings)
        except (zmq.ZMQError, SettingsError) as error:  # no descriptor is left, most likely
            self._notice("link_not_renewed", endpoint=link.endpoint, why=str(error))
            return
        self._arrivals.remove(link.socket)
        link.socket.close()
        link.socket = socket
        self._listen(link)

    def _listen(self, link: Link) -> None:
        if link.kind == "live":
            subscribe(link)
        self._arrivals.add(link.socket, lambda: self._on_message(link))

    def _on_message(self, link: Link) -> None:
        self._ready.add(link)
        self._wake()


def _is_emptied(link: Link, batch: _Batch) -> bool:
    """Read up to :data:`LINK_MESSAGES` of one link, and tell whether that was all of it."""
    for _ in range(LINK_MESSAGES):
        if batch.is_full:
            return False
        message = receive(link)
        if message is None:
            return True
        batch.add(message)
    return False
