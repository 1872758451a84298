"""Take a TCP connection out of the web server that accepted it.

The descriptor is duplicated and the web server's own socket closed, so that the server cannot
read another byte of it. The application then returns no answer: pywsgi sends nothing for it, and a
broken pipe tells gunicorn that the client left. No middleware sees an exception.
"""

import _socket
import errno
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from gevent import socket as gevent_socket

Environ = Mapping[str, Any]

# Set by our own web server where it has read nothing behind the request.
HANDOVER = "gateway.transport.handover"


class CannotTake(Exception):
    """The web server gives no access to a plain TCP socket, or speaks TLS on it itself."""


def server_socket(environ: Environ) -> gevent_socket.socket:
    """Return the web server's socket of this request."""
    found = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    if found is None:
        found = getattr(_buffered_input(environ), "raw", None)
        found = getattr(found, "_sock", None)
    if type(found) is not gevent_socket.socket:
        raise CannotTake("WebSocket needs gevent's pywsgi or gunicorn's gevent worker without TLS")
    return found


def is_gevents(environ: Environ) -> bool:
    """Say whether a request is served by gevent.

    gunicorn has other workers, too. It says of those of gevent that they have threads.
    """
    found = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    if found is None:
        return not environ.get("wsgi.multithread")
    return type(found).__module__.startswith("gevent.")


def can_take(environ: Environ) -> bool:
    """Say whether ``take`` would work, so that an upgrade is worth offering."""
    try:
        server_socket(environ)
    except CannotTake:
        return False
    return True


def take(environ: Environ, send_buffer_bytes: int) -> tuple[_socket.socket, bytes]:
    """Return a socket of our own and what the client sent behind its request."""
    theirs = server_socket(environ)
    early = _read_ahead(environ, theirs)
    ours = duplicate(theirs)
    _set_options(ours, send_buffer_bytes)
    _close(environ, theirs)
    return ours, early


def duplicate(theirs: gevent_socket.socket) -> _socket.socket:
    """Return a socket of our own for the same connection; it does not wait."""
    # The C class: the Python one is replaced where a worker was monkey-patched.
    ours = _socket.socket(theirs.family, _socket.SOCK_STREAM, 0, os.dup(theirs.fileno()))
    ours.setblocking(False)
    return ours


class Taken(Exception):
    """The connection was taken: its request gets no answer by the web server."""


def leave() -> NoReturn:
    """End the serving of a request whose connection was taken; call it last."""
    raise Taken


class _BrokenPipe:
    """An answer that ends when the web server asks for its first part."""

    def __iter__(self) -> "_BrokenPipe":
        return self

    def __next__(self) -> bytes:
        raise BrokenPipeError(errno.EPIPE, "connection taken over")


def no_answer(environ: Environ) -> Iterable[bytes]:
    """Return what a WSGI application returns when its connection was taken."""
    return _BrokenPipe() if "gunicorn.socket" in environ else []


def _set_options(sock: _socket.socket, send_buffer_bytes: int) -> None:
    with suppress(OSError):  # some systems refuse when the client has gone already
        _limit_and_hurry(sock, send_buffer_bytes)


def _limit_and_hurry(sock: _socket.socket, send_buffer_bytes: int) -> None:
    # The kernel would let this grow to 4 MB a slow client, all of it stale when it is read.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _buffered_input(environ: Environ) -> Any:
    """pywsgi: the reader itself for an upgrade, else wrapped."""
    source = environ.get("wsgi.input")
    return getattr(source, "rfile", source)


def _read_ahead(environ: Environ, theirs: gevent_socket.socket) -> bytes:
    if HANDOVER in environ:
        return b""
    source = environ.get("wsgi.input")
    unreader = getattr(getattr(source, "reader", None), "unreader", None)
    if unreader is not None:
        return bytes(unreader.take_buffered())
    theirs.settimeout(0.0)  # a peek must not wait for more
    return bytes(_buffered_input(environ).peek())


def _close(environ: Environ, theirs: gevent_socket.socket) -> None:
    source = _buffered_input(environ)
    if hasattr(source, "raw"):
        source.close()
    theirs.close()
