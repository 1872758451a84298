"""Requests to the Engine.IO path: sessions are opened, polled, posted to and upgraded here."""

import time
from functools import partial
from sys import getsizeof
from typing import Any, NoReturn

from engineio import packet as engineio_packet

from gateway.transport.connection.connection import Connection
from gateway.transport.engineio import payload
from gateway.transport.engineio.handshake import (
    Headers,
    Refusal,
    Request,
    accept_websocket,
    bad_request,
    parse_request,
)
from gateway.transport.http import socket_handoff
from gateway.transport.polling.polling_link import PollingLink, plain_socket
from gateway.transport.polling.post_body import BodyReader
from gateway.transport.polling.repetition import Requests
from gateway.transport.server.engine_sessions import EngineSessions
from gateway.transport.server.poll_connection import PollConnection
from gateway.transport.websocket.frames import POLICY
from gateway.transport.websocket.reader import Violation
from gateway.transport.websocket.websocket_link import Owner, WebSocketLink
from shared.origins import shown

# When a client should ask a full server again.
RETRY_AFTER_S = "5"
FULL = "the server has no room for another connection: try again later"
# The kernel doubles it: it hides this much of the data that a client does not read.
SEND_BUFFER_BYTES = 64 * 1024
CONNECT_ANEW = (
    "it has ended, or another process has it. Connect anew; with several processes behind a proxy,"
    " use sticky sessions"
)

Environ = dict[str, Any]
Answer = tuple[str, Headers, bytes]


