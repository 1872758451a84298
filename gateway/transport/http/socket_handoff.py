"""Takes a TCP connection out of the web server that accepted it.

``take`` duplicates the descriptor and closes the web server's own socket, so that the server cannot
read another byte of the connection. Then the application has to return ``no_answer``: an empty
answer, for which pywsgi sends nothing to a closed socket, or for gunicorn one that fails with a
broken pipe, as if the client had left. No middleware sees an exception.

No server documents a way to its socket, so this module uses: of pywsgi, ``rfile`` of the object in
``wsgi.input``, and ``raw._sock`` of that reader (of Python's ``socket.SocketIO``); of gunicorn's
gevent worker, ``gunicorn.socket`` in the environment, and ``reader.unreader.take_buffered()`` of
``wsgi.input`` for the bytes that it has read.
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

HANDOVER = "gateway.transport.http.handover"
"""The key of ``WebHandler``'s handover function in a WSGI environment. Where it is set, the web
server has read no bytes behind the request."""


class CannotTake(Exception):
    """The web server gives no access to the TCP socket, or speaks TLS on it."""


def server_socket(environ: Environ) -> gevent_socket.socket:
    """Return the web server's socket of a request. Raises CannotTake."""
    found = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    if found is None:
        found = getattr(_buffered_input(environ), "raw", None)
        found = getattr(found, "_sock", None)
    if type(found) is not gevent_socket.socket:
        raise CannotTake("WebSocket needs gevent's pywsgi or gunicorn's gevent worker without TLS")
    return found


def is_gevents(environ: Environ) -> bool:
    """True when gevent serves the request.

    gunicorn sets ``wsgi.multithread`` for its gevent workers, too, so its socket decides.
    """
    found = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    if found is None:
        return not environ.get("wsgi.multithread")
    return type(found).__module__.startswith("gevent.")


def can_take(environ: Environ) -> bool:
    """True when ``take`` would work, so that the server can offer an upgrade."""
    try:
        server_socket(environ)
    except CannotTake:
        return False
    return True


def take(environ: Environ, send_buffer_bytes: int) -> tuple[_socket.socket, bytes]:
    """Return a socket of our own and the bytes that the client sent behind its request."""
    theirs = server_socket(environ)
    early = _read_ahead(environ, theirs)
    ours = duplicate(theirs)
    _set_options(ours, send_buffer_bytes)
    _close(environ, theirs)
    return ours, early


def duplicate(theirs: gevent_socket.socket) -> _socket.socket:
    """Return a non-blocking socket of our own for the same connection."""
    # Monkey-patching, which gunicorn's worker does, replaces socket.socket but not this class.
    ours = _socket.socket(theirs.family, _socket.SOCK_STREAM, 0, os.dup(theirs.fileno()))
    ours.setblocking(False)
    return ours


class Taken(Exception):
    """The connection was taken, so the web server must not answer the request."""


def leave() -> NoReturn:
    """Stop serving a request whose connection was taken. Raises Taken."""
    raise Taken


class _BrokenPipe:
    """An answer that fails when the web server asks for its first part."""

    def __iter__(self) -> "_BrokenPipe":
        return self

    def __next__(self) -> bytes:
        raise BrokenPipeError(errno.EPIPE, "connection taken over")


def no_answer(environ: Environ) -> Iterable[bytes]:
    """Return the answer of a WSGI application whose connection was taken."""
    return _BrokenPipe() if "gunicorn.socket" in environ else []


def _set_options(sock: _socket.socket, send_buffer_bytes: int) -> None:
    with suppress(OSError):  # some systems refuse when the client has left
        # The kernel would let the buffer of a slow client grow to 4 MB of stale data.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _buffered_input(environ: Environ) -> Any:
    """Return pywsgi's reader: ``wsgi.input`` itself for an upgrade, otherwise inside ``Body``."""
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
