"""The links at work: what devices say comes in here, and questions to them go out.

Everything runs in the event loop but the waiting, which ``turns`` does in a thread. What the
loop does not get to stays in libzmq's queues, which are bounded; what those drop is a hole that the
feed repairs.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import zmq

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
from gateway.links.turns import Turns
from shared.contexts import end_within
from shared.errors import SettingsError

TAKE_MESSAGES = 256
TAKE_BYTES = 128 * 1024
"""What one turn of the loop hands out: some 5 ms of decoding, then it is others' turn."""
LINK_MESSAGES = 64
"""What is read of one link before the next one's turn: a flood on one delays no other."""
SILENCE_S = 10.0
"""Devices say something every second, and a subscription can go dead for ever (libzmq #1199)."""
ENDING_MAX_S = 0.5
"""Closing takes a ms; nothing waits to be sent."""
REQUESTS_WAITING_MAX = 20_000
"""Requests wait for the loop's turn only, about a ms; a question a device is far less."""
REQUESTS_A_TURN = 500
"""Sending these takes some 3 ms; after a restart every device is asked at once."""


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

    ``wake`` leads to a call of :meth:`take` in the loop, and is called in whatever thread.
    ``notice(event, **fields)`` is told what an operator should know.
    """

    def __init__(
        self,
        settings: LinkSettings,
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
        self._requests: deque[tuple[Route, bytes]] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links: deque[Link] = deque()
        self._live: list[Link] = []
        self._replay: dict[str, Link] = {}
        self._turns = Turns(wake)

    @property
    def failed(self) -> BaseException | None:
        """What the thread died of; :meth:`take` raises it too."""
        return self._turns.failed

    @property
    def is_alive(self) -> bool:
        """Tell whether devices are being listened to."""
        return self._turns.is_alive

    def start(self) -> None:
        """Open the sockets and listen; raises SettingsError for an endpoint that cannot be had."""
        try:
            for link in open_links(self._context, self._settings):
                self._links.append(link)
                self._turns.add(link.socket)
        except SettingsError:
            self.stop()
            raise
        self._live = [link for link in self._links if link.kind == "live"]
        self._replay = {link.endpoint: link for link in self._links if link.kind == "replay"}
        for link in self._live:
            subscribe(link)
        self._turns.start()

    def take(self) -> list[Incoming]:
        """Hand out what came in, in order for each link, up to a bounded amount.

        What is left to do wakes the loop again. Raises what the thread died of.
        """
        if self.failed is not None:
            raise self.failed
        if not self._turns.begin():
            return []
        self._send_requests()
        batch = self._read(self._clock())
        self.is_emptied = not batch.is_full
        if batch.is_full or self._requests:
            self._wake()
        else:
            self._renew_silent(self._clock())
            self._turns.give_back()
        return batch.messages

    def ask(self, requests: Iterable[tuple[Route, bytes]]) -> None:
        """Send requests, in order, as soon as it is the loop's turn."""
        for request in requests:
            if len(self._requests) < REQUESTS_WAITING_MAX:
                self._requests.append(request)
            else:
                self.unsent += 1
        self._turns.ask_for()

    def stop(self) -> None:
        """End the thread and close every socket; nothing is sent or received any more."""
        if self._turns.stop():
            end_within(ENDING_MAX_S, partial(self._context.destroy, 0))
        else:
            self._notice("links_stuck", note="the thread did not end, its sockets stay open")

    def _read(self, now_s: float) -> _Batch:
        """Read the links in turns until all are empty or the batch is full."""
        batch, empty = _Batch(), 0
        while empty < len(self._links) and not batch.is_full:
            link = self._links[0]
            self._links.rotate(-1)
            count = _read_some(link, batch)
            empty = 0 if count == LINK_MESSAGES else empty + 1
            if count:
                link.quiet_since_s, link.is_renewed = now_s, False
        return batch

    def _send_requests(self) -> None:
        for _ in range(min(len(self._requests), REQUESTS_A_TURN)):
            route, payload = self._requests.popleft()
            if not send(self._replay[route.endpoint], route.peer, payload):
                self.unsent += 1

    def _renew_silent(self, now_s: float) -> None:
        """Connect anew where devices were heard and are silent; said once for each silence."""
        for link in self._live:
            quiet_s = 0.0 if link.quiet_since_s is None else now_s - link.quiet_since_s
            if quiet_s >= SILENCE_S and not link.binds:
                if not link.is_renewed:
                    self._notice("devices_silent", endpoint=link.endpoint, note="connecting anew")
                link.quiet_since_s, link.is_renewed = now_s, True
                self._renew(link)

    def _renew(self, link: Link) -> None:
        self._turns.remove(link.socket)
        link.socket.close()
        link.socket = open_socket(self._context, link.setting, link.endpoint, self._settings)
        subscribe(link)
        self._turns.add(link.socket)


def _read_some(link: Link, batch: _Batch) -> int:
    """Read up to :data:`LINK_MESSAGES` of one link; returns how many came."""
    for count in range(LINK_MESSAGES):
        message = None if batch.is_full else receive(link)
        if message is None:
            return count
        batch.add(message)
    return LINK_MESSAGES
