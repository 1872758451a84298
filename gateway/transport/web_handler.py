"""One HTTP connection: requests are read here, answers are written by gevent's pywsgi.

``WebHandler`` is a ``handler_class`` for ``gevent.pywsgi.WSGIServer``. It reads each head whole
(``http_head.py``) and gives the application a bounded body (``http_body.py``). Every wait has a
deadline, and requests of one connection give way to those of others between each other.

A WSGI application finds a function under ``environ[HANDOVER]`` when somebody else could serve the
connection after the answer to a GET. The successor gives it back for requests that it cannot serve.
"""

import errno
import socket
from functools import partial
from time import monotonic
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gevent.pywsgi import (  # type: ignore[attr-defined]  # the stubs leave _NoopLog out
    WSGIHandler,
    _NoopLog,
)

from gateway.transport.connection_slots import Place, State
from gateway.transport.handover import Exchange, Successor, give_back, send_in_time
from gateway.transport.http_body import BadChunk, Body
from gateway.transport.http_head import BadHead, Head, parse_head, read_head, split_target
from gateway.transport.socket_handoff import HANDOVER, duplicate
from gateway.transport.timeslice import give_way

IDLE_TIMEOUT_S = 75.0
"""A connection may rest between two requests for this long: nginx's default."""
HEAD_TIMEOUT_S = 20.0
"""From the first byte of a head to its last: Apache's default."""
BODY_TIMEOUT_S = 5.0
"""The rest of a body that the application did not read is awaited for as long as nginx lingers.
What follows on the connection would be taken for the next request."""
LINGER_S = 1.0
"""After a refusal the client's bytes are read for this long: to close with unread bytes resets the
connection, and the client may then never see the answer."""
LINGER_BYTES = 1_000_000

