"""gevent's pywsgi with deadlines, and with connections that it can pass on between two requests.

``WebServer`` is a ``gevent.pywsgi.WSGIServer`` of such handlers; ``WebHandler`` is good as the
``handler_class`` of another one. A WSGI application finds a function under ``environ[HANDOVER]``
when the connection could be served by somebody else after the answer to a GET; whoever takes it
gives it back for what is not theirs.
"""

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gevent.pywsgi import (  # type: ignore[attr-defined]  # the stubs leave _NoopLog out
    OldMessage,
    WSGIHandler,
    WSGIServer,
    _NoopLog,
)

from gateway.transport.handover import Exchange, Successor, give_back, send_in_time
from gateway.transport.heads import is_length_clear, plain_headers
from gateway.transport.takeover import HANDOVER, duplicate

# A connection may rest between two requests for this long: nginx's default.
IDLE_TIMEOUT_S = 75.0
# The head of a request is a packet or two. Apache's default for the first byte to the last is 20 s.
HEAD_TIMEOUT_S = 20.0
# A body that nobody asked for is read to its end, for as long as nginx lingers, or the connection
# ends: what follows on it would be taken for the next request.
BODY_TIMEOUT_S = 5.0

# Who sends what is no HTTP fills no disk with it: a line a minute, of the first characters.
REFUSALS_TOLD_S = 60.0
REFUSAL_CHARACTERS = 200

