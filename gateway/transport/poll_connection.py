"""A polling client's connection between its GETs, without a greenlet.

A client that polls sends the same GET again and again. Once the web server and the application
have served one, each that follows on the same connection and consists of the same bytes, but for
the ``t=`` against caches, is answered here from the event loop. So nothing is parsed here: what
was allowed for those bytes once is allowed again. Anything else goes back to the web server, which
reads it as if nobody had.
"""

import re
import socket
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gevent import get_hub

from gateway.transport import payload
from gateway.transport.connection import Connection
from gateway.transport.handover import Exchange
from gateway.transport.timeslice import time_slices

if TYPE_CHECKING:
    from gateway.transport.engine_server import EngineServer

READABLE = 1
# What the stamp may add to the request that was seen first.
LONGEST_STAMP_BYTES = 64
# As a query spells and means the same.
STAMP = re.compile(rb"[?&]t=([A-Za-z0-9._~-]*)(?=[&# ])")
# Of these each answer has its own.
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
        "_used",
        "_watcher",
    )

    def __init__(
        self,
        server: "EngineServer",
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
        self._asked_count = asked_count  # the GETs of the session up to the one answered here last
        self._head = answer_head(exchange.status, exchange.headers)
        self._used = True
        self._watcher: Any = get_hub().loop.io(exchange.sock.fileno(), READABLE)
        self._watcher.start(self._readable)
        server.resting.add(self)
        server.rests.add(self)
        self._take_the_place()

    def _take_the_place(self) -> None:
        """Be the only one its session keeps: a client could have any number of them."""
        polling = self._session.polling
        if polling is None:
            return
        if polling.kept is not None and polling.occupied:  # it went on while this was passed on
            self.close()
            return
        if polling.kept is not None:
            polling.kept.close()
        polling.kept = self

    def check(self) -> None:
        """Close a connection on which nothing came for a while; called again and again."""
        polling, used, self._used = self._session.polling, self._used, False
        if self._exchange is None:
            return
        if used or (polling is not None and polling.occupied):
            self._server.rests.add(self)
        else:
            self.close()

    # In

    def _readable(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        slices = time_slices()
        if slices.is_over:
            self._watcher.stop()
            slices.run_later(self._go_on, is_new=True)
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
        elif request == self._request and self._server.take_poll(self._session, stamp):
            self._poll()
        else:
            self._give_back(unread=came)

    def _go_on(self) -> None:
        if self._exchange is not None:
            self._watcher.start(self._readable)
            self._readable()

    def _poll(self) -> None:
        polling = self._session.polling
        assert polling is not None
        self._asked_count = polling.requests.asked_count
        packets = polling.ask(self._answer_later)
        if packets is None:
            self._watcher.stop()
            self._watcher.start(self._interrupted)
        else:
            self._answer(packets)

    def _interrupted(self) -> None:
        """Notice a client that says something while its GET waits: mostly that it has gone."""
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
        _, encoding, body = self._server.compressed(self._accepted, [], body)
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
            self._session.hang_up()  # what was on its way is lost: the client resumes

    def _reset(self) -> None:
        """Take what was answered last for unread, unless the client has asked on by another way."""
        polling = self._session.polling
        if polling is not None and self._asked_count == polling.requests.asked_count:
            self._lose()
        else:
            self.close()

    def _lose(self) -> None:
        """End the session too: something that was sent did not arrive, and nobody has it now."""
        self.close()
        if self._session.polling is not None:
            self._session.hang_up()

    def close(self) -> None:
        """Close at once."""
        self._end().sock.close()

    def _end(self) -> Exchange:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        self._server.resting.discard(self)
        polling = self._session.polling
        if polling is not None and polling.kept is self:
            polling.kept = None
        self._watcher.stop()
        self._watcher.close()
        return exchange


def split_stamp(request: bytes) -> tuple[bytes, str]:
    """Return the request without the field of its query that differs each time, and that."""
    found = STAMP.search(request, 0, request.find(b"\r\n") + 1)
    if found is None:
        return request, ""
    return request[: found.start() + 1] + request[found.end() :], found[1].decode()


def answer_head(status: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the lines that all answers have in common."""
    common = [b"%s: %s\r\n" % each for each in headers if each[0].lower() not in OWN_HEADERS]
    return b"HTTP/1.1 %s\r\n" % status + b"".join(common)


def own_headers(encoding: Iterable[tuple[str, str]], size: int) -> bytes:
    """Return the rest of a head: the lines of one answer alone."""
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in encoding)
    return b"%sContent-Length: %d\r\n%s" % (lines, size, _date_line(int(time.time())))


@lru_cache(maxsize=1)
def _date_line(now_s: int) -> bytes:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\n\r\n".encode()