class HttpEndpoint:
    """The HTTP side of an ``EngineServer``."""

    def __init__(self, server: EngineSessions) -> None:
        self._server = server
        self._bodies = BodyReader(server.max_http_buffer_size)

    def serve(self, environ: Environ) -> Answer:
        """Answer a request, or take its TCP connection and raise Taken. Raises Refusal."""
        self._check_origin(environ)
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return "200 OK", [("Content-Type", "text/plain")], b"OK"
        request = parse_request(environ, self._server.transports)
        if request.sid is None:
            return self._open(request, environ)
        connection = self._find(request.sid)
        if request.method == "POST":
            return self._take_post(connection, request, environ)
        if request.transport == "websocket":
            self._upgrade(connection, environ)
        self._refuse_repetition(connection, request)
        answer = self._answer_poll(connection, environ, [])
        self._keep_polling(connection, environ)
        return answer

    def _check_origin(self, environ: Environ) -> None:
        if not self._server.allows_origin(environ):
            origin, setting = shown(environ["HTTP_ORIGIN"]), self._server.origins_setting
            raise bad_request(
                f"{origin} is not an accepted origin. If it is yours, add it to {setting}.",
                f"origin {origin}",
            )

    def _find(self, sid: str) -> Connection:
        connection = self._server.reachable(sid)
        if connection is not None and self._server.timers.heart.is_overdue(
            connection, time.monotonic()
        ):
            connection.expire()
            connection = None
        if connection is None:
            raise bad_request(f"Invalid session {sid[:40]}: {CONNECT_ANEW}")
        return connection

    # A new session

    def _open(self, request: Request, environ: Environ) -> Answer:
        switch = _switch(environ) if request.transport == "websocket" else None
        # The last check: a request that another check refuses must not end another's session.
        if not self._server.make_room_for(environ):
            raise Refusal("503 SERVICE UNAVAILABLE", FULL, [("Retry-After", RETRY_AFTER_S)])
        connection = self._server.new_connection(
            self._offered_upgrades(request, environ), self._server.holder(environ)
        )
        rejection = self._server.ask_to_connect(connection, environ)
        if rejection is not None:
            body = engineio_packet.Packet.json.dumps(rejection or "Unauthorized").encode()
            return "401 UNAUTHORIZED", [("Content-Type", "application/json")], body
        connection.start()
        if switch is not None:
            self._open_websocket(connection, environ, switch)
        if connection.polling is not None:
            connection.polling.requests = Requests(request.stamp)
        return self._answer_poll(connection, environ, self._server.cookie_headers(connection.sid))

    def _offered_upgrades(self, request: Request, environ: Environ) -> list[str]:
        server = self._server
        offered = server.allow_upgrades and "websocket" in server.transports
        if request.transport != "polling" or not offered or not socket_handoff.can_take(environ):
            return []
        return ["websocket"]

    def _open_websocket(self, connection: Connection, environ: Environ, switch: bytes) -> None:
        link, early = self._take_over(environ, connection)
        connection.upgrade_to(link, switch)
        link.start(early)
        socket_handoff.leave()

    # Polling

    def _refuse_repetition(self, connection: Connection, request: Request) -> None:
        """End a session whose client repeats a GET: the answer that was sent to it is lost."""
        polling = connection.polling
        if polling is None:
            return
        if polling.requests.is_get_again(request.stamp, time.time()):
            connection.close(self._server.reason.TRANSPORT_ERROR, last_packet=payload.CLOSE)
            raise bad_request("The answer to this GET was sent before")

    def _answer_poll(self, connection: Connection, environ: Environ, headers: Headers) -> Answer:
        if connection.probe is not None:
            connection.probe.link.read_now()  # the upgrade may be done already
        polling = connection.polling
        if polling is None:
            raise bad_request("Unexpected HTTP request: the session uses WebSocket")
        if polling.occupied:
            connection.close(self._server.reason.TRANSPORT_ERROR, last_packet=payload.CLOSE)
            raise bad_request("Two GET at once")
        packets: list[str | bytes] = [payload.NOOP]
        if connection.probe is None or not connection.probe.answered:
            packets = polling.wait(plain_socket(environ), connection.hang_up)
        self._server.end_poll(connection)
        body = payload.encode(packets).encode()
        content = ("Content-Type", "text/plain; charset=UTF-8")
        encoding, body = self._server.compression.apply(environ, body)
        return "200 OK", [content, *headers, *encoding], body

    def _keep_polling(self, connection: Connection, environ: Environ) -> None:
        """Answer the next GETs on this TCP connection without the web server, if it allows that."""
        handover, polling = environ.get(socket_handoff.HANDOVER), connection.polling
        if handover is not None and polling is not None and not connection.closed:
            accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
            count = polling.requests.asked_count
            handover(partial(PollConnection, self._server, connection, count, accepted))

    def _take_post(self, connection: Connection, request: Request, environ: Environ) -> Answer:
        polling = connection.polling
        if polling is None or connection.closed:
            raise bad_request("Unexpected HTTP request: the session uses WebSocket")
        answer = ("200 OK", [("Content-Type", "text/plain")], b"ok")
        try:
            self._read_packets(connection, polling, request, environ)
        except (payload.BadPacket, payload.BadPayload, Refusal) as error:
            connection.close(self._server.reason.TRANSPORT_ERROR, last_packet=payload.CLOSE)
            raise error if isinstance(error, Refusal) else bad_request(str(error)) from error
        return answer

    def _read_packets(
        self, connection: Connection, polling: PollingLink, request: Request, environ: Environ
    ) -> None:
        if polling.posting:
            raise bad_request("Two POST at once")
        polling.posting = True
        try:
            timeout_s = self._server.ping_interval + self._server.ping_timeout
            body = self._bodies.read(environ, timeout_s)
            if polling.requests.is_post_again(request.stamp, body, time.time()):
                return
            if not body:
                connection.count_overhead()
            text = payload.text_of(body)
            del body
            with connection.holding(getsizeof(text)):
                for packet in payload.split(text):
                    connection.receive(packet)
                    if connection.closed:
                        return
                    connection.wait_for_room()
        finally:
            polling.posting = False

    # WebSocket

    def _upgrade(self, connection: Connection, environ: Environ) -> NoReturn:
        switch = _switch(environ)
        if not self._server.allow_upgrades:
            raise bad_request("Invalid websocket upgrade: this server allows none (allow_upgrades)")
        if connection.link is not None or connection.probe is not None or connection.closed:
            self._refuse_websocket(environ, switch)
        link, early = self._take_over(environ, _NO_OWNER)
        link.owner = connection.begin_upgrade(link)
        link.send(switch)
        link.start(early)
        socket_handoff.leave()

    def _refuse_websocket(self, environ: Environ, switch: bytes) -> None:
        """Open a second WebSocket of a session and close it (Engine.IO v4, "Test suite").

        The reference server opens it too. The 101 and the Close frame are written together: a 101
        alone would look like a success.
        """
        link, _ = self._take_over(environ, _NO_OWNER)
        link.start()
        link.fail(Violation(POLICY, "the session has a WebSocket"), prefix=switch)
        self._server.close_later(link)
        socket_handoff.leave()

    def _take_over(self, environ: Environ, owner: Owner) -> tuple[WebSocketLink, bytes]:
        sock, early = socket_handoff.take(environ, SEND_BUFFER_BYTES)
        return WebSocketLink(sock, self._server.commons, owner), early


class _NoOwner:
    """Ignores the reports of a WebSocket that has no owner yet, or is only opened to be closed."""

    def on_message(self, link: WebSocketLink, message: str | bytes) -> None:
        """Ignore it."""

    def on_drained(self, link: WebSocketLink) -> None:
        """Ignore it."""

    def on_lost(self, link: WebSocketLink, violated: str | None) -> None:
        """Ignore it."""


_NO_OWNER = _NoOwner()


def _switch(environ: Environ) -> bytes:
    """Return the 101 answer to an acceptable request whose connection can be taken over."""
    switch = accept_websocket(environ)
    try:
        socket_handoff.server_socket(environ)
    except socket_handoff.CannotTake as error:
        raise bad_request(str(error)) from error
    return switch
