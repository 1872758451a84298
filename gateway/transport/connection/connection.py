"""One Engine.IO session: a client that polls or has a WebSocket, and the interface for a fan-out.

How it works: ``Connection`` is one object in four modules, each built on the one before:

- ``connection_output``: sending and backpressure;
- ``connection_calls``: calls into the application, in the client's order;
- ``connection_lifecycle``: start, upgrade, heartbeat and end;
- this module: packets that the client sends.

A fan-out takes connections from ``EngineServer.connection(sid)`` and writes to them itself, in one
order with the packets that the application emits:

- WebSocket: when ``writable``, call ``send_frames`` with ready-made frames; go on at
  ``on_writable``.
- polling: set ``on_poll``, which is asked for packets each time a GET of the client is answered;
  call ``wake_poll`` when there are new ones and ``poll_waiting``.
- ``on_upgrade`` reports that polling became WebSocket. ``on_close`` reports that the connection
  has ended, at once and before the application's disconnect handler. ``close_transport`` closes so
  that a stock client comes back. ``send_frames`` makes no callback.
"""

from time import monotonic

from engineio import packet as engineio_packet

from gateway.transport.connection.connection_lifecycle import (
    BROKE_A_RULE,
    HELD_MOST,
    TOOK_NOTHING,
    ConnectionLifecycle,
)
from gateway.transport.connection.connection_server import ConnectionServer
from gateway.transport.engineio.payload import (
    BINARY_MARK,
    CLOSE,
    MESSAGE,
    NOOP,
    PONG,
    UPGRADE,
    BadPacket,
    BadPayload,
    TooManyPackets,
    UnknownPacket,
    decode_packet,
)
from gateway.transport.engineio.upgrade import Probe
from gateway.transport.limits.rate_quota import PacketQuota
from gateway.transport.websocket.reader import Violation
from gateway.transport.websocket.websocket_link import HOLDS_MOST, STALLED, WebSocketLink

# The types of packets, those of later protocols as well.
DIGITS = frozenset("0123456789")


class Connection(ConnectionLifecycle):
    """A client of an ``EngineServer``. Only the methods ``wait_...`` block."""

    __slots__ = ("_quota",)

    def __init__(self, server: ConnectionServer, sid: str, holder: str | None = None) -> None:
        super().__init__(server, sid, holder)
        self._quota: PacketQuota | None = None

    # The WebSocket and its reports

    def begin_upgrade(self, link: WebSocketLink) -> Probe:
        """Wait for the client to upgrade over ``link``; return the link's owner until then."""
        self._server.log.info(self.sid, "Received request to upgrade to websocket")
        self.probe = Probe(self, link)
        self._server.timers.upgrades.add(self.probe)
        return self.probe

    def on_message(self, link: WebSocketLink, message: str | bytes) -> None:
        """Handle a WebSocket message; a message that the protocol forbids ends the connection."""
        try:
            self._receive_by_websocket(message)
        except BadPacket as error:
            link.fail(Violation(error.code, str(error)))

    def on_drained(self, link: WebSocketLink) -> None:
        """Tell the fan-out that it may send frames again."""
        if self.on_writable is not None:
            self.on_writable()

    def on_lost(self, link: WebSocketLink, violated: str | None) -> None:
        """End the session with its WebSocket."""
        self._server.close_later(link)
        reasons = self._server.reason
        if violated is not None:
            ends = {STALLED: TOOK_NOTHING, HOLDS_MOST: HELD_MOST}
            self.left_because = self.left_because or ends.get(violated, BROKE_A_RULE)
        if violated == STALLED and not self.closed:
            self._server.on_stalled(self)
        elif violated is not None:
            self._server.note("violation", f"connection failed: {violated}")
        self.close(reasons.TRANSPORT_ERROR if violated else reasons.TRANSPORT_CLOSE)

    def _receive_by_websocket(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str) and message[:1] == BINARY_MARK:
                message = decode_packet(message)
            self.receive(message)
        except UnknownPacket:  # the stock server ignores it, too
            self.count_overhead()
        except BadPayload as error:
            raise BadPacket(str(error)) from error

    # Packets by either transport

    def receive(self, packet: str | bytes) -> None:
        """Handle one Engine.IO packet. Raises BadPacket."""
        if self.closed:
            return
        if self._server.log.is_on:
            self._server.log.received(self.sid, packet)
        if isinstance(packet, bytes):
            self._server.deliver(self, packet)
        elif packet[:1] == MESSAGE:
            self._server.deliver(self, packet[1:])
        else:
            self._receive_control(packet[:1])

    def _receive_control(self, kind: str) -> None:
        if kind == PONG:
            if self.pong_due is None:
                self.count_overhead()
            self._server.timers.heart.on_pong(self)
        elif kind == CLOSE:
            self.close(self._server.reason.CLIENT_DISCONNECT, last_packet=NOOP)
        elif kind == NOOP:
            self.count_overhead()
        elif kind == UPGRADE:
            self.count_overhead()
            self.send(engineio_packet.Packet(engineio_packet.NOOP))  # the stock server's answer
        elif kind in DIGITS:
            raise UnknownPacket(f"unexpected packet type {kind}")
        else:
            raise BadPacket(f"not a packet type: {kind!r}")

    def count_overhead(self) -> None:
        """Count a packet that is no event and no awaited answer. Raises TooManyPackets."""
        now_s = monotonic()
        if self._quota is None:
            self._quota = PacketQuota(now_s)
        if not self._quota.spend(now_s):
            raise TooManyPackets("too many packets that are no events")

    def reject(self, error: BadPacket) -> None:
        """End the connection for a packet that was decoded only now; drop the packets behind it."""
        self._drop_calls()
        if self.link is not None:
            self.link.fail(Violation(error.code, str(error)))
        elif not self.closed:
            self._server.note("violation", f"connection failed: {error}")
            self.left_because = BROKE_A_RULE
            self.close(self._server.reason.TRANSPORT_ERROR, last_packet=CLOSE)
