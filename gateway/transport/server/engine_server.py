"""``EngineServer``: ``engineio.Server`` on connections taken out of the web server.

How it works: the middleware calls ``handle_request`` (``engineio.WSGIApp``, by way of the method of
the same name of ``socketio.Server``); ``HttpEndpoint`` opens a session, answers a
GET, reads a POST or takes the TCP connection out of the web server for a WebSocket. From then on
callbacks of the event loop serve a WebSocket. A POST and the first polls run in the greenlet of
their HTTP connection. A session has a greenlet only while its events are served. It queues packets
only for its next GET, and events only behind one that is being served.
"The path of one subscribe" in docs/architecture.md follows a message from its bytes to the
application's handler.
"""

from collections.abc import Iterable
from typing import Any

from engineio import packet as engineio_packet

from gateway.transport.engineio.handshake import Refusal
from gateway.transport.event_loop.timeslice import give_way
from gateway.transport.event_loop.wakeup import ThreadCalls, from_any_thread
from gateway.transport.http import socket_handoff
from gateway.transport.limits.outbox_budget import HIGH_WATER_BYTES
from gateway.transport.server.engine_sessions import EngineSessions
from gateway.transport.server.http_endpoint import Environ, HttpEndpoint
from gateway.transport.stock.options import NO_THREADS


class EngineServer(EngineSessions):
    """Engine.IO v4 over polling and WebSocket, strict and bounded.

    Takes the options of ``engineio.Server`` and ``origins_setting`` (the name of the setting for
    allowed origins, for the message to refused pages), ``proxies``, ``max_connections``,
    ``max_total_outbox_bytes`` (unsent data of all clients), ``max_total_inbox_bytes`` (data that
    all clients sent and the application has not handled), ``max_outbox_bytes`` (unsent data of one
    client; no bound by default), ``upgrade_timeout``, ``close_timeout``, ``stalled_timeout``
    (seconds). Raises ValueError for an ``async_mode`` other than gevent.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.threads = ThreadCalls()
        self._endpoint = HttpEndpoint(self)

    # HTTP

    def handle_request(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Serve one HTTP request: the WSGI application."""
        try:
            self._check_thread(environ)
            status, headers, body = self._endpoint.serve(environ)
        except socket_handoff.Taken:
            return socket_handoff.no_answer(environ)
        except Refusal as refusal:
            self.note(refusal.kind, f"refused: {refusal.message}")
            body = engineio_packet.Packet.json.dumps(refusal.message).encode()
            status = refusal.status
            headers = [("Content-Type", "text/plain"), *refusal.headers]
        headers = [*headers, ("Content-Length", str(len(body))), *self._cors_headers(environ)]
        start_response(status, headers)
        return [body]

    def _check_thread(self, environ: Environ) -> None:
        """Refuse a web server with threads: a connection belongs to one event loop."""
        if self.threads.is_foreign or not socket_handoff.is_gevents(environ):
            raise Refusal("500 INTERNAL SERVER ERROR", NO_THREADS)
        self.threads.serve_here()

    # Sending

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
        """True while so much waits for all clients that a sender may have to wait."""
        return self.outbox_budget.total > HIGH_WATER_BYTES

    def pace(self, sid: str | None) -> None:
        """Delay the caller, which sends to one client, or with None to many."""
        if not self.threads.may_wait():
            return
        connection = self.sockets.get(sid)
        if connection is not None:
            connection.wait_a_while()
        else:
            give_way()

    # The rest of engineio's API

    @from_any_thread
    def disconnect(self, sid: str | None = None) -> None:
        """Close one client, or all."""
        chosen = list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]
        for connection in chosen:
            if connection is not None:
                connection.disconnect()

    def get_session(self, sid: str) -> dict[Any, Any]:
        """Return the client's session, also to its disconnect handler."""
        connection = self._get_socket(sid)
        if connection.session is None:
            connection.session = {}
        return connection.session

    def shutdown(self) -> None:
        """Stop the timers and take no more calls of threads."""
        super().shutdown()
        self.threads.stop()
