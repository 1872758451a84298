"""One HTTP connection: this module reads requests, gevent's pywsgi writes answers.

``WebHandler`` is a ``handler_class`` for ``gevent.pywsgi.WSGIServer``.

How it works. One greenlet serves the requests of a connection, one after the other:

1. Wait for the first byte, at most ``IDLE_TIMEOUT_S``, then for a time slice. So a client that
   pipelines requests does not keep the loop from other connections.
2. Read and parse the whole head (``http_head.py``); build the WSGI environment with a body that
   ends where the request ends (``http_body.py``).
3. Let pywsgi run the application and write its answer. Head and first part leave in one ``send``.
4. Read and drop what the application left of the body. The next request begins behind it.
5. Hand the connection over, if the application asked for that, or begin again.

Every wait has a deadline. A request that breaks the rules gets a short answer without the
application, and its connection ends.

Handover: for a plain GET, ``environ[HANDOVER]`` holds a function. An application that can serve the
connection without the web server passes its ``Successor`` to that function. If it does so for two
requests in a row, the connection leaves the web server. The successor gives it back for requests
that it cannot serve (``handover.py``).

pywsgi documents its public methods. This module and ``http_body.py`` also rely on these parts:

- ``_sendall`` is overridden, because every byte of an answer passes it: to join the head with the
  first part of the body, and to bound the time for each piece.
- ``_NoopLog`` is the log of a server without access log. A handed-over connection logs nothing, so
  handover needs to know; and a log that nobody reads need not be formatted.
- ``Body._discard`` exists because pywsgi calls it on ``wsgi_input`` after each answer.
- The attributes annotated at the top of the class carry the state of a request. pywsgi names them
  in its source and does not document them.
"""

import errno
import socket
from email.utils import formatdate
from functools import lru_cache, partial
from time import monotonic, time
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gevent.pywsgi import (  # type: ignore[attr-defined]  # the stubs leave _NoopLog out
    WSGIHandler,
    _NoopLog,
)

from gateway.transport.event_loop.timeslice import give_way
from gateway.transport.http.connection_slots import Slot, State
from gateway.transport.http.handover import Exchange, Successor, give_back, send_in_time
from gateway.transport.http.http_body import BadChunk, Body
from gateway.transport.http.http_head import (
    BadHead,
    Head,
    parse_head,
    read_head,
    split_target,
    take_head,
)
from gateway.transport.http.socket_handoff import HANDOVER, duplicate

IDLE_TIMEOUT_S = 75.0
"""How long a connection may be idle between two requests: nginx's default."""
HEAD_TIMEOUT_S = 20.0
"""From the first byte of a head to its last: Apache's default."""
BODY_TIMEOUT_S = 5.0
"""How long the handler waits for a body that the application did not read: nginx's default for
the same purpose (``lingering_timeout``)."""
LINGER_S = 1.0
"""How long the handler reads on after it refused a request. Closing a socket with unread bytes
resets the connection, and the reset may overtake the answer."""
LINGER_BYTES = 1_000_000

