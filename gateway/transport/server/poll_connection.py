"""A polling client's TCP connection between its GETs, without a greenlet.

How it works: a client that polls sends the same GET again and again. The web server and the
application serve a TCP connection until two requests in a row on it were polls of a session
(``WebHandler._serve_one``). This module then answers each further GET on it whose bytes are the
same, except for the ``t=`` against caches, from the event loop. Nothing is parsed: the bytes were
allowed once, so they are allowed again. With any other bytes the connection goes back to the web
server, which reads them as if they had just come.

Invariants: a session has at most one such connection (``PollingLink.resting``). An answer that
cannot be delivered ends the session, because no other copy of its packets exists.
"""

import re
import socket
import time
from collections.abc import Iterable
from typing import Any

from gevent import get_hub

from gateway.transport.connection.connection import Connection
from gateway.transport.engineio import payload
from gateway.transport.event_loop.timeslice import time_slices
from gateway.transport.http.handover import Exchange
from gateway.transport.http.web_handler import http_date
from gateway.transport.server.engine_sessions import EngineSessions

READABLE = 1
# A later request may be longer than the first one by a stamp of at most this length.
LONGEST_STAMP_BYTES = 64
# The field ``t`` of a query, with characters that need no decoding.
STAMP = re.compile(rb"[?&]t=([A-Za-z0-9._~-]*)(?=[&# ])")
# Each answer has its own values for these headers.
OWN_HEADERS = frozenset({b"content-length", b"content-encoding", b"date"})


