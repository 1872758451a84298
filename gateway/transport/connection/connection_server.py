"""The server that a connection belongs to, as far as the connection calls it."""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.transport.connection.session_timers import SessionTimers
from gateway.transport.engineio.packet_log import PacketLog
from gateway.transport.limits.budget import Budget
from gateway.transport.limits.outbox_budget import OutboxBudget
from gateway.transport.websocket.websocket_link import WebSocketLink


class ConnectionServer(Protocol):
    """Implemented by ``EngineSessions``. Each ``connection`` is a ``Connection``.

    With Socket.IO, ``SocketIOEngine`` overrides ``deliver`` and ``on_stalled``.
    """

    reason: Any
    """The reasons of a disconnect, as engineio names them."""
    log: PacketLog
    outbox_budget: OutboxBudget
    """Counts the unsent bytes of all connections."""
    inbox: Budget[Any]
    """Data that all clients sent and that the application has not handled yet."""
    timers: SessionTimers
    max_outbox_bytes: int | None

    def later(self, call: Callable[..., object], *args: object) -> None:
        """Call from the event loop, after the code that runs now."""

    def note(self, kind: str, message: str) -> None:
        """Log a fault of a client, at most once a minute for each ``kind``."""

    def close_later(self, link: WebSocketLink) -> None:
        """Abort a WebSocket when its client does not answer the Close frame in time."""

    def deliver(self, connection: Any, data: str | bytes) -> None:
        """Hand a message of the client to the application. Raises BadPacket."""

    def on_stalled(self, connection: Any) -> None:
        """Report a client that took none of its unsent bytes for too long."""

    def forget(self, connection: Any, *, linger: bool) -> None:
        """Remove a closed connection; with ``linger`` the client may fetch its last packets."""

    def notify_disconnected(self, connection: Any, reason: str) -> None:
        """Call the application's disconnect handler."""