REFUSALS_TOLD_S = 60.0
REFUSAL_CHARACTERS = 200
"""Anybody can send what is no HTTP: one short line a minute tells of it."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WITHOUT_BODY = (204, 304)


def refusal(status: str) -> bytes:
    """Return a whole answer that ends the connection."""
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()


class WebHandler(WSGIHandler):
    """Serves one connection."""

    place: Place | None = None
    """Where a ``WebServer`` counts this connection."""
    _quiet_until_s = 0.0  # of all handlers together

    _raw_head = b""
    _head: Head
    _is_alone = False
    _successor: Successor | None = None
    _held: bytearray | None = None

    def handle(self) -> None:
        """Serve requests until the connection ends or is passed on."""
        this: Any = self
        try:
            while this.socket is not None and self._serve_one():
                pass
        except OSError:
            pass  # the client left
        finally:
            if this.socket is not None:
                this.rfile.close()  # the descriptor is closed with the last of the two
                this.socket.close()
            for name in ("socket", "rfile", "wsgi_input"):  # they refer to each other
                self.__dict__.pop(name, None)

    def _serve_one(self) -> bool:
        """Serve the next request; return False when the connection ends."""
        if not self._is_requested():
            return False
        before = self._successor
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
        # Not for the first offer: most clients poll once or twice and go on by WebSocket.
        if self._successor is not None and before is not None:
            self._leave_to(self._successor)
        return True

    def _has_ended(self) -> bool:
        this: Any = self
        return bool(this.close_connection or this.rfile.closed)

    # The request

    def _is_requested(self) -> bool:
        """Wait for the first byte of a request, and then for a time slice."""
        if self.rfile.closed:
            return False
        is_first = not self._raw_head
        try:
            is_there = bool(self._at_hand()) or bool(self._rest())
        except OSError:
            return False
        give_way(is_new=is_first)
        return is_there

    def _at_hand(self) -> bytes:
        """Look for bytes that came already: a request that is here is served before a rest."""
        if type(self.socket) is not gevent_socket.socket:  # TLS tells only by waiting
            return b""
        self.socket.settimeout(0.0)
        came: bytes = self.rfile.peek(1)
        self.socket.settimeout(None)
        return came

    def _rest(self) -> bytes:
        """Wait for the next request; returns b"" when none comes."""
        if self._raw_head:
            self._note(State.RESTING)
        self.socket.settimeout(IDLE_TIMEOUT_S)
        came: bytes = self.rfile.peek(1)
        self.socket.settimeout(None)
        return came

    def _note(self, state: State) -> None:
        if self.place is not None:
            self.place.change(state)

    def _read_request(self) -> bool:
        """Read the head; return False when the client left before its end. Raises BadHead."""
        self._note(State.HEAD)
        self._raw_head = self._read_raw_head()
        if not self._raw_head:
            return False
        self._note(State.BUSY)
        self._head = head = parse_head(self._raw_head)
        if head.is_chunked and not getattr(self.server, "takes_chunks", True):
            raise BadHead("a body needs a Content-Length", "411 Length Required")
        self._is_alone = not self._at_hand()
        this: Any = self
        this.command, this.path = head.method, head.target
        this.request_version = f"HTTP/{head.version}"
        this.requestline = f"{head.method} {head.target} {self.request_version}"
        this.close_connection = not head.keeps_connection
        this.environ = self.get_environ()
        this.application = self.server.application
        return True

    def _read_raw_head(self) -> bytes:
        """Read the bytes of the next head within its time. Raises BadHead."""
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
        this: Any = self
        if isinstance(this.client_address, tuple):
            host, port = this.client_address[:2]
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
        # With a body the application could read past its end, into the next request.
        has_body = bool(head.content_length) or head.is_chunked
        is_upgrade = "upgrade" in head.connection_options and not has_body
        awaits = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        body = Body(
            self.rfile,
            head.content_length,
            is_chunked=head.is_chunked,
            say_continue=partial(self.socket.sendall, CONTINUE) if awaits else None,
        )
        this: Any = self
        this.wsgi_input = body
        # An application that takes the connection over reads from it what it likes.
        environ["wsgi.input"] = self.rfile if is_upgrade else body
        environ["wsgi.input_terminated"] = not is_upgrade

    def _can_hand_over(self) -> bool:
        """Say whether this is a plain GET; with an access log each request is to be in there."""
        head = self._head
        return (
            self._is_alone
            and head.method == "GET"
            and head.version == "1.1"
            and head.keeps_connection
            and not head.content_length
            and not head.is_chunked
            and type(self.socket) is gevent_socket.socket
            and isinstance(self.server.log, _NoopLog)
        )

    # The answer

    def handle_one_response(self) -> None:
        """Have the application answer, then pass over the rest of the body."""
        super().handle_one_response()
        body: Any = self.wsgi_input
        if not (body.is_read or self._has_ended()):
            self._pass_over(body)

    def _pass_over(self, body: Body) -> None:
        this: Any = self
        deadline = gevent.Timeout.start_new(BODY_TIMEOUT_S)
        try:
            body.discard()
        except OSError:
            this.close_connection = True
        except gevent.Timeout as expired:
            if expired is not deadline:
                raise
            this.close_connection = True
        finally:
            deadline.close()

    def run_application(self) -> None:
        """Run the application; a body that cannot be read to its end is no fault of it."""
        try:
            super().run_application()
        except BadChunk as error:
            this: Any = self
            this.close_connection = True
            if not self.headers_sent:
                self._refuse("400 Bad Request", str(error))

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Note status and headers; an answer after which the connection ends says so."""
        body: Any = self.wsgi_input
        if body.is_awaited and not body.is_read:  # the client may keep it, as nobody asked for it
            self.close_connection = True
        write = super().start_response(status, headers, exc_info)
        names = {name.lower() for name, _value in headers}
        if self._head.version == "1.1" and self.close_connection and "connection" not in names:
            self._answer_header(b"Connection", b"close")
        return write

    def finalize_headers(self) -> None:
        """Complete the headers; the end of an answer without a length is the connection's end."""
        super().finalize_headers()
        this: Any = self
        has_length = any(name.lower() == b"content-length" for name, _ in self._answer_headers())
        is_open = not (has_length or self.response_use_chunked or self.code in WITHOUT_BODY)
        if is_open and self._head.version == "1.0" and self.command != "HEAD":
            this.close_connection = True
            kept = [pair for pair in self._answer_headers() if pair[0].lower() != b"connection"]
            this.response_headers = [*kept, (b"Connection", b"close")]
        if self.command == "HEAD":
            this.response_use_chunked = False  # no chunk follows, not even the last one

    def _answer_headers(self) -> list[tuple[bytes, bytes]]:
        this: Any = self  # the types of these attributes are not those in gevent's stubs
        headers: list[tuple[bytes, bytes]] = this.response_headers
        return headers

    def _answer_header(self, name: bytes, value: bytes) -> None:
        self._answer_headers().append((name, value))

    def process_result(self) -> None:
        """Write the answer, piece by piece; of an answer to HEAD only its headers."""
        if self.command != "HEAD":
            super().process_result()
            return
        this: Any = self
        for _piece in this.result:
            if self.status:
                break
        if not self.headers_sent:
            self.write(b"")

    def _write(self, data: bytes) -> None:
        if self.command != "HEAD":
            super()._write(data)  # type: ignore[misc]  # gevent's stubs leave it out

    def _write_with_headers(self, data: bytes) -> None:
        """Send head and body at once: in two, the second waits 40 ms for the client's ACK."""
        self._held = held = bytearray()
        super()._write_with_headers(data)  # type: ignore[misc]  # as above
        self._held = None
        self._sendall(bytes(held))

    def _sendall(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            return
        give_way()
        try:
            send_in_time(self.socket, data, super()._sendall)  # type: ignore[misc]  # as above
        except OSError as error:  # whatever the reason, the client does not get its answer
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from error

    def _refuse(self, status: str, why: str) -> None:
        """Answer without the application, and end the connection."""
        self.log_error("%s: %s", status, why)
        self.socket.settimeout(LINGER_S)
        self.socket.sendall(refusal(status))
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

    # Passing the connection on

    def _note_successor(self, successor: Successor | None) -> None:
        self._successor = successor

    def _leave_to(self, successor: Successor) -> None:
        """Give the connection away; this handler then ends without closing it."""
        this: Any = self
        exchange = Exchange(
            duplicate(self.socket),
            self._raw_head,
            this.status,
            this.response_headers,
            partial(give_back, self.server, self.client_address),
        )
        self.rfile.close()
        self.socket.close()
        this.socket = None
        successor(exchange)


def _add_headers(environ: dict[str, Any], head: Head) -> None:
    """Add the headers by their CGI names; of several values of one name make one."""
    for name, value in head.headers:
        if "_" in name:  # it would pass for a header with a hyphen, which a proxy may have set
            continue
        key = name.replace("-", "_").upper()
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
        else:
            environ[key] = value
