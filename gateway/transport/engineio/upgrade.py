"""A WebSocket that is to replace polling in a session (Engine.IO v4, "Upgrade")."""

from typing import Protocol

from gateway.transport.engineio.payload import PROBE_PING, PROBE_PONG, UPGRADE
from gateway.transport.websocket.frames import PROTOCOL_ERROR, packet_frame
from gateway.transport.websocket.reader import Violation
from gateway.transport.websocket.websocket_link import Owner, WebSocketLink


class UpgradingConnection(Owner, Protocol):
    """The connection that a probe wants to take from polling to WebSocket."""

    probe: "Probe | None"

    def hold_polls(self) -> None:
        """End the waiting GET."""

    def upgrade_to(self, link: WebSocketLink) -> None:
        """Use ``link`` from now on."""

    def abandon(self, probe: "Probe") -> None:
        """Go on polling."""


class Probe:
    """Owner of a WebSocket from its handshake to the client's upgrade packet."""

    __slots__ = ("_connection", "answered", "link")

    def __init__(self, connection: UpgradingConnection, link: WebSocketLink) -> None:
        self._connection = connection
        self.link = link
        self.answered = False

    def on_message(self, link: WebSocketLink, message: str | bytes) -> None:
        """Answer the probe, then give the WebSocket to the connection; end at anything else."""
        if message == PROBE_PING and not self.answered:
            self.answered = True
            link.send(packet_frame(PROBE_PONG))
            self._connection.hold_polls()
        elif message[:1] == UPGRADE and self.answered:
            link.owner = self._connection
            self._connection.upgrade_to(link)
        else:
            link.fail(Violation(PROTOCOL_ERROR, "not an upgrade"))

    def on_drained(self, link: WebSocketLink) -> None:
        """Nothing waits for a probe."""

    def on_lost(self, link: WebSocketLink, violated: str | None) -> None:
        """Go on polling."""
        self._connection.abandon(self)

    def expire(self) -> None:
        """Give up when the client did not upgrade in time."""
        if self._connection.probe is self:
            self.close("upgrade took too long")

    def close(self, reason: str) -> None:
        """Close the WebSocket and go on polling."""
        self.link.close(PROTOCOL_ERROR, reason)
        self._connection.abandon(self)
