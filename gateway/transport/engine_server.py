"""``EngineServer``: ``engineio.Server`` on connections taken out of the web server."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import engineio
from engineio import packet as engineio_packet
from gevent import get_hub

from gateway.log_once import LogOncePerPeriod
from gateway.transport import compat, payload, socket_handoff
from gateway.transport.budget import Budget
from gateway.transport.client_address import TrustedProxies, holder_of
from gateway.transport.connection import Connection
from gateway.transport.handshake import Headers, Refusal
from gateway.transport.heartbeat import Heartbeat
from gateway.transport.http_endpoint import Answer, Endpoint, Environ
from gateway.transport.options import NO_THREADS, engine_options
from gateway.transport.outbox_budget import HIGH_WATER_BYTES, Backlog
from gateway.transport.packet_log import PacketLog
from gateway.transport.poll_connection import PollConnection
from gateway.transport.serial_executor import Once
from gateway.transport.sessions import Sessions
from gateway.transport.timers import Clock, Schedule
from gateway.transport.timeslice import give_way, time_slices
from gateway.transport.upgrade import Probe
from gateway.transport.wakeup import ThreadCalls, from_any_thread
from gateway.transport.web_handler import IDLE_TIMEOUT_S
from gateway.transport.websocket import Commons, WebSocketLink

# The kernel doubles it: this much of what a client does not read is hidden there.
SEND_BUFFER_BYTES = 64 * 1024
# The unsent data of all clients may hold this much memory; then the one with most is closed.
MAX_TOTAL_OUTBOX_BYTES = 64_000_000
# What all clients sent and is not served yet may hold this much; then the one with most is closed.
# A thousand clients that each send 64 kB at once: far more than honest ones do.
MAX_TOTAL_INBOX_BYTES = 64_000_000
# A client that takes nothing of its backlog for so long is closed.
STALLED_TIMEOUT_S = 30.0
NOTES_PERIOD_S = 60.0
# The reference server's value: a probe becomes an upgrade within this.
UPGRADE_TIMEOUT_S = 10.0
# A client answers a Close frame, or fetches its last packets, within this.
CLOSE_TIMEOUT_S = 5.0
# A client's disconnect handler waits this long for a handler of the client that does not return:
# it may loop until the disconnect handler tells it to stop.
DISCONNECT_WAIT_S = 1.0


class EngineServer(engineio.Server):  # type: ignore[misc]  # engineio has no types
    """Engine.IO v4 over polling and WebSocket, to the letter and bounded.

    Takes the options of ``engineio.Server`` and ``allowed_hosts``, ``origins_setting`` (the name of
    the setting for allowed origins, for refused pages), ``proxies``, ``max_connections``,
    ``max_total_outbox_bytes`` (unsent data of all clients), ``max_total_inbox_bytes`` (what all
    clients sent and is not served), ``max_outbox_bytes`` (of one client;
    no bound of its own without it), ``send_buffer_bytes``, ``upgrade_timeout``, ``close_timeout``,
    ``stalled_timeout`` (seconds). Raises ValueError for another ``async_mode`` than gevent.
    ``on_stalled`` is told of each connection that took nothing for ``stalled_timeout``.
    """

    def __init__(  # noqa: PLR0913  # each is an option of its own, by its name
        self,
        *,
        allowed_hosts: tuple[str, ...] = (),
        origins_setting: str = "cors_allowed_origins",
        proxies: TrustedProxies | None = None,
        max_connections: int | None = None,
        max_outbox_bytes: int | None = None,
        max_total_outbox_bytes: int = MAX_TOTAL_OUTBOX_BYTES,
        max_total_inbox_bytes: int = MAX_TOTAL_INBOX_BYTES,
        send_buffer_bytes: int = SEND_BUFFER_BYTES,
        upgrade_timeout: float = UPGRADE_TIMEOUT_S,
        close_timeout: float = CLOSE_TIMEOUT_S,
        stalled_timeout: float = STALLED_TIMEOUT_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(**engine_options(kwargs))
        compat.check_versions()
        self.log = PacketLog(self.logger)
        self.allowed_hosts = tuple(host.lower() for host in allowed_hosts)
        self.origins_setting = origins_setting
        self._noted = LogOncePerPeriod(NOTES_PERIOD_S)
        self.proxies = proxies or TrustedProxies()
        self.sessions: Sessions[Connection] = Sessions(max_connections, _evict)
        self.max_outbox_bytes = max_outbox_bytes
        self.send_buffer_bytes = send_buffer_bytes
        self.deliver: Callable[[Connection, str | bytes], None] = self._deliver
        self.on_stalled: Callable[[Connection], object] = self._note_stalled
        self.threads = ThreadCalls()
        self._commons: Commons | None = None
        self._leaving: dict[str, Connection] = {}
        self._lingering: dict[str, Connection] = {}
        # Connections of clients that poll, while the web server does not have them.
        self.resting: set[PollConnection] = set()
        self._endpoint = Endpoint(self)
        self._start_clock(upgrade_timeout, close_timeout)
        self.backlog = Backlog(max_total_outbox_bytes, stalled_timeout, self.clock, self.later)
        self.inbox: Budget[Any] = Budget(max_total_inbox_bytes, self.later)

    def _start_clock(self, upgrade_timeout_s: float, close_timeout_s: float) -> None:
        self.clock = clock = Clock()
        self.heart = Heartbeat(clock, self.ping_interval, self.ping_timeout)
        self.upgrades: Schedule[Probe] = clock.queue(
            upgrade_timeout_s, lambda probe, due: probe.expire()
        )
        self._closings: Schedule[WebSocketLink] = clock.queue(
            close_timeout_s, lambda link, due: link.abort()
        )
        self._lingers: Schedule[Connection] = clock.queue(
            close_timeout_s, lambda connection, due: self.end_linger(connection)
        )
        self._overdue: Schedule[tuple[Connection, Once]] = clock.queue(
            DISCONNECT_WAIT_S, lambda late, due: late[0].run_overdue(late[1])
        )
        self.rests: Schedule[PollConnection] = clock.queue(
            IDLE_TIMEOUT_S, lambda connection, due: connection.check()
        )

    # The seam

    def connection(self, sid: str) -> Connection | None:
        """Return the connection with this Engine.IO session id, None when it has ended."""
        found: Connection | None = self.sockets.get(sid)
        return found

    def close_transports(self) -> None:
        """Close every connection so that stock clients come back, here or elsewhere."""
        for connection in list(self.sockets.values()):
            connection.close_transport()

    # What the endpoint asks for

    def has_room_for(self, environ: Environ) -> bool:
        """Say whether a client may open a session; that of another client may end for it."""
        return self.sessions.make_room(self.holder(environ))

    def holder(self, environ: Environ) -> str | None:
        """Return the party that a request comes from; None for a trusted proxy's own."""
        client = self.proxies.client(environ)
        return None if self.proxies.trusts(client) else holder_of(client)

    @property
    def commons(self) -> Commons:
        """The parts that all WebSockets share; made in the thread of their event loop."""
        if self._commons is None:
            self._commons = Commons(
                get_hub().loop,
                time_slices(),
                self.backlog,
                self.inbox,
                self.max_http_buffer_size,
                self.max_outbox_bytes,
            )
        return self._commons

    @property
    def connection_count(self) -> int:
        """The sessions, and the WebSockets beside them that are being closed."""
        closing = len(self._commons.closing) if self._commons is not None else 0
        return len(self.sockets) + closing

    def reachable(self, sid: str) -> Connection | None:
        """Return the connection that a request with ``sid`` is for."""
        found: Connection | None = self.sockets.get(sid) or self._lingering.get(sid)
        return found if found is not None and found.connected else None

    def new_connection(self, upgrades: list[str], holder: str | None) -> Connection:
        """Make a session whose first packet says what the client has to know."""
        sid = self.generate_id()
        connection: Connection = Connection(self, sid, holder)
        self.sockets[sid] = connection
        self.sessions.add(connection)
        hello = {
            "sid": sid,
            "upgrades": upgrades,
            "pingTimeout": round(self.ping_timeout * 1000),
            "pingInterval": round((self.ping_interval + self.ping_interval_grace_period) * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        connection.send(engineio_packet.Packet(engineio_packet.OPEN, hello))
        return connection

    def ask_to_connect(self, connection: Connection, environ: Environ) -> Answer | None:
        """Run the application's connect handler; return the answer of a refusal."""
        answer = self._trigger_event("connect", connection.sid, environ, run_async=False)
        if answer is None or answer is True:
            return None
        self.logger.warning("Application rejected connection")
        self._take_out(connection)
        refusal = self._unauthorized(answer or None)
        return refusal["status"], refusal["headers"], refusal["response"]

    def allows_origin(self, environ: Environ) -> bool:
        """Check the Origin header where there is one: browsers always send it by WebSocket."""
        origin = environ.get("HTTP_ORIGIN")
        allowed = self._cors_allowed_origins(environ) if origin else None
        return allowed is None or origin in allowed

    def cookie_headers(self, sid: str) -> Headers:
        """Return the header that sets the session's cookie, if there is to be one."""
        if not self.cookie:
            return []
        cookie = self.cookie
        if not isinstance(cookie, dict):
            cookie = {"name": cookie, "path": "/", "SameSite": "Lax"}
        return [("Set-Cookie", self._generate_sid_cookie(sid, cookie))]

    def compressed(self, environ: Environ, headers: Headers, body: bytes) -> Answer:
        """Return a 200, compressed where the client takes that and it is worth it."""
        if self.http_compression and len(body) >= self.compression_threshold:
            accepted = environ.get("HTTP_ACCEPT_ENCODING", "").split(",")
            for encoding in (part.split(";")[0].strip() for part in accepted):
                if encoding in self.compression_methods:
                    body = getattr(self, f"_{encoding}")(body)
                    return "200 OK", [*headers, ("Content-Encoding", encoding)], body
        return "200 OK", headers, body

    # What connections ask for

    def later(self, call: Callable[..., object], *args: object) -> None:
        """Call from the event loop, after whoever runs now."""
        get_hub().loop.run_callback(call, *args)

    def note(self, kind: str, message: str) -> None:
        """Log what a client did wrong: a line a minute of each kind, the rest at level INFO."""
        if self._noted.repeats_until(kind, time.monotonic()) is None:
            self.logger.info(message)
        else:
            self.logger.error("%s (for a minute, repetitions have level INFO)", message)

    def _note_stalled(self, connection: Connection) -> None:
        self.note("stalled", "a client takes nothing of what it is sent")

    def close_later(self, link: WebSocketLink) -> None:
        """Close a WebSocket for good when its client does not answer the Close frame."""
        if not link.closed:
            self._closings.add(link)

    def forget(self, connection: Connection, *, linger: bool) -> None:
        """Take a closed connection out; with ``linger`` it may fetch its last packets."""
        self._take_out(connection)
        self._leaving[connection.sid] = connection
        if linger:
            self._lingering[connection.sid] = connection
            self._lingers.add(connection)

    def _take_out(self, connection: Connection) -> None:
        if self.sockets.pop(connection.sid, None) is None:
            return
        link = connection.link
        if link is None or link.closed:
            self.sessions.remove(connection)
        else:  # it holds its descriptor until the closing handshake is over
            link.on_released = partial(self.sessions.remove, connection)

    def take_poll(self, connection: Connection, stamp: str) -> bool:
        """Take another GET of a session, if it is to be answered as usual."""
        polling = connection.polling
        return (
            polling is not None
            and not polling.occupied
            and connection.probe is None
            and not connection.closed
            and not self.heart.is_overdue(connection, time.monotonic())
            and not polling.requests.is_get_again(stamp, time.time())
        )

    def end_poll(self, connection: Connection) -> None:
        """Forget a closed connection whose last packets are in the answer that is being sent."""
        if connection.closed and not connection.pending_bytes:
            self.end_linger(connection)

    def end_linger(self, connection: Connection) -> None:
        """Forget a closed connection that fetched its last packets, or did not in time."""
        if self._lingering.pop(connection.sid, None) is not None:
            connection.forget_waiting()

    def limit_wait(self, connection: Connection, call: Once) -> None:
        """Have the connection make a call that does not begin in time by itself."""
        self._overdue.add((connection, call))

    def say_disconnected(self, connection: Connection, reason: str) -> None:
        """Tell the application, behind everything else this client had sent."""
        try:
            if connection.connected:
                self._trigger_event("disconnect", connection.sid, reason, run_async=False)
        finally:
            self._leaving.pop(connection.sid, None)
            connection.let_go()

    def _deliver(self, connection: Connection, data: str | bytes) -> None:
        message = data
        if isinstance(data, str):
            message = engineio_packet.Packet(encoded_packet=payload.MESSAGE + data).data
        connection.run(
            *(self._trigger_event, "message", connection.sid, message),
            size=len(data),
            is_alone=not self.async_handlers,
        )

    # engineio's own API

    def handle_request(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Serve one HTTP request: the WSGI application."""
        try:
            self._check_thread(environ)
            status, headers, body = self._endpoint.serve(environ)
        except socket_handoff.Taken:
            return socket_handoff.no_answer(environ)
        except Refusal as refusal:
            self.note(refusal.kind, f"refused: {refusal.message}")
            status, body = refusal.status, self._bad_request(refusal.message)["response"]
            headers = [("Content-Type", "text/plain"), *refusal.headers]
        headers = [*headers, ("Content-Length", str(len(body))), *self._cors_headers(environ)]
        start_response(status, headers)
        return [body]

    def _check_thread(self, environ: Environ) -> None:
        """Refuse a web server with threads: a connection belongs to one event loop."""
        if self.threads.is_foreign or not socket_handoff.is_gevents(environ):
            raise Refusal("500 INTERNAL SERVER ERROR", NO_THREADS)
        self.threads.serve_here()

    def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet; one for a client that is gone is dropped."""
        connection = self.sockets.get(sid)
        if connection is not None:
            connection.send(pkt)

    @from_any_thread
    def send(self, sid: str, data: Any) -> None:
        """Send a message; with much waiting for the client, wait until it has taken some."""
        super().send(sid, data)
        if self.is_crowded:
            self.pace(sid)

    @property
    def is_crowded(self) -> bool:
        """True while so much waits that whoever sends may have to wait."""
        return self.backlog.total > HIGH_WATER_BYTES

    def pace(self, sid: str | None) -> None:
        """Hold up whoever sends to a client, or with None to many."""
        if not self.threads.may_wait():
            return
        connection = self.sockets.get(sid)
        if connection is not None:
            connection.wait_a_while()
        else:
            give_way()

    @from_any_thread
    def disconnect(self, sid: str | None = None) -> None:
        """Close one client, or all."""
        chosen = list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]
        for connection in chosen:
            if connection is not None:
                connection.disconnect()

    def transport(self, sid: str) -> str:
        """Return ``polling`` or ``websocket``."""
        return self._get_socket(sid).transport

    def get_session(self, sid: str) -> dict[Any, Any]:
        """Return the client's session, also to its disconnect handler."""
        connection = self._get_socket(sid)
        if connection.session is None:
            connection.session = {}
        return connection.session

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
        self._closings.run_all()
        self.clock.stop()
        self.threads.stop()


def _evict(connection: Connection) -> None:
    """Close a connection so that a stock client comes back, and free its descriptor at once."""
    connection.close_transport()
    if connection.link is not None:
        connection.link.abort()