class PollConnection:
    """Answers repeated GETs of one session; ends by closing or by giving the connection back."""

    __slots__ = (
        "_accepted",
        "_asked_count",
        "_exchange",
        "_head",
        "_request",
        "_server",
        "_session",
        "_slices",
        "_used",
        "_watcher",
    )

    def __init__(
        self,
        server: EngineSessions,
        session: Connection,
        asked_count: int,
        accepted: str,
        exchange: Exchange,
    ) -> None:
        self._server = server
        self._session = session
        self._accepted = {"HTTP_ACCEPT_ENCODING": accepted}
        self._exchange: Exchange | None = exchange
        self._request, _ = split_stamp(exchange.request)
        self._asked_count = asked_count  # number of the session's GET that was answered here last
        self._head = answer_head(exchange.status, exchange.headers)
        self._used = True
        self._slices = time_slices()
        self._watcher: Any = get_hub().loop.io(exchange.sock.fileno(), READABLE)
        self._watcher.start(self._readable)
        server.resting.add(self)
        server.timers.rests.add(self)
        self._replace_other()

    def _replace_other(self) -> None:
        """Be the session's only resting connection: a client could open any number of them."""
        polling = self._session.polling
        if polling is None:
            return
        if polling.resting is not None and polling.occupied:  # a GET waits on the other one already
            self.release()
            return
        if polling.resting is not None:
            polling.resting.release()
        polling.resting = self

    def check(self) -> None:
        """Close it if nothing came for a while; a timer calls this every ``IDLE_TIMEOUT_S``."""
        polling, used, self._used = self._session.polling, self._used, False
        if self._exchange is None:
            return
        if used or (polling is not None and polling.occupied):
            self._server.timers.rests.add(self)
        else:
            self.close()

    # In

    def _readable(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if self._slices.is_over:
            self._watcher.stop()
            self._slices.run_later(self._go_on, is_light=True)
            return
        try:
            came = exchange.sock.recv(len(exchange.request) + LONGEST_STAMP_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._reset()
            return
        request, stamp = split_stamp(came)
        if not came:
            self.close()
        elif request == self._request and self._is_allowed(stamp):
            self._poll()
        else:
            self._give_back(unread=came)

    def _go_on(self) -> None:
        if self._exchange is not None:
            self._watcher.start(self._readable)
            self._readable()

    def _is_allowed(self, stamp: str) -> bool:
        """Say whether the GET with this stamp is to be answered as usual."""
        session, polling = self._session, self._session.polling
        return (
            polling is not None
            and not polling.occupied
            and session.probe is None
            and not session.closed
            and not self._server.timers.heart.is_overdue(session, time.monotonic())
            and not polling.requests.is_get_again(stamp, time.time())
        )

    def _poll(self) -> None:
        polling = self._session.polling
        assert polling is not None
        self._asked_count = polling.requests.asked_count
        packets = polling.answer_get(self._answer_later)
        if packets is None:
            self._watcher.stop()
            self._watcher.start(self._interrupted)
        else:
            self._answer(packets)

    def _interrupted(self) -> None:
        """Look at data or an end of file that comes while a GET waits: mostly the client left."""
        self._watcher.stop()  # readable stays readable: look once
        exchange = self._exchange
        if exchange is None:
            return
        try:
            gone = not exchange.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._watcher.start(self._interrupted)
            return
        except OSError:
            gone = True
        if gone:
            self._lose()

    # Out

    def _answer_later(self, packets: list[str | bytes]) -> None:
        if self._exchange is None:
            return
        self._watcher.stop()
        self._watcher.start(self._readable)
        self._answer(packets)

    def _answer(self, packets: list[str | bytes]) -> None:
        exchange, self._used = self._exchange, True
        assert exchange is not None
        body = payload.encode(packets).encode()
        encoding, body = self._server.compression.apply(self._accepted, body)
        answer = b"".join((self._head, own_headers(encoding, len(body)), body))
        self._server.end_poll(self._session)
        try:
            sent = exchange.sock.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose()
            return
        if sent < len(answer) or self._session.closed:
            self._give_back(rest=answer[sent:])

    # The end

    def _give_back(self, rest: bytes = b"", unread: bytes = b"") -> None:
        exchange = self._end()
        was_taken = exchange.give_back(exchange.sock, rest, unread)
        if not was_taken and self._session.polling is not None:
            self._session.hang_up()  # the rest of the answer is lost: the client must reconnect

    def _reset(self) -> None:
        """Treat the last answer as lost, unless the client has sent a GET elsewhere since then."""
        polling = self._session.polling
        if polling is not None and self._asked_count == polling.requests.asked_count:
            self._lose()
        else:
            self.close()

    def _lose(self) -> None:
        """End the session too: its last packets did not arrive, and no copy of them exists."""
        self.close()
        if self._session.polling is not None:
            self._session.hang_up()

    def release(self) -> None:
        """Return the idle connection to the web server.

        A proxy sends the requests of many clients over its connections. Closing this one would lose
        the request of another client that is on its way.
        """
        exchange = self._end()
        exchange.give_back(exchange.sock, b"", b"")

    def close(self) -> None:
        """Close at once."""
        self._end().sock.close()

    def _end(self) -> Exchange:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        self._server.resting.discard(self)
        polling = self._session.polling
        if polling is not None and polling.resting is self:
            polling.resting = None
        self._watcher.stop()
        self._watcher.close()
        return exchange


def split_stamp(request: bytes) -> tuple[bytes, str]:
    """Return the request without the stamp in its query, and the stamp ("" without one)."""
    found = STAMP.search(request, 0, request.find(b"\r\n") + 1)
    if found is None:
        return request, ""
    return request[: found.start() + 1] + request[found.end() :], found[1].decode()


def answer_head(status: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the first lines of an answer, which are the same for all answers."""
    common = [b"%s: %s\r\n" % each for each in headers if each[0].lower() not in OWN_HEADERS]
    return b"HTTP/1.1 %s\r\n" % status + b"".join(common)


def own_headers(encoding: Iterable[tuple[str, str]], size: int) -> bytes:
    """Return the lines of a head that belong to one answer."""
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in encoding)
    date = http_date(int(time.time()))
    return b"%sContent-Length: %d\r\nDate: %s\r\n\r\n" % (lines, size, date)
