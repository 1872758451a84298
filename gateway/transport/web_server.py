"""gevent's pywsgi with deadlines, and with connections that it can pass on between two requests.

``WebHandler`` is a ``handler_class`` for ``gevent.pywsgi.WSGIServer``. A WSGI application finds a
function under ``environ[HANDOVER]`` when the connection could be served by somebody else after the
answer to a GET; whoever takes it gives it back for what is not theirs.

A server with a pool (``spawn=N``) serves so many connections at once that nobody took; when all are
in use, the one that rests longest between two requests gives way to the next.
"""

import _socket
import errno
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import gevent
from gevent import Greenlet
from gevent import socket as gevent_socket
from gevent.pywsgi import (  # type: ignore[attr-defined]  # the stubs leave _NoopLog out
    OldMessage,
    WSGIHandler,
    WSGIServer,
    _NoopLog,
)

from gateway.transport.takeover import HANDOVER, duplicate

# A connection may rest between two requests for this long: nginx's default.
IDLE_TIMEOUT_S = 75.0
# The head of a request is a packet or two. Apache's default for the first byte to the last is 20 s.
HEAD_TIMEOUT_S = 20.0
# Who takes nothing of an answer for so long is not waited for: nginx's default is 60 s.
SEND_TIMEOUT_S = 30.0
# The send timeout is for each piece of this size, so that a slow line may take its time.
SEND_PIECE = 65_536

# Who sends what is no HTTP fills no disk with it: a line a minute, of the first characters.
REFUSALS_TOLD_S = 60.0
REFUSAL_CHARACTERS = 200

HEAD_END = b"\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A GET that was answered, and its connection, on which nothing is under way."""

    sock: _socket.socket
    request: bytes
    status: bytes
    headers: list[tuple[bytes, bytes]]
    give_back: Callable[[_socket.socket, bytes, bytes], None]


# A line of a head as nearly every client writes it (RFC 9112, 5), and how many pywsgi takes.
PLAIN_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)\r\n")
MAX_HEADERS = 100

Successor = Callable[[Exchange], object]


class WebHandler(WSGIHandler):
    """Serves one connection."""

    _deadline: gevent.Timeout | None = None
    _held: bytearray | None = None
    _head = b""
    _is_alone = False
    _successor: Successor | None = None
    _quiet_until_s = 0.0  # of all handlers together
    _is_fresh = True
    _has_two_lengths = False

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
        self.socket.settimeout(IDLE_TIMEOUT_S)
        resting = RESTING.setdefault(self.server, {})
        resting[self] = None
        try:
            self._make_room(resting)
            came: bytes = self.rfile.peek(1)
        except OSError:
            return b""
        finally:
            resting.pop(self, None)
            self._is_fresh = False
        self.socket.settimeout(None)
        return came

    def _make_room(self, resting: "dict[WebHandler, None]") -> None:
        """Let the connection that rests longest end when the server can take no other."""
        pool = self.server.pool
        longest = next(iter(resting))
        is_served_first = longest is self and self._is_fresh
        if pool is not None and pool.full() and not is_served_first:
            del resting[longest]
            longest.socket.shutdown(socket.SHUT_RDWR)

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

        False refuses a body of two lengths: a proxy may have believed the other (RFC 9112, 6.1).
        """
        try:
            is_read = super().read_request(raw_requestline)
        finally:
            self._stop_deadline()
        return is_read and not self._has_two_lengths

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
        self._has_two_lengths = "content-length" in message and "transfer-encoding" in message
        return message

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
        self.socket.settimeout(SEND_TIMEOUT_S)
        try:
            for start in range(0, len(data), SEND_PIECE):
                piece = data[start : start + SEND_PIECE]
                super()._sendall(piece)  # type: ignore[misc]  # as above
        except TimeoutError as error:  # as if it had hung up, which is no fault of ours
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error
        self.socket.settimeout(None)

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


RESTING: "WeakKeyDictionary[WSGIServer, dict[WebHandler, None]]" = WeakKeyDictionary()
"""Who waits for the next request of its connection, at each server; the longest first."""


def plain_headers(head: bytes) -> list[tuple[str, str]] | None:
    """Return names and values of a head's headers; None when it holds anything unusual."""
    text = head[head.find(b"\n") + 1 : -2].decode("latin-1")
    plain: list[tuple[str, str]] = PLAIN_HEADER.findall(text)
    if not plain or len(plain) > MAX_HEADERS or PLAIN_HEADER.sub("", text):
        return None
    return plain


class Unread(socket.SocketIO):
    """What comes by a connection, behind what somebody has read of it already."""

    def __init__(self, sock: gevent_socket.socket, unread: bytes) -> None:
        super().__init__(sock, "rb")
        self._unread = unread

    def readinto(self, buffer: Any) -> int | None:
        """Read into ``buffer``; return how much."""
        if not self._unread:
            return super().readinto(buffer)
        size = min(len(buffer), len(self._unread))
        buffer[:size], self._unread = self._unread[:size], self._unread[size:]
        return size


def give_back(
    server: WSGIServer, address: Any, sock: _socket.socket, rest: bytes, unread: bytes
) -> None:
    """Have ``server`` write ``rest`` and serve ``sock`` from ``unread`` on, as if just accepted.

    A server that can take no other closes it.
    """
    theirs = gevent_socket.socket(sock.family, socket.SOCK_STREAM, 0, sock.detach())
    handler: Any = Greenlet(_serve, server, address, theirs, rest, unread)
    if server.pool is None:
        handler.start()
    elif server.pool.full():
        theirs.close()
    else:
        server.pool.start(handler)


def _serve(
    server: WSGIServer, address: Any, sock: gevent_socket.socket, rest: bytes, unread: bytes
) -> None:
    try:
        sock.sendall(rest)
        handler = server.handler_class(sock, address, server)
        if unread:
            handler.rfile = BufferedReader(Unread(sock, unread))
        handler.handle()
    except OSError:
        return  # the client went away
    finally:
        sock.close()
