"""The life of a connection: its start, its upgrade, its heartbeat and its end."""

from collections.abc import Callable
from typing import Any

from gateway.transport.connection.connection_calls import ConnectionCalls
from gateway.transport.connection.connection_server import ConnectionServer
from gateway.transport.engineio.payload import CLOSE
from gateway.transport.engineio.upgrade import Probe
from gateway.transport.websocket.frames import GOING_AWAY, NORMAL, packet_frame
from gateway.transport.websocket.websocket_link import HOLDS_MOST, WebSocketLink

SENT_AWAY, HELD_MOST, TOOK_NOTHING = "sent_away", "held_most", "took_nothing"
BROKE_A_RULE = "broke_a_rule"
"""Why this process ended a session: to have the client come back, to save memory, because it read
nothing, or because it broke a rule of the protocol."""


class ConnectionLifecycle(ConnectionCalls):
    """Opens, upgrades and ends a connection; each ends once, for one reason."""

    __slots__ = (
        "connected",
        "holder",
        "is_joined",
        "left_because",
        "on_close",
        "pong_due",
        "probe",
        "session",
    )

    def __init__(self, server: ConnectionServer, sid: str, holder: str | None = None) -> None:
        super().__init__(server, sid)
        self.holder = holder
        """The party that the client belongs to, judged by its address."""
        self.is_joined = False
        """Whether the client was admitted to a namespace."""
        self.left_because: str | None = None
        """Why the session ended, in a word: engineio's reason, or one that says more."""
        self.session: dict[Any, Any] | None = None
        self.connected = False
        self.probe: Probe | None = None
        self.pong_due: float | None = None
        self.on_close: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to send pings, the first one interval from now."""
        self.connected = True
        self._server.timers.heart.start(self)

    # From polling to WebSocket

    def abandon(self, probe: Probe) -> None:
        """Go on without the upgrade."""
        if self.probe is probe:
            self._server.log.info(self.sid, "Failed websocket upgrade")
            self.probe = None
        self._server.close_later(probe.link)

    def upgrade_to(self, link: WebSocketLink, prefix: bytes = b"") -> None:
        """Use ``link`` from now on, first for ``prefix`` and the packets that wait."""
        self._server.log.info(self.sid, "Upgrade to websocket successful")
        self.probe = None
        self._switch_to(link, prefix)
        if self.on_upgrade is not None:
            self.on_upgrade()

    # Ends that this process decides on

    def close_transport(self) -> None:
        """Close without a Socket.IO DISCONNECT: stock clients reconnect after this."""
        self.left_because = self.left_because or SENT_AWAY
        self.close(self._server.reason.TRANSPORT_CLOSE, GOING_AWAY, last_packet=CLOSE, linger=True)

    def disconnect(self) -> None:
        """Close because the application wants it; a close packet tells the client."""
        if self.link is not None:
            self.link.send(packet_frame(CLOSE))
        self.close(self._server.reason.SERVER_DISCONNECT, last_packet=CLOSE, linger=True)

    def evict(self) -> None:
        """Close: of all clients this one has most waiting, to it or from it."""
        if not self.closed:
            self._drop_calls()
            self._server.note("slow-client", f"a client is closed: {HOLDS_MOST}")
            self.left_because = HELD_MOST
            self.close(self._server.reason.TRANSPORT_ERROR, last_packet=CLOSE)
        if self.link is not None:
            self.link.abort()
        self.forget_waiting()

    def end_stalled(self) -> None:
        """Close: the client takes none of its unsent bytes."""
        if not self.closed:
            self.left_because = TOOK_NOTHING
            self._server.on_stalled(self)
            self.close(self._server.reason.TRANSPORT_CLOSE, last_packet=CLOSE)
        self.forget_waiting()

    def expire(self) -> None:
        """Close: no pong came in time."""
        self._server.log.info(self.sid, "Client is gone, closing socket")
        self.close(self._server.reason.PING_TIMEOUT, GOING_AWAY, last_packet=CLOSE)

    def hang_up(self) -> None:
        """Close: the client closed the TCP connection of its waiting GET."""
        self.close(self._server.reason.TRANSPORT_CLOSE)

    # The end

    def close(
        self,
        reason: str,
        code: int = NORMAL,
        last_packet: str | None = None,
        *,
        linger: bool = False,
    ) -> None:
        """End the session, once.

        The waiting GET is answered with the packets that wait and ``last_packet``; with ``linger``
        also the next GET. A WebSocket gets a Close frame with ``code``.
        """
        if self.closed:
            return
        self.closed = True
        self.left_because = self.left_because or reason.replace(" ", "_")
        if last_packet is not None and self._server.log.is_on:
            self._server.log.sent(self.sid, last_packet)
        may_come = self.polling is not None and not self.poll_waiting
        self._server.forget(self, linger=linger and may_come)
        if self.probe is not None:
            self.probe.close("session closed")
        if self.polling is not None:
            self.polling.end(last_packet)
            if not (linger and may_come):  # no later GET will fetch the packets
                self._server.later(self.forget_waiting)
        if self.link is not None:
            self._close_link(self.link, code)
        if self.on_close is not None:
            self.on_close()
        self._server.outbox_budget.wake(
            self._outbox_owner
        )  # senders wait for this client no longer
        self.on_room()  # a POST that waits for the application goes on
        self.run_in_time(self._server.notify_disconnected, self, reason)

    def release(self) -> None:
        """Drop all references: a timer may keep this connection for some time."""
        self._extra_bytes = 0  # counted when the call that leads here has ended
        self.session = self.on_writable = self.on_upgrade = self.on_close = self.on_poll = None

    def _close_link(self, link: WebSocketLink, code: int) -> None:
        if link.pending_bytes and code == GOING_AWAY:
            link.abort()  # a Close frame would wait behind bytes that the client does not read
            return
        link.close(code)
        self._server.close_later(link)
