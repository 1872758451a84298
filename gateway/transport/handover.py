"""A connection between two requests, passed on by the web server and given back to it."""

import _socket
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from typing import Any

import gevent
from gevent import socket as gevent_socket
from gevent.pywsgi import WSGIServer

# Who takes nothing of an answer for so long is not waited for: half of nginx's default.
SEND_TIMEOUT_S = 30.0
# The time is for each piece of this size, so that a slow line may take its own.
SEND_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Exchange:
    """A GET that was answered, and its connection, on which nothing is under way.

    ``give_back(sock, rest, unread)`` returns whether the web server had room for it.
    """

    sock: _socket.socket
    request: bytes
    status: bytes
    headers: list[tuple[bytes, bytes]]
    give_back: Callable[[_socket.socket, bytes, bytes], bool]


Successor = Callable[[Exchange], object]


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
) -> bool:
    """Have ``server`` write ``rest`` and serve ``sock`` from ``unread`` on, as if just accepted.

    False when it has no place for it; then ``sock`` is closed.
    """
    theirs = gevent_socket.socket(sock.family, socket.SOCK_STREAM, 0, sock.detach())
    serve = partial(_serve, server, address, theirs, rest, unread)
    serve_again: Any = getattr(server, "serve_again", None)
    if serve_again is None:  # a stock server, which has a place for everybody
        gevent.spawn(serve, None)
        return True
    if serve_again(address, theirs, serve):
        return True
    theirs.close()
    return False


def send_in_time(sock: gevent_socket.socket, data: bytes, send: Callable[[bytes], object]) -> None:
    """Send piece by piece; raises TimeoutError when one of them is not taken in time."""
    sock.settimeout(SEND_TIMEOUT_S)
    for start in range(0, len(data), SEND_PIECE):
        send(data[start : start + SEND_PIECE])
    sock.settimeout(None)


def _serve(
    server: WSGIServer,
    address: Any,
    sock: gevent_socket.socket,
    rest: bytes,
    unread: bytes,
    place: Any,
) -> None:
    try:
        send_in_time(sock, rest, sock.sendall)
        handler: Any = server.handler_class(sock, address, server)
        handler.place = place
        if unread:
            handler.rfile = BufferedReader(Unread(sock, unread))
        handler.handle()
    except OSError:
        return  # the client went away, or takes nothing
    finally:
        sock.close()
