"""A connection between two requests: the web server hands it over and may get it back.

``socket_handoff.py`` is different: it takes a connection in the middle of a request, for good.
"""

import _socket
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import DEFAULT_BUFFER_SIZE, BufferedReader
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gevent.pywsgi import WSGIServer

SEND_TIMEOUT_S = 30.0
"""How long a client may take nothing of an answer: half of nginx's default."""
SEND_PIECE = 65_536
"""The timeout holds for each piece of this many bytes, so a slow line gets a long answer whole."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answered GET and its connection, on which no other request has begun.

    ``status`` and ``headers`` are those of the answer. ``give_back(sock, rest, unread)`` returns
    the connection to the web server, see the function below; False means that there was no slot.
    """

    sock: _socket.socket
    request: bytes
    status: bytes
    headers: list[tuple[bytes, bytes]]
    give_back: Callable[[_socket.socket, bytes, bytes], bool]


Successor = Callable[[Exchange], object]
"""Takes over the connection of an exchange."""


class PrefixedSocket(socket.SocketIO):
    """A raw reader of a connection that first returns bytes which were already read from it."""

    def __init__(self, sock: gevent_socket.socket, prefix: bytes) -> None:
        super().__init__(sock, "rb")
        self._prefix = prefix

    def readinto(self, buffer: Any) -> int | None:
        if not self._prefix:
            return super().readinto(buffer)
        size = min(len(buffer), len(self._prefix))
        buffer[:size], self._prefix = self._prefix[:size], self._prefix[size:]
        return size


def give_back(
    server: WSGIServer, address: Any, sock: _socket.socket, rest: bytes, unread: bytes
) -> bool:
    """Return a connection to ``server``, which serves it like one it has just accepted.

    ``rest`` is the unsent end of an answer and is written first. ``unread`` holds bytes of the next
    requests that were already read. Returns False and closes ``sock`` when the server has no slot.
    """
    theirs = gevent_socket.socket(sock.family, socket.SOCK_STREAM, 0, sock.detach())
    serve = partial(_serve, server, address, theirs, rest, unread)
    serve_again: Any = getattr(server, "serve_again", None)
    if serve_again is None:  # a stock WSGIServer, which has no slots
        gevent.spawn(serve, None)
        return True
    if serve_again(address, theirs, serve):
        return True
    theirs.close()
    return False


def send_in_time(sock: gevent_socket.socket, data: bytes) -> None:
    """Send piece by piece. Raises TimeoutError when the client does not take a piece in time."""
    for start in range(0, len(data), SEND_PIECE):
        rest = _send_now(sock, data[start : start + SEND_PIECE])
        if rest:
            sock.settimeout(SEND_TIMEOUT_S)
            sock.sendall(rest)
            sock.settimeout(None)


def _send_now(sock: gevent_socket.socket, piece: bytes) -> bytes:
    """Send what the kernel takes at once, mostly all; return the rest."""
    if type(sock) is not gevent_socket.socket:  # TLS may have to read first
        return piece
    try:
        sent = sock.send(piece, 0, 0.0)  # type: ignore[call-arg]  # the stubs lack the timeout
    except BlockingIOError:
        return piece
    return piece[sent:]


def _serve(
    server: WSGIServer,
    address: Any,
    sock: gevent_socket.socket,
    rest: bytes,
    unread: bytes,
    slot: Any,
) -> None:
    try:
        send_in_time(sock, rest)
        handler: Any = server.handler_class(sock, address, server)
        handler.slot = slot
        if unread:
            # The buffer takes all of it, so ``take_head`` sees the bytes behind a head.
            size = max(len(unread), DEFAULT_BUFFER_SIZE)
            handler.rfile = BufferedReader(PrefixedSocket(sock, unread), size)
        handler.handle()
    except OSError:
        return  # the client left, or takes nothing
    finally:
        sock.close()
