"""The subscriber: reads messages of devices from all ZeroMQ sockets, and sends requests.

How it works

- Everything runs in the event loop. A signal of :mod:`gateway.upstream.readiness` marks a link as
  ready and wakes the hub, which calls :meth:`Subscriber.take`.
- A turn reads every ready link until it is empty, for a bounded time, into the link's bounded queue
  (:mod:`shared.intake` says why libzmq's own queue must not be full). A message that a full queue
  drops becomes a hole, which the feed repairs.
- Then the turn hands out a part of the queues, some messages of each link in turn, so that a flood
  on one link does not delay the others. If messages are left, the hub is woken again.
- A connected link on which nothing comes for :data:`SILENCE_S` is connected anew.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

import zmq

from gateway.upstream.readiness import Readiness, Watch, has_message
from gateway.upstream.replay_routes import Route
from gateway.upstream.sockets import (
    Incoming,
    LinkSettings,
    UpstreamLink,
    open_connected,
    open_links,
    send_request,
    subscribe,
    take_message,
)
from shared.contexts import end_within, new_context
from shared.doorkeeper import Doorkeeper
from shared.errors import SettingsError

TAKE_MESSAGES = 256
TAKE_BYTES = 128 * 1024
TAKE_S = 0.005
"""The share of one turn: some 5 ms of decoding. A usual message takes 20 us, the worst one of a
hostile device 100 us."""
LINK_MESSAGES = 64
"""Messages that are handed out of one link before the next link has its turn."""
READ_S = 0.003
"""The time that a turn may spend reading; twice this if every link has its least share."""
LINK_READ_S = 0.0003
"""The least share of a link: 200 messages."""
LOOK_AT_ALL_S = 0.1
"""All links are looked at this often, in case a signal was lost."""
SILENCE_S = 10.0
"""Devices send a status every second, and a subscription can go dead for ever (libzmq #1199).
Requests without an answer for this long must not reach a peer that connects later."""
ENDING_MAX_S = 0.5
"""Closing takes a ms; nothing waits to be sent."""


class Subscriber:
    """All ZeroMQ sockets of the gateway.

    ``watch`` is the event loop's (:data:`gateway.upstream.readiness.Watch`); ``wake`` leads to a
    call of :meth:`take`, soon. ``notice(event, **fields)`` logs an event for the operator.
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
        """Whether the last :meth:`take` handed out every message that had come in."""
        self.unsent = 0
        """Requests that no peer took; the feed asks again."""
        self._settings = settings
        self._wake = wake
        self._notice = notice
        self._clock = clock
        self._context = new_context()
        self._links: deque[UpstreamLink] = deque()
        self._doorkeeper = Doorkeeper(self._context, notice)
        self._ready: set[UpstreamLink] = set()
        """Links that may have a message; the others were found empty and will signal the next."""
        self._looked_s = 0.0
        self._replay_links: dict[str, UpstreamLink] = {}
        self._readiness = Readiness(watch)

    @property
    def dropped(self) -> Counter[str]:
        """How many messages did not fit into the queues, by kind of link."""
        dropped: Counter[str] = Counter()
        for link in self._links:
            dropped[link.kind] += link.intake.dropped
        return dropped

    def start(self) -> None:
        """Open the sockets and listen; raises SettingsError if an endpoint cannot be opened."""
        try:
            for link in open_links(self._context, self._doorkeeper, self._settings):
                self._links.append(link)
                if link.kind == "live":  # a peer may be cut off before its first message
                    link.quiet_since_s, link.is_silence_known = self._clock(), True
                self._listen(link)
        except SettingsError:
            self.stop()
            raise
        self._replay_links = {link.endpoint: link for link in self._links if link.kind == "replay"}
        self._doorkeeper.start()

    def take(self) -> Iterator[Incoming]:
        """Yield messages, in order for each link, until the turn's share is used up.

        The share also has a time limit: the caller processes each message before it takes the
        next, and a hostile device can make that slow.
        """
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_AT_ALL_S:
            self._looked_s = now_s
            # Asking is cheaper than reading, which raises an error if there is no message.
            self._ready.update(link for link in self._links if has_message(link.socket))
        self._read(now_s)
        yield from self._hand_out(monotonic() + TAKE_S)
        self.is_emptied = not self._ready and not any(link.intake for link in self._links)
        if self.is_emptied:
            self._renew_silent(now_s)
        else:
            self._wake()

    def send(self, requests: Iterable[tuple[Route, bytes]]) -> None:
        """Send requests, in order."""
        for route, payload in requests:
            link = self._replay_links.get(route.endpoint)
            if link is None or not send_request(link, route.peer, payload):
                self.unsent += 1
            elif link.quiet_since_s is None:
                link.quiet_since_s = self._clock()
        self._ready.update(self._links)
        self._wake()  # sending may consume the signal of a message that came meanwhile

    def stop(self) -> None:
        """Close every socket."""
        self._readiness.clear()
        self._doorkeeper.close()
        self._replay_links.clear()
        self._ready.clear()
        while self._links:
            self._links.pop().socket.close()
        end_within(ENDING_MAX_S, self._context.term)

    def _read(self, now_s: float) -> None:
        """Read the ready links, each for its share of the time."""
        share_s = max(READ_S / len(self._ready), LINK_READ_S) if self._ready else 0.0
        until_s = monotonic() + 2 * READ_S
        self._links.rotate(-1)
        for link in [link for link in self._links if link in self._ready]:
            before = len(link.intake)
            if link.intake.read(share_s):
                self._ready.discard(link)
            if len(link.intake) > before:
                link.quiet_since_s = now_s if link.kind == "live" else None
                link.is_silence_known = False
            if monotonic() > until_s:
                return

    def _hand_out(self, until_s: float) -> Iterator[Incoming]:
        """Yield waiting messages, some of each link in turn."""
        messages = size_bytes = 0
        waiting = deque(link for link in self._links if link.intake)
        while waiting:
            link = waiting.popleft()
            for _ in range(LINK_MESSAGES):
                if messages >= TAKE_MESSAGES or size_bytes >= TAKE_BYTES or monotonic() >= until_s:
                    return
                message = take_message(link)
                if message is None:
                    break
                messages += 1
                size_bytes += sum(map(len, message.frames))
                yield message
            else:
                waiting.append(link)

    def _renew_silent(self, now_s: float) -> None:
        """Connect silent links anew; log that for live links, once for each silence."""
        for link in self._links:
            quiet_s = 0.0 if link.quiet_since_s is None else now_s - link.quiet_since_s
            if quiet_s < SILENCE_S or link.binds:
                continue
            if link.kind == "live" and not link.is_silence_known:
                self._notice("devices_silent", endpoint=link.endpoint, note="connecting anew")
            link.quiet_since_s = now_s if link.kind == "live" else None
            link.is_silence_known = True
            self._renew(link)

    def _renew(self, link: UpstreamLink) -> None:
        try:
            socket = open_connected(self._context, link.setting, link.endpoint, self._settings)
        except (zmq.ZMQError, SettingsError) as error:  # most likely no descriptor is free
            self._notice("link_not_renewed", endpoint=link.endpoint, why=str(error))
            return
        self._readiness.remove(link.socket)
        link.socket.close()
        link.socket = socket
        link.intake.attach(socket)
        self._listen(link)

    def _listen(self, link: UpstreamLink) -> None:
        if link.kind == "live":
            subscribe(link)
        self._readiness.add(link.socket, lambda: self._on_message(link))

    def _on_message(self, link: UpstreamLink) -> None:
        self._ready.add(link)
        self._wake()