REFUSAL_LOG_INTERVAL_S = 60.0
REFUSAL_CHARACTERS_MAX = 200
"""Anybody can send bytes that are not HTTP, so one short line a minute is logged about it."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS_WITHOUT_BODY = (204, 304)


@lru_cache(maxsize=1)
def http_date(now_s: int) -> bytes:
    """Return a time, in seconds since 1970, as the header ``Date`` gives it."""
    return formatdate(now_s, usegmt=True).encode()


def refusal(status: str, reason: str) -> bytes:
    """Return a whole answer that says the reason and ends the connection."""
    body = f"{reason[:REFUSAL_CHARACTERS_MAX]}\n".encode("ascii", "backslashreplace")
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode() + body


class WebHandler(WSGIHandler):
    """Serves one connection."""

    # Attributes of pywsgi whose types in gevent's stubs are missing, or wrong.
    application: Any
    client_address: Any
    close_connection: Any
    command: Any
    environ: Any
    path: Any
    provided_date: Any
    request_version: Any
    requestline: Any
    response_length: Any
    response_headers: Any  # list[tuple[bytes, bytes]]
    response_use_chunked: Any
    result: Any
    rfile: Any
    socket: Any
    status: Any
    wsgi_input: Any

    slot: Slot | None = None
    """The connection's slot in a ``WebServer``; a stock server has no slots."""
    _quiet_until_s = 0.0  # of the class: all handlers together log one refusal a minute

    _raw_head = b""
    _has_more_bytes = False  # the buffer may hold bytes behind the head
    _head: Head
    _successor: Successor | None = None
    _unsent: bytearray | None = None  # holds the head of an answer back until its body follows

    def handle(self) -> None:
        """Serve requests until the connection ends or is handed over."""
        try:
            while self.socket is not None and self._serve_one():
                pass
        except OSError:
            pass  # the client left
        finally:
            if self.socket is not None:
                # Both hold the descriptor; it is closed with the last of them.
                self.rfile.close()
                self.socket.close()
            self.__dict__.clear()  # the request and its body refer back to this handler

    def _serve_one(self) -> bool:
        """Serve the next request; return False when the connection ends."""
        if not self._await_request():
            return False
        previous = self._successor
        self._note_successor(None)
        try:
            if not self._read_request():
                return False
        except BadHead as error:
            self._refuse(error.status, str(error))
            return False
        self.handle_one_response()
        if self._has_ended():
            return False
        # Not for the first offer: most clients poll once or twice and then use WebSocket.
        if self._successor is not None and previous is not None:
            self._hand_over(self._successor)
        return True

    def _has_ended(self) -> bool:
        return bool(self.close_connection or self.rfile.closed)

    # The request

    def _await_request(self) -> bool:
        """Wait for the first byte of a request, then for a time slice; False when none comes."""
        if self.rfile.closed:
            return False
        is_first = not self._raw_head
        try:
            is_idle = is_first or not self._has_buffered()
            has_bytes = not is_idle or self._wait_idle(is_first=is_first)
        except OSError:  # TimeoutError is one of them
            return False
        give_way(is_light=is_first)
        return has_bytes

    def _has_buffered(self) -> bool:
        """True when bytes of a request are here already, so that the connection is not idle."""
        if type(self.socket) is not gevent_socket.socket:  # TLS cannot tell without waiting
            return False
        self.socket.settimeout(0.0)
        came = bool(self.rfile.peek(1))
        self.socket.settimeout(None)
        return came

    def _wait_idle(self, *, is_first: bool) -> bool:
        """Wait for the next request; return False when the client left."""
        if not is_first:
            self._note(State.IDLE)
        self.socket.settimeout(IDLE_TIMEOUT_S)
        came = bool(self.rfile.peek(1))
        self.socket.settimeout(None)
        return came

    def _note(self, state: State) -> None:
        if self.slot is not None:
            self.slot.change(state)

    def _read_request(self) -> bool:
        """Read the head; return False when the client left before its end. Raises BadHead."""
        self._raw_head = self._read_raw_head()
        if not self._raw_head:
            return False
        self._note(State.BUSY)
        self._head = head = parse_head(self._raw_head)
        if head.is_chunked and not getattr(self.server, "takes_chunks", True):
            raise BadHead("a body needs a Content-Length", "411 Length Required")
        self.command, self.path = head.method, head.target
        self.request_version = f"HTTP/{head.version}"
        self.requestline = f"{head.method} {head.target} {self.request_version}"
        self.close_connection = not head.keeps_connection
        self.environ = self.get_environ()
        self.application = self.server.application
        return True

    def _read_raw_head(self) -> bytes:
        """Read the bytes of the next head before its deadline. Raises BadHead."""
        head, self._has_more_bytes = take_head(self.rfile)
        if head:
            return head
        self._note(State.READING_HEAD)
        deadline = gevent.Timeout.start_new(HEAD_TIMEOUT_S)
        try:
            return read_head(self.rfile)
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            raise BadHead("the head came too slowly", "408 Request Timeout") from None
        finally:
            deadline.close()

    def get_environ(self) -> Any:
        """Return the WSGI environment (PEP 3333) of the request whose head was read."""
        head, target = self._head, split_target(self._head.target)
        environ: dict[str, Any] = self.server.get_environ()
        environ |= {
            "REQUEST_METHOD": head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": target.path,
            "QUERY_STRING": target.query,
            "SERVER_PROTOCOL": f"HTTP/{head.version}",
        }
        if isinstance(self.client_address, tuple):
            host, port = self.client_address[:2]
            environ |= {"REMOTE_ADDR": str(host), "REMOTE_PORT": str(port)}
        _add_headers(environ, head)
        if target.host is not None:
            environ["HTTP_HOST"] = target.host
        self._add_body(environ)
        if self._can_hand_over():
            environ[HANDOVER] = self._note_successor
        return environ

    def _add_body(self, environ: dict[str, Any]) -> None:
        head = self._head
        has_body = bool(head.content_length) or head.is_chunked
        is_upgrade = "upgrade" in head.connection_options and not has_body
        awaits = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        self.wsgi_input = Body(
            self.rfile,
            head.content_length,
            is_chunked=head.is_chunked,
            say_continue=partial(self.socket.sendall, CONTINUE) if awaits else None,
        )
        # After an upgrade the bytes are no HTTP, so the application gets the unbounded reader. An
        # upgrade with a body does not: the application could read past the body's end.
        environ["wsgi.input"] = self.rfile if is_upgrade else self.wsgi_input
        environ["wsgi.input_terminated"] = not is_upgrade

    def _can_hand_over(self) -> bool:
        """True for a plain GET with nothing behind it, where no access log wants each request."""
        head = self._head
        return (
            head.method == "GET"
            and head.version == "1.1"
            and head.keeps_connection
            and not head.content_length
            and not head.is_chunked
            and type(self.socket) is gevent_socket.socket
            and isinstance(self.server.log, _NoopLog)
            and not self._has_more_bytes
        )

    # The answer

    def handle_one_response(self) -> None:
        """Have the application answer, then drop the rest of the request's body."""
        super().handle_one_response()
        if not (self.wsgi_input.is_read or self._has_ended()):
            self._discard_body()

    def _discard_body(self) -> None:
        deadline = gevent.Timeout.start_new(BODY_TIMEOUT_S)
        try:
            self.wsgi_input.discard()
        except OSError:
            self.close_connection = True
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            self.close_connection = True
        finally:
            deadline.close()

    def run_application(self) -> None:
        """Run the application; answer 400 if the client broke off or garbled its chunked body."""
        try:
            super().run_application()
        except BadChunk as error:
            self.close_connection = True
            if not self.headers_sent:
                self._refuse("400 Bad Request", str(error))

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Note status and headers; add ``Connection: close`` when the connection will end."""
        body = self.wsgi_input
        # Nobody asked for the body, so the client may send it or not: the next bytes on the
        # connection could be this body or another request.
        if body.is_awaited and not body.is_read:
            self.close_connection = True
        write = super().start_response(status, headers, exc_info)
        if self.close_connection and self._head.version == "1.1":
            names = {name.lower() for name, _value in headers}
            if "connection" not in names:
                self.response_headers.append((b"Connection", b"close"))
        if self.provided_date is None:  # pywsgi would format it for each answer
            self.provided_date = http_date(int(time()))
            self.response_headers.append((b"Date", self.provided_date))
        return write

    def finalize_headers(self) -> None:
        """Complete the headers. An answer of unknown length ends with its connection."""
        super().finalize_headers()
        headers = self.response_headers
        has_length = any(name.lower() == b"content-length" for name, _ in headers)
        is_open = not (has_length or self.response_use_chunked or self.code in STATUS_WITHOUT_BODY)
        if is_open and self._head.version == "1.0" and self.command != "HEAD":
            self.close_connection = True
            kept = [pair for pair in headers if pair[0].lower() != b"connection"]
            self.response_headers = [*kept, (b"Connection", b"close")]
        if self.command == "HEAD":
            self.response_use_chunked = False  # not even the last, empty chunk may follow

    def process_result(self) -> None:
        """Write the answer piece by piece; for HEAD only its headers."""
        if self.command != "HEAD":
            super().process_result()
            return
        for _piece in self.result:  # a generator calls start_response before its first piece
            if self.status:
                break
        if not self.headers_sent:
            self.write(b"")

    def write(self, data: bytes) -> None:
        """Send a part of the answer; the first one together with the head.

        pywsgi sends the two separately. Nagle's algorithm then holds the second one back for
        40 ms, until the client acknowledges the first.
        """
        if self.command == "HEAD":
            data = b""
        if self.headers_sent:
            give_way()
            super().write(data)
            return
        self._unsent = unsent = bytearray()
        try:
            super().write(data)
        except BaseException:
            self.headers_sent = False  # nothing was sent, so pywsgi can still answer 500
            raise
        finally:
            self._unsent = None
        self._sendall(bytes(unsent))

    def _sendall(self, data: bytes) -> None:
        if self._unsent is not None:
            self._unsent += data
            return
        self.response_length += len(data)  # first: pywsgi writes a 500 where nothing was sent
        try:
            send_in_time(self.socket, bytes(data))
        except OSError as error:  # a timeout, too, means that the client does not get its answer
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error

    def _refuse(self, status: str, reason: str) -> None:
        """Answer without the application, and end the connection."""
        self.log_error("%s: %s", status, reason)
        self.socket.settimeout(LINGER_S)
        self.socket.sendall(refusal(status, reason))
        self._linger()

    def _linger(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)
        until_s, room = monotonic() + LINGER_S, LINGER_BYTES
        while room > 0 and (left_s := until_s - monotonic()) > 0:
            self.socket.settimeout(left_s)
            came = self.socket.recv(16_384)
            if not came:
                return
            room -= len(came)
            give_way()

    # The log

    def log_error(self, msg: str, *args: Any) -> None:
        """Log that a request was not HTTP: one short line a minute for all connections."""
        if monotonic() < WebHandler._quiet_until_s:
            return
        WebHandler._quiet_until_s = monotonic() + REFUSAL_LOG_INTERVAL_S
        reason = (msg % args if args else msg)[:REFUSAL_CHARACTERS_MAX]
        pause = f"no other is logged for {REFUSAL_LOG_INTERVAL_S:.0f} s"
        self.server.error_log.write(f"a request was refused ({pause}): {reason}\n")

    def log_request(self) -> None:
        """Write the access log, if there is one."""
        if not isinstance(self.server.log, _NoopLog):
            super().log_request()

    # Handing the connection over

    def _note_successor(self, successor: Successor | None) -> None:
        self._successor = successor

    def _hand_over(self, successor: Successor) -> None:
        """Give the connection to its successor; this handler then ends without closing it."""
        exchange = Exchange(
            duplicate(self.socket),
            self._raw_head,
            self.status,
            self.response_headers,
            partial(give_back, self.server, self.client_address),
        )
        self.rfile.close()
        self.socket.close()
        self.socket = None
        successor(exchange)


def _add_headers(environ: dict[str, Any], head: Head) -> None:
    """Add the headers by their CGI names; join several values of one name."""
    for name, value in head.headers:
        # "X_A" and "X-A" have the same CGI name. A proxy may have set the second one.
        if "_" in name:
            continue
        key = name.replace("-", "_").upper()
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
        else:
            environ[key] = value
