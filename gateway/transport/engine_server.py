"""``EngineServer``: ``engineio.Server`` on connections taken out of the web server."""

import time
from collections.abc import Callable
from typing import Any

import engineio
from engineio import packet as engineio_packet
from gevent import get_hub, sleep

from gateway.transport import compat, payload, takeover
from gateway.transport.connection import BadPacket, Connection
from gateway.transport.frames import POLICY, packet_frame
from gateway.transport.handshake import (
    TRANSPORTS,
    Headers,
    Refusal,
    Request,
    accept_websocket,
    bad_request,
    host_is_allowed,
    parse_request,
)
from gateway.transport.polling import PollingLink, plain_socket, read_body
from gateway.transport.timers import Clock
from gateway.transport.upgrade import Probe
from gateway.transport.websocket import Owner, Readers, WebSocketLink

# Twice this is what the kernel holds of a client that does not read.
SEND_BUFFER_BYTES = 64 * 1024
# A client that lets this much of what the application sent wait is closed.
MAX_OUTBOX_BYTES = 4_000_000
# The reference server's values: a probe becomes an upgrade, a namespace is asked for.
UPGRADE_TIMEOUT_S = 10.0
# A client answers a Close frame, or fetches its last packets, within this.
CLOSE_TIMEOUT_S = 5.0
# A POST may hold many tiny packets: let others run after so many.
PACKETS_PER_TURN = 256

Environ = dict[str, Any]
Answer = tuple[str, Headers, bytes]