READABLE = 1
HEAD_END = b"\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebHandler(WSGIHandler):
    """Serves one connection."""

    _deadline: gevent.Timeout | None = None
    _held: bytearray | None = None
    _head = b""
    _is_alone = False
    _is_length_clear = True
    _successor: Successor | None = None
    _quiet_until_s = 0.0  # of all handlers together

    def handle(self) -> None:
        """Serve the connection until it ends or is passed on."""
        try:
            super().handle()
        finally:
            if self._room is not None:
                self._room.forget(self)

    @property
    def _room(self) -> "WebServer | None":
        return self.server if isinstance(self.server, WebServer) else None

    def handle_one_request(self) -> Any:
        """Serve one request; refuse one whose head does not come in time."""
        came = self._first_bytes()
        if not came:
            return None
        head, end, behind = came.partition(HEAD_END)
        self._head = head + end if end else b""
        self._is_alone = bool(end) and not behind
        before = self._successor
        self._note_successor(None)
        answer = self._serve_in_time()
        # Not for the first offer: most clients poll once or twice and go on by WebSocket.
        if answer is True and self._successor is not None and before is not None:
            self._leave_to(self._successor)
        return answer

    def _first_bytes(self) -> bytes:
        """Wait for a request; b"" when none comes."""
        if self.rfile.closed:
            return b""
        try:
            return self._at_hand() or self._rest()
        except OSError:
            return b""

    def _at_hand(self) -> bytes:
        """Look for what came already: who sent something is served before it can rest."""
        self.socket.settimeout(0.0)
        came: bytes = self.rfile.peek(1)
        self.socket.settimeout(None)
        return came

    def _rest(self) -> bytes:
        self.socket.settimeout(IDLE_TIMEOUT_S)
        if self._room is not None and not self._room.let_rest(self):
            return b""
        came: bytes = self.rfile.peek(1)
        if self._room is not None:
            self._room.forget(self)
        self.socket.settimeout(None)
        return came

    def leave(self) -> None:
        """End while resting: the wait for a request ends with nothing."""
        with suppress(OSError):  # its client may have gone just now
            self.socket.shutdown(socket.SHUT_RDWR)

    def _serve_in_time(self) -> Any:
        deadline = None if self._head else gevent.Timeout.start_new(HEAD_TIMEOUT_S)
        self._deadline = deadline
        try:
            return super().handle_one_request()
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            return "408", TOO_SLOW
        finally:
            self._stop_deadline()

    def read_request(self, raw_requestline: str) -> Any:
        """Read the headers: here the head is complete.

        False refuses a body whose length can be read in two ways.
        """
        try:
            is_read = super().read_request(raw_requestline)
        finally:
            self._stop_deadline()
        return is_read and self._is_length_clear

    def MessageClass(self, *args: Any) -> Any:  # noqa: N802  # pywsgi's name for reading headers
        """Read the headers; the stock way, four times as long, those that are not plain."""
        plain = plain_headers(self._head)
        if plain is None:
            self._is_alone = False
            message = super().MessageClass(*args)
        else:
            self.rfile.read(len(self._head) - self._head.index(b"\n") - 1)
            message = OldMessage()
            for name, value in plain:
                message[name] = value
        self._is_length_clear = is_length_clear(message.items())
        return message

    def run_application(self) -> None:
        """Answer, then read what is left of the body, if it comes."""
        try:
            super().run_application()
        finally:
            body: Any = self.wsgi_input
            if body.chunked_input or body.position < (body.content_length or 0):
                self._read_rest(body)

    def _read_rest(self, body: Any) -> None:
        deadline = gevent.Timeout.start_new(BODY_TIMEOUT_S)
        try:
            body._discard()  # noqa: SLF001  # pywsgi calls it next, without a deadline
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            self.close_connection = True
            body._chunked_input_error = True  # noqa: SLF001  # which it takes as: leave it there
        finally:
            deadline.close()

    def _write_with_headers(self, data: bytes) -> None:
        """Send head and body at once: in two, the second waits 40 ms for the client's ACK."""
        self._held = held = bytearray()
        super()._write_with_headers(data)  # type: ignore[misc]  # gevent's stubs leave it out
        self._held = None
        self._sendall(bytes(held))

    def _sendall(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            return
        try:
            send_in_time(self.socket, data, super()._sendall)  # type: ignore[misc]  # as above
        except TimeoutError as error:  # as if it had hung up, which is no fault of ours
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error

    def log_error(self, msg: str, *args: Any) -> None:
        """Say that a request was no HTTP; rarely, and shortly: anybody can send such."""
        if monotonic() < WebHandler._quiet_until_s:
            return
        WebHandler._quiet_until_s = monotonic() + REFUSALS_TOLD_S
        what = (msg % args if args else msg)[:REFUSAL_CHARACTERS]
        again = f"others are not told for {REFUSALS_TOLD_S:.0f} s"
        self.server.error_log.write(f"a request was refused ({again}): {what}\n")

    def log_request(self) -> None:
        """Write the access log, if there is one."""
        if not isinstance(self.server.log, _NoopLog):
            super().log_request()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.close()
            self._deadline = None

    def get_environ(self) -> Any:
        """Return the WSGI environment."""
        environ = super().get_environ()
        if self._can_hand_over():
            environ[HANDOVER] = self._note_successor
        return environ

    def _can_hand_over(self) -> bool:
        """Say whether this is a plain GET; with an access log each request is to be in there."""
        return (
            self._is_alone
            and self.command == "GET"
            and self.request_version == "HTTP/1.1"
            and not self.close_connection
            and not self.content_length
            and self.headers.get("transfer-encoding") is None
            and type(self.socket) is gevent_socket.socket
            and isinstance(self.server.log, _NoopLog)
        )

    def _note_successor(self, successor: Successor | None) -> None:
        self._successor = successor

    def _leave_to(self, successor: Successor) -> None:
        """Give the connection away; this handler then ends without closing it."""
        this: Any = self  # the types of these attributes are not those in gevent's stubs
        exchange = Exchange(
            duplicate(self.socket),
            self._head,
            this.status,
            this.response_headers,
            partial(give_back, self.server, self.client_address),
        )
        self.rfile.close()
        self.socket.close()
        this.socket = None
        successor(exchange)


class WebServer(WSGIServer):
    """Serves WSGI, at most ``at_most`` connections at once that nobody took; others wait.

    While one waits, that which rests longest between two requests gives way: clients take that
    for the end of a connection that was not used for long, and make another one.
    """

    handler_class = WebHandler

    def __init__(self, *args: Any, at_most: int | None = None, **options: Any) -> None:
        self._at_most, self._count = at_most, 0
        self._resting: dict[WebHandler, None] = {}  # the longest first
        self._leaving: WebHandler | None = None
        self._lookout: Any = None  # for who comes while nobody is accepted
        self._is_waited_for = False
        super().__init__(*args, **options)

    def full(self) -> bool:
        """Tell whether no other connection can be served now."""
        return self._at_most is not None and self._count >= self._at_most

    def do_handle(self, *args: Any) -> None:
        """Serve a connection that was accepted, in a greenlet."""
        self._count += 1
        super().do_handle(*args)

    def handle(self, *args: Any) -> None:
        """Serve a connection to its end."""
        self._serve_one(partial(super().handle, *args))

    def spawn_one(self, serve: Callable[[], object]) -> None:
        """Serve a connection that was given back, in a greenlet."""
        self._count += 1
        gevent.spawn(self._serve_one, serve)

    def _serve_one(self, serve: Callable[[], object]) -> None:
        try:
            serve()
        finally:
            self._count -= 1
            if self.started:
                self.start_accepting()

    # --- who waits, and who gives way ----------------------------------------------------

    def start_accepting(self) -> None:
        """Accept whoever comes."""
        self._end_lookout()
        self._is_waited_for = False
        super().start_accepting()

    def stop_accepting(self) -> None:
        """Accept nobody, but for a full server look out for who comes."""
        super().stop_accepting()
        self._end_lookout()
        if self.started and self.full():
            self._lookout = self.loop.io(self.socket.fileno(), READABLE)
            self._lookout.start(self._note_newcomer)

    def _note_newcomer(self) -> None:
        self._end_lookout()
        self._is_waited_for = True
        self._make_room()

    def _end_lookout(self) -> None:
        if self._lookout is not None:
            self._lookout.stop()
            self._lookout.close()
            self._lookout = None

    def let_rest(self, handler: WebHandler) -> bool:
        """Note that a handler waits for its next request; False when it has to end instead."""
        self._resting[handler] = None
        self._make_room()
        return handler in self._resting

    def forget(self, handler: WebHandler) -> None:
        """Note that a handler rests no more."""
        self._resting.pop(handler, None)
        if self._leaving is handler:
            self._leaving = None

    def _make_room(self) -> None:
        """Let one connection end for who waits, unless one is ending already."""
        if self._is_waited_for and self._leaving is None and self._resting:
            self._leaving = next(iter(self._resting))
            del self._resting[self._leaving]
            self._leaving.leave()
