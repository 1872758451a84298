"""The sessions of an Engine.IO server: their table, their limits, their timers and their end.

How it works: a session is in ``sockets`` (engineio's name) while it is open. When it ends, it moves
to ``_leaving`` until the application's disconnect handler has run, so that the handler can still
use the client's session. A polling client that has not fetched its last packets is in
``_lingering`` as well, for at most ``close_timeout``.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import engineio
from engineio import packet as engineio_packet
from gevent import get_hub

from gateway.transport.connection.connection import Connection
from gateway.transport.connection.session_timers import (
    CLOSE_TIMEOUT_S,
    UPGRADE_TIMEOUT_S,
    SessionTimers,
)
from gateway.transport.engineio import payload
from gateway.transport.engineio.handshake import Environ, Headers
from gateway.transport.engineio.packet_log import PacketLog
from gateway.transport.event_loop.timeslice import time_slices
from gateway.transport.limits.budget import Budget
from gateway.transport.limits.client_address import TrustedProxies, holder_of
from gateway.transport.limits.outbox_budget import OutboxBudget
from gateway.transport.limits.session_limit import SessionLimit
from gateway.transport.polling.compression import Compression
from gateway.transport.polling.polling_link import RestingConnection
from gateway.transport.stock import compat
from gateway.transport.stock.options import engine_options
from gateway.transport.websocket.websocket_link import LinkContext, WebSocketLink
from shared.log_once import LogOncePerPeriod

# The unsent data of all clients may hold this much memory; then the client with most is closed.
MAX_TOTAL_OUTBOX_BYTES = 64_000_000
# Data that clients sent and the application has not handled may hold this much; then the client
# with most is closed. It is 64 kB from a thousand clients at once: far more than honest ones send.
MAX_TOTAL_INBOX_BYTES = 64_000_000
# A client that takes none of its unsent bytes for so long is closed.
STALLED_TIMEOUT_S = 30.0
NOTES_PERIOD_S = 60.0


class EngineSessions(engineio.Server):  # type: ignore[misc]  # engineio has no types
    """The part of ``EngineServer`` that its connections and its HTTP endpoint call."""

    def __init__(  # noqa: PLR0913  # each is an option of its own, by its name
        self,
        *,
        origins_setting: str = "cors_allowed_origins",
        proxies: TrustedProxies | None = None,
        max_connections: int | None = None,
        max_outbox_bytes: int | None = None,
        max_total_outbox_bytes: int = MAX_TOTAL_OUTBOX_BYTES,
        max_total_inbox_bytes: int = MAX_TOTAL_INBOX_BYTES,
        upgrade_timeout: float = UPGRADE_TIMEOUT_S,
        close_timeout: float = CLOSE_TIMEOUT_S,
        stalled_timeout: float = STALLED_TIMEOUT_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(**engine_options(kwargs))
        compat.check_versions()
        self.log = PacketLog(self.logger)
        self.origins_setting = origins_setting
        self.proxies = proxies or TrustedProxies()
        self.max_outbox_bytes = max_outbox_bytes
        self.stalled_timeout = stalled_timeout
        self.compression = Compression(
            self.compression_threshold if self.http_compression else None
        )
        self.resting: set[RestingConnection] = set()
        """TCP connections of polling clients that the web server has passed on."""
        self._noted = LogOncePerPeriod(NOTES_PERIOD_S)
        self._limit: SessionLimit[Connection] = SessionLimit(max_connections, _close_at_once)
        self._commons: LinkContext | None = None
        self._leaving: dict[str, Connection] = {}
        self._lingering: dict[str, Connection] = {}
        self.timers = SessionTimers(
            self.ping_interval, self.ping_timeout, upgrade_timeout, close_timeout, self.end_linger
        )
        self.outbox_budget = OutboxBudget(
            max_total_outbox_bytes, stalled_timeout, self.timers.clock, self.later
        )
        self.inbox: Budget[Any] = Budget(max_total_inbox_bytes, self.later)

    # Opening and finding a session

    def has_room_for(self, environ: Environ) -> bool:
        """Say whether a client may open a session; this ends no session."""
        return self._limit.has_room_for(self.holder(environ))

    def make_room_for(self, environ: Environ) -> bool:
        """Make room for a client's session, if need be by ending another client's."""
        return self._limit.make_room_for(self.holder(environ))

    def holder(self, environ: Environ) -> str | None:
        """Return the party that a request comes from; None for a trusted proxy's own."""
        client = self.proxies.client(environ)
        return None if self.proxies.trusts(client) else holder_of(client)

    @property
    def commons(self) -> LinkContext:
        """The parts that all WebSockets share; made in the thread of their event loop."""
        if self._commons is None:
            self._commons = LinkContext(
                get_hub().loop,
                time_slices(),
                self.outbox_budget,
                self.inbox,
                self.max_http_buffer_size,
                self.max_outbox_bytes,
            )
        return self._commons

    def new_connection(self, upgrades: list[str], holder: str | None) -> Connection:
        """Open a session; its first packet tells the client the parameters of the protocol."""
        connection = Connection(self, self.generate_id(), holder)
        self.sockets[connection.sid] = connection
        self._limit.add(connection)
        hello = {
            "sid": connection.sid,
            "upgrades": upgrades,
            "pingTimeout": round(self.ping_timeout * 1000),
            "pingInterval": round((self.ping_interval + self.ping_interval_grace_period) * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        connection.send(engineio_packet.Packet(engineio_packet.OPEN, hello))
        return connection

    def connection(self, sid: str) -> Connection | None:
        """Return the connection with this Engine.IO session id, None when it has ended."""
        found: Connection | None = self.sockets.get(sid)
        return found

    def reachable(self, sid: str) -> Connection | None:
        """Return the connection that an HTTP request with ``sid`` is for."""
        found: Connection | None = self.sockets.get(sid) or self._lingering.get(sid)
        return found if found is not None and found.connected else None

    # Answers of the HTTP endpoint

    def allows_origin(self, environ: Environ) -> bool:
        """Check the Origin header where there is one: browsers always send it by WebSocket."""
        origin = environ.get("HTTP_ORIGIN")
        allowed = self._cors_allowed_origins(environ) if origin else None
        return allowed is None or origin in allowed

    def cookie_headers(self, sid: str) -> Headers:
        """Return the header that sets the session's cookie, if the application wants a cookie."""
        if not self.cookie:
            return []
        cookie = self.cookie
        if not isinstance(cookie, dict):
            cookie = {"name": cookie, "path": "/", "SameSite": "Lax"}
        return [("Set-Cookie", self._generate_sid_cookie(sid, cookie))]

    # Calls into the application

    def ask_to_connect(self, connection: Connection, environ: Environ) -> Any:
        """Run the connect handler; return None if it accepts the client, else its answer."""
        answer = self._trigger_event("connect", connection.sid, environ, run_async=False)
        if answer is None or answer is True:
            return None
        self.logger.warning("Application rejected connection")
        self._take_out(connection)
        return answer

    def deliver(self, connection: Connection, data: str | bytes) -> None:
        """Call the application's message handler. Raises BadPacket for data that it refuses."""
        message = data
        if isinstance(data, str):
            message = engineio_packet.Packet(encoded_packet=payload.MESSAGE + data).data
        connection.run(
            *(self._trigger_event, "message", connection.sid, message),
            size=len(data),
            is_alone=not self.async_handlers,
        )

    def notify_disconnected(self, connection: Connection, reason: str) -> None:
        """Call the disconnect handler; earlier messages of the client were delivered before."""
        try:
            if connection.connected:
                self._trigger_event("disconnect", connection.sid, reason, run_async=False)
        finally:
            self._leaving.pop(connection.sid, None)
            connection.release()

    # Faults of clients

    def note(self, kind: str, message: str) -> None:
        """Log a fault of a client: one line a minute of each kind, the rest at level INFO."""
        if self._noted.repeats_until(kind, time.monotonic()) is None:
            self.logger.info(message)
        else:
            self.logger.error("%s (for a minute, repetitions have level INFO)", message)

    def on_stalled(self, connection: Connection) -> None:
        """Report a client that took none of its unsent bytes for ``stalled_timeout``."""
        self.note("stalled", "a client takes nothing of what it is sent")

    # The end of a session

    def later(self, call: Callable[..., object], *args: object) -> None:
        """Call from the event loop, after the code that runs now."""
        get_hub().loop.run_callback(call, *args)

    def close_later(self, link: WebSocketLink) -> None:
        """Abort a WebSocket when its client does not answer the Close frame in time."""
        if not link.closed:
            self.timers.closings.add(link)

    def forget(self, connection: Connection, *, linger: bool) -> None:
        """Remove a closed connection; with ``linger`` the client may fetch its last packets."""
        self._take_out(connection)
        self._leaving[connection.sid] = connection
        if linger:
            self._lingering[connection.sid] = connection
            self.timers.lingers.add(connection)

    def _take_out(self, connection: Connection) -> None:
        if self.sockets.pop(connection.sid, None) is None:
            return
        link = connection.link
        if link is None or link.closed:
            self._limit.remove(connection)
        else:  # it holds its descriptor until the closing handshake is over
            link.on_released = partial(self._limit.remove, connection)

    def end_poll(self, connection: Connection) -> None:
        """Forget a closed connection whose last packets are in the answer that is being sent."""
        if connection.closed and not connection.pending_bytes:
            self.end_linger(connection)

    def end_linger(self, connection: Connection) -> None:
        """Forget a closed connection that fetched its last packets, or did not in time."""
        if self._lingering.pop(connection.sid, None) is not None:
            connection.forget_waiting()

    def _get_socket(self, sid: str) -> Connection:
        connection: Connection | None = self.sockets.get(sid) or self._leaving.get(sid)
        if connection is None:
            raise KeyError("Session not found")
        return connection

    def shutdown(self) -> None:
        """Stop the timers; connections that are being closed are closed at once."""
        super().shutdown()
        for connection in list(self.resting):
            connection.close()
        self.timers.closings.run_all()
        self.timers.clock.stop()


def _close_at_once(connection: Connection) -> None:
    """Close a connection so that a stock client comes back, and free its descriptor at once."""
    connection.close_transport()
    if connection.link is not None:
        connection.link.abort()