class EngineServer(engineio.Server):  # type: ignore[misc]  # engineio has no types
    """Engine.IO v4 over polling and WebSocket, to the letter and bounded.

    Takes the options of ``engineio.Server`` and ``allowed_hosts``, ``max_connections``,
    ``max_outbox_bytes``, ``send_buffer_bytes``, ``upgrade_timeout``, ``close_timeout``.
    """

    def __init__(
        self,
        *args: Any,
        allowed_hosts: tuple[str, ...] = (),
        max_connections: int | None = None,
        max_outbox_bytes: int = MAX_OUTBOX_BYTES,
        send_buffer_bytes: int = SEND_BUFFER_BYTES,
        upgrade_timeout: float = UPGRADE_TIMEOUT_S,
        close_timeout: float = CLOSE_TIMEOUT_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **compat.engine_options(kwargs))
        compat.check_versions(self.logger)
        self.allowed_hosts = tuple(host.lower() for host in allowed_hosts)
        self.max_connections = max_connections
        self.max_outbox_bytes = max_outbox_bytes
        self.send_buffer_bytes = send_buffer_bytes
        self.deliver: Callable[[Connection, str | bytes], None] = self._deliver
        self._readers = Readers(self.max_http_buffer_size)
        self._leaving: dict[str, Connection] = {}
        self._lingering: dict[str, Connection] = {}
        self._start_clock(upgrade_timeout, close_timeout)

    def _start_clock(self, upgrade_timeout: float, close_timeout: float) -> None:
        self.clock = clock = Clock()
        self.pings = clock.queue(self.ping_interval, lambda client, due: _ping(client))
        self.pongs = clock.queue(self.ping_timeout, _check_pong)
        self.upgrades = clock.queue(upgrade_timeout, _expire)
        self._closings = clock.queue(close_timeout, _abort)
        self._lingers = clock.queue(close_timeout, self._end_linger)

    # The seam

    def connection(self, sid: str) -> Connection | None:
        """Return the connection with this Engine.IO session id, None when it has ended."""
        found: Connection | None = self.sockets.get(sid)
        return found

    # What connections ask for

    def later(self, call: Callable[..., object], *args: object) -> None:
        """Call from the event loop, after whoever runs now."""
        get_hub().loop.run_callback(call, *args)

    def note(self, kind: str, message: str) -> None:
        """Log what a client did wrong: one line of each kind, the rest at level INFO."""
        self._log_error_once(message, kind)

    def close_later(self, link: WebSocketLink) -> None:
        """Close a WebSocket for good when its client does not answer the Close frame."""
        if not link.closed:
            self._closings.add(link)

    def forget(self, connection: Connection, linger: bool) -> None:
        """Take a closed connection out; with ``linger`` it may fetch its last packets."""
        self.sockets.pop(connection.sid, None)
        self._leaving[connection.sid] = connection
        if linger:
            self._lingering[connection.sid] = connection
            self._lingers.add(connection)

    def _end_linger(self, connection: Connection, due: float) -> None:
        self._lingering.pop(connection.sid, None)

    def say_disconnected(self, connection: Connection, reason: str) -> None:
        """Tell the application, behind everything else this client had sent."""
        try:
            if connection.connected:
                self._trigger_event("disconnect", connection.sid, reason, run_async=False)
        finally:
            self._leaving.pop(connection.sid, None)

    def _deliver(self, connection: Connection, data: str | bytes) -> None:
        message = data
        if isinstance(data, str):
            message = engineio_packet.Packet(encoded_packet=payload.MESSAGE + data).data
        connection.run(self._trigger_event, "message", connection.sid, message, size=len(data))

    # Requests

    def handle_request(self, environ: Environ, start_response: Any) -> list[bytes]:
        """Serve one HTTP request: the WSGI application."""
        try:
            status, headers, body = self._serve(environ)
        except Refusal as refusal:
            self.note(refusal.message[:40], f"refused: {refusal.message}")
            status, headers, body = self._refuse(refusal)
        headers = headers + self._cors_headers(environ)
        start_response(status, headers)
        return [body]

    def _refuse(self, refusal: Refusal) -> Answer:
        body = self._bad_request(refusal.message)["response"]
        return refusal.status, [("Content-Type", "text/plain"), *refusal.headers], body

    def _serve(self, environ: Environ) -> Answer:
        self._check_origin(environ)
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return "200 OK", [("Content-Type", "text/plain")], b"ok"
        request = parse_request(environ, self.transports)
        if request.sid is None:
            return self._open(request, environ)
        connection = self._find(request.sid)
        if request.method == "POST":
            return self._take_post(connection, environ)
        if request.transport == "websocket":
            self._upgrade(connection, environ)
        return self._answer_poll(connection, environ)

    def _check_origin(self, environ: Environ) -> None:
        if not host_is_allowed(environ.get("HTTP_HOST", ""), self.allowed_hosts):
            raise bad_request("Not an accepted host.")
        origin = environ.get("HTTP_ORIGIN")
        allowed = self._cors_allowed_origins(environ) if origin else None
        if allowed is not None and origin not in allowed:
            raise bad_request("Not an accepted origin.")

    def _find(self, sid: str) -> Connection:
        connection: Connection | None = self.sockets.get(sid) or self._lingering.get(sid)
        if connection is None or not connection.connected:
            raise bad_request(f"Invalid session {sid}")
        if connection.overdue(time.monotonic()):
            connection.close(self.reason.PING_TIMEOUT, farewell=payload.CLOSE)
            raise bad_request(f"Invalid session {sid}")
        return connection

    # A new session

    def _open(self, request: Request, environ: Environ) -> Answer:
        if self.max_connections is not None and len(self.sockets) >= self.max_connections:
            raise Refusal("503 SERVICE UNAVAILABLE", "full", [("Retry-After", "5")])
        switch = accept_websocket(environ) if request.transport == "websocket" else None
        if switch is not None:
            _require_takeable(environ)
        connection = self._new_connection(request, environ)
        refused = self._trigger_event("connect", connection.sid, environ, run_async=False)
        if refused is not None and refused is not True:
            self.sockets.pop(connection.sid, None)
            return self._reject(refused)
        if switch is not None:
            self._open_websocket(connection, environ, switch)
        return self._open_polling(connection, environ)

    def _new_connection(self, request: Request, environ: Environ) -> Connection:
        sid = self.generate_id()
        connection = self.sockets[sid] = Connection(self, sid)
        hello = {
            "sid": sid,
            "upgrades": self._offered_upgrades(request, environ),
            "pingTimeout": round(self.ping_timeout * 1000),
            "pingInterval": round((self.ping_interval + self.ping_interval_grace_period) * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        connection.send(engineio_packet.Packet(engineio_packet.OPEN, hello))
        return connection

    def _offered_upgrades(self, request: Request, environ: Environ) -> list[str]:
        offered = self.allow_upgrades and "websocket" in self.transports
        if request.transport != "polling" or not offered or not takeover.can_take(environ):
            return []
        return ["websocket"]

    def _reject(self, refused: object) -> Answer:
        answer = self._unauthorized(refused or None)
        return answer["status"], answer["headers"], answer["response"]

    def _open_websocket(self, connection: Connection, environ: Environ, switch: bytes) -> None:
        link, early = self._take_over(environ, connection)
        link.send(switch)
        connection.upgrade_to(link)
        connection.start()
        self.later(link.start, early)
        takeover.leave()

    def _open_polling(self, connection: Connection, environ: Environ) -> Answer:
        connection.start()
        return self._answer_poll(connection, environ, self._cookie_headers(connection.sid))

    def _cookie_headers(self, sid: str) -> Headers:
        if not self.cookie:
            return []
        cookie = self.cookie
        if not isinstance(cookie, dict):
            cookie = {"name": cookie, "path": "/", "SameSite": "Lax"}
        return [("Set-Cookie", self._generate_sid_cookie(sid, cookie))]

    # Polling

    def _answer_poll(
        self, connection: Connection, environ: Environ, headers: Headers | None = None
    ) -> Answer:
        if connection.probe is not None:
            connection.probe.link.read_now()  # the upgrade may be done already
        polling = connection.polling
        if polling is None:
            raise bad_request("Unexpected HTTP request: the session uses WebSocket")
        if polling.occupied:
            connection.close(self.reason.TRANSPORT_ERROR, farewell=payload.CLOSE)
            raise bad_request("Two GET at once")
        packets: list[str | bytes] = [payload.NOOP]
        if connection.probe is None or not connection.probe.answered:
            packets = polling.wait(plain_socket(environ), lambda: self._hang_up(connection))
        self._lingering.pop(connection.sid, None)
        content = ("Content-Type", "text/plain; charset=UTF-8")
        body = payload.encode(packets).encode()
        return self._compress(environ, ("200 OK", [content, *(headers or [])], body))

    def _hang_up(self, connection: Connection) -> None:
        connection.close(self.reason.TRANSPORT_CLOSE)

    def _compress(self, environ: Environ, answer: Answer) -> Answer:
        status, headers, body = answer
        if not self.http_compression or len(body) < self.compression_threshold:
            return answer
        accepted = environ.get("HTTP_ACCEPT_ENCODING", "").split(",")
        for encoding in (part.split(";")[0].strip() for part in accepted):
            if encoding in self.compression_methods:
                squeezed = getattr(self, f"_{encoding}")(body)
                return status, [*headers, ("Content-Encoding", encoding)], squeezed
        return answer

    def _take_post(self, connection: Connection, environ: Environ) -> Answer:
        polling = connection.polling
        if polling is None or connection.closed:
            raise bad_request("Unexpected HTTP request: the session uses WebSocket")
        try:
            self._read_packets(connection, polling, environ)
        except (BadPacket, payload.BadPayload, Refusal) as error:
            connection.close(self.reason.TRANSPORT_ERROR, farewell=payload.CLOSE)
            raise error if isinstance(error, Refusal) else bad_request(str(error)) from error
        return "200 OK", [("Content-Type", "text/plain")], b"ok"

    def _read_packets(self, connection: Connection, polling: PollingLink, environ: Environ) -> None:
        if polling.posting:
            raise bad_request("Two POST at once")
        polling.posting = True
        try:
            timeout_s = self.ping_interval + self.ping_timeout
            body = read_body(environ, self.max_http_buffer_size, timeout_s)
            for index, packet in enumerate(payload.decode(body), start=1):
                connection.receive(packet)
                if connection.closed:
                    return
                connection.wait_for_room()
                if index % PACKETS_PER_TURN == 0:
                    sleep(0)
        finally:
            polling.posting = False

    # WebSocket

    def _upgrade(self, connection: Connection, environ: Environ) -> None:
        switch = accept_websocket(environ)
        _require_takeable(environ)
        refused = connection.link is not None or connection.probe is not None
        if refused or connection.closed:
            self._refuse_websocket(environ, switch)
        link, early = self._take_over(environ, connection)
        link.owner = connection.begin_upgrade(link)
        link.send(switch)
        self.later(link.start, early)
        takeover.leave()

    def _refuse_websocket(self, environ: Environ, switch: bytes) -> None:
        """Open, say why, close: a second WebSocket for a session (Engine.IO v4, "WebSocket")."""
        link, _ = self._take_over(environ, _NOBODY)
        link.send(switch)
        self.later(link.start)
        link.close(POLICY, "the session has a WebSocket")
        self.close_later(link)
        takeover.leave()

    def _take_over(self, environ: Environ, owner: Owner) -> tuple[WebSocketLink, bytes]:
        sock, early = takeover.take(environ, self.send_buffer_bytes)
        loop = get_hub().loop
        return WebSocketLink(sock, loop, self._readers, owner, self.max_outbox_bytes), early

    # engineio's own API

    def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet; one for a client that is gone is dropped."""
        connection = self.sockets.get(sid)
        if connection is not None:
            connection.send(pkt)

    def disconnect(self, sid: str | None = None) -> None:
        """Close one client, or all."""
        chosen = list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]
        for connection in chosen:
            if connection is not None:
                connection.send_text(payload.CLOSE) if connection.link is not None else None
                reason = self.reason.SERVER_DISCONNECT
                connection.close(reason, farewell=payload.CLOSE, linger=True)

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
        self._closings.run_all()
        self.clock.stop()

    def close_transports(self) -> None:
        """Close every connection so that stock clients come back, here or elsewhere."""
        for connection in list(self.sockets.values()):
            connection.close_transport()


class _Nobody:
    """Owner of a WebSocket that is only opened to be closed."""

    def on_message(self, link: WebSocketLink, message: str | bytes) -> None:
        """Ignore it."""

    def on_drained(self, link: WebSocketLink) -> None:
        """Nothing waits."""

    def on_lost(self, link: WebSocketLink, violated: str | None) -> None:
        """Nobody minds."""


_NOBODY = _Nobody()


def _require_takeable(environ: Environ) -> None:
    try:
        takeover.server_socket(environ)
    except takeover.CannotTake as error:
        raise bad_request(str(error)) from error


def _ping(connection: Connection) -> None:
    connection.ping()


def _check_pong(connection: Connection, due: float) -> None:
    connection.check_pong(due)


def _expire(probe: Probe, due: float) -> None:
    probe.expire()


def _abort(link: WebSocketLink, due: float) -> None:
    link.abort()


__all__ = ["TRANSPORTS", "EngineServer", "packet_frame"]
