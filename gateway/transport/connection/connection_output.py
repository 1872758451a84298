"""The sending half of a connection: its transport, its unsent bytes and backpressure.

How it works: a client has either a WebSocket (``link``) or polls (``polling``). The WebSocket
writes to the kernel and keeps what the kernel does not take; polling keeps packets until the next
GET. Both report these *unsent bytes* to the server's ``OutboxBudget``, which closes the client with
most of them when all clients together have too many. A sender slows down for a client with more
than ``HIGH_WATER_BYTES``: see ``wait_until_taken`` and ``wait_a_while``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic
from typing import Any

from gateway.transport.connection.connection_server import ConnectionServer
from gateway.transport.engineio.payload import NOOP, PING
from gateway.transport.limits.outbox_budget import HIGH_WATER_BYTES, OutboxOwner
from gateway.transport.polling.polling_link import PollingLink
from gateway.transport.websocket.frames import packet_frame
from gateway.transport.websocket.websocket_link import WebSocketLink

PING_FRAME = packet_frame(PING)
# A sender waits this long for a client that takes something.
SEND_WAIT_S = 10.0
# A sender waits this long, and only once, for a client that takes nothing. A sender to many
# clients must not stop for each one that has gone.
PATIENCE_S = 1.0


class ConnectionOutput(ABC):
    """Everything that is sent to one client. Only the methods ``wait_...`` block."""

    __slots__ = (
        "__weakref__",
        "_server",
        "_vain_wait",
        "closed",
        "link",
        "on_upgrade",
        "on_writable",
        "polling",
        "sid",
    )

    def __init__(self, server: ConnectionServer, sid: str) -> None:
        self._server = server
        self.sid = sid
        self.closed = False
        self.link: WebSocketLink | None = None
        self.polling: PollingLink | None = PollingLink()
        self.polling.on_change = self._note_cost
        self.on_writable: Callable[[], None] | None = None
        self.on_upgrade: Callable[[], None] | None = None
        # The outbox and the bytes taken from it, at the last wait in which no byte was taken.
        self._vain_wait: tuple[OutboxOwner, int] | None = None

    @abstractmethod
    def evict(self) -> None:
        """Close: of all clients this one has the most unsent bytes."""

    @abstractmethod
    def end_stalled(self) -> None:
        """Close: the client takes none of its unsent bytes."""

    # The interface of a fan-out

    @property
    def transport(self) -> str:
        """``websocket`` or ``polling``."""
        return "websocket" if self.link is not None else "polling"

    @property
    def writable(self) -> bool:
        """True when the kernel would take frames at once."""
        link = self.link
        return link is not None and link.writable

    @property
    def pending_bytes(self) -> int:
        """Bytes that the application sent and the client has not taken."""
        if self.link is not None:
            return self.link.pending_bytes
        return self.polling.size if self.polling is not None else 0

    @property
    def taken_bytes(self) -> int:
        """A number that grows whenever the client takes some of its unsent bytes."""
        if self.link is not None:
            return self.link.taken_bytes
        return self.polling.taken if self.polling is not None else 0

    @property
    def poll_waiting(self) -> bool:
        """True while a GET of the client waits for packets."""
        return self.polling is not None and self.polling.waiting

    @property
    def on_poll(self) -> Callable[[int, int], list[str | bytes]] | None:
        """Called with the room of an answer (packets, bytes); returns packets, maybe none."""
        return self.polling.on_poll if self.polling is not None else None

    @on_poll.setter
    def on_poll(self, pull: Callable[[int, int], list[str | bytes]] | None) -> None:
        if self.polling is not None:
            self.polling.on_poll = pull

    def send_frames(self, data: bytes) -> None:
        """Write ready-made WebSocket frames, at most 64 kB in one call."""
        if self.link is not None:
            self.link.send(data)

    def wake_poll(self) -> None:
        """Have the waiting GET ask ``on_poll`` again."""
        if self.polling is not None:
            self.polling.wake()

    # Single packets

    @property
    def upgraded(self) -> bool:
        """True for WebSocket, by upgrade or from the start (engineio's name)."""
        return self.link is not None

    def send(self, packet: Any) -> None:
        """Send an ``engineio.packet.Packet``; its frame is made once for all its receivers."""
        link = self.link
        is_logged = getattr(packet, "is_logged", None)
        if is_logged is None:  # asked once for all receivers
            is_logged = packet.is_logged = self._server.log.is_on
        if is_logged:
            self._server.log.sent(self.sid, packet.encode())
        if link is None:
            self._enqueue(packet.encode())
            return
        frame = getattr(packet, "frame", None)
        if frame is None:
            frame = packet.frame = packet_frame(packet.encode())
        link.send(frame)

    def send_ping(self) -> None:
        """Send a ping ahead of all unsent bytes: a client that reads slowly is not silent."""
        if self._server.log.is_on:
            self._server.log.sent(self.sid, PING)
        if self.link is not None:
            self.link.send_ahead(PING_FRAME)
        elif self.polling is not None:
            self.polling.push_ahead(PING)

    def _enqueue(self, packet: str | bytes) -> None:
        polling, most = self.polling, self._server.max_outbox_bytes
        if polling is None or self.closed:
            return
        if most is not None and polling.size > most:
            self._server.later(self.evict)
        else:
            polling.push(packet)

    def _note_cost(self, cost: int) -> None:
        self._server.outbox_budget.note(self, cost)

    def forget_waiting(self) -> None:
        """Drop the packets that a polling client has not fetched."""
        if self.polling is not None:
            self.polling.drain()

    # From polling to WebSocket

    def hold_polls(self) -> None:
        """End the waiting GET, so that the client can leave polling without loss."""
        if self.polling is not None:
            self.polling.dismiss(NOOP)

    def _switch_to(self, link: WebSocketLink, prefix: bytes) -> None:
        """Send ``prefix``, the packets that wait and everything after them over ``link``."""
        self.hold_polls()
        self.link = link
        polling, self.polling = self.polling, None
        waiting = []
        if polling is not None:
            polling.on_poll, waiting = None, polling.drain()
            polling.on_change = None
        first = prefix + b"".join(map(packet_frame, waiting))
        if first:
            link.send(first)

    # Backpressure

    @property
    def _outbox_owner(self) -> OutboxOwner:
        return self if self.link is None else self.link

    @property
    def _is_behind(self) -> bool:
        return self.pending_bytes > HIGH_WATER_BYTES and not self.closed

    def wait_until_taken(self) -> None:
        """Park this greenlet until the client has taken most of its unsent bytes, or is closed."""
        while self._is_behind:
            self._server.outbox_budget.wait(self._outbox_owner, None)

    def wait_a_while(self) -> None:
        """Do the same for at most SEND_WAIT_S, and only while the client takes something."""
        until_s = monotonic() + SEND_WAIT_S
        while self._is_behind and monotonic() < until_s:
            before = self._outbox_owner, self.taken_bytes
            if self._vain_wait == before:
                return
            if not self._server.outbox_budget.wait(self._outbox_owner, PATIENCE_S):
                self._vain_wait = before
