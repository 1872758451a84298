"""A WSGI server with a bounded number of connections, shared fairly among client addresses.

It serves each connection with a ``WebHandler``; ``connection_slots.py`` decides which connection
closes when all slots are in use.

It overrides four methods of ``gevent.pywsgi.WSGIServer``: ``init_socket``, ``handle`` and ``stop``
are documented, ``do_handle`` is not. ``do_handle`` gets each accepted connection. gevent's own way
to bound connections, a pool of greenlets, stops accepting when it is full: it can neither close an
idle connection for a newcomer nor tell addresses apart.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import gevent
from gevent.pywsgi import WSGIServer

from gateway.transport.http.connection_slots import ConnectionSlots, Slot
from gateway.transport.http.web_handler import WebHandler
from gateway.transport.limits.client_address import TrustedProxies, holder_of

SEND_BUFFER_BYTES = 128 * 1024
"""What the kernel keeps for a client that does not read; by itself it would keep up to 4 MB."""
WAITING_MAX = 16
"""Accepted connections that wait for a slot. Each holds a descriptor and nothing else."""


class _Newcomer(NamedTuple):
    """An accepted connection that waits for a slot."""

    sock: Any
    address: Any
    holder: str | None


class WebServer(WSGIServer):
    """Serves WSGI on at most ``max_connections`` connections.

    Connections that were handed over (``handover.py``, ``socket_handoff.py``) do not count. A
    newcomer that gets no slot waits. When more than ``WAITING_MAX`` wait, the server closes the
    newest one from the address with most connections. Connections of ``proxies`` are never closed
    for a newcomer. Without ``takes_chunks`` a chunked body is answered with 411. There is no TLS: a
    proxy in front does that.
    """

    handler_class = WebHandler

    def __init__(
        self,
        *args: Any,
        max_connections: int | None = None,
        proxies: TrustedProxies | None = None,
        takes_chunks: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        if self.ssl_enabled:
            raise ValueError("this server speaks no TLS: let a proxy in front of it do that")
        self._slots = ConnectionSlots(max_connections, self._serve_waiting)
        self._proxies = proxies or TrustedProxies()
        self._waiting: list[_Newcomer] = []
        self.takes_chunks = takes_chunks

    def init_socket(self) -> None:
        """Open the listening socket; accepted TCP connections inherit its options.

        Those that were accepted by the kernel before do not: a listener that was passed in may
        have some. A connection over a Unix socket has a small buffer anyway.
        """
        super().init_socket()
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def do_handle(self, *args: Any) -> None:
        """Serve an accepted connection in a greenlet of its own, once it has a slot."""
        sock, address = args
        newcomer = _Newcomer(sock, address, self._holder(address))
        if not self._serve(newcomer):
            self._waiting.append(newcomer)
            if len(self._waiting) > WAITING_MAX:
                self._close_one_waiting()

    def serve_again(self, address: Any, sock: Any, serve: Callable[[Slot], object]) -> bool:
        """Serve a connection that was given back; return False when there is no slot for it."""
        return self._start(sock, self._holder(address), serve)

    def handle(self, *args: Any) -> None:
        """Serve a connection to its end; the last argument is its slot."""
        sock, address, slot = args
        handler = self.handler_class(sock, address, self)
        handler.slot = slot
        handler.handle()

    def _holder(self, address: Any) -> str | None:
        host = str(address[0]) if isinstance(address, tuple) else ""
        return None if self._proxies.trusts(host) else holder_of(host)

    def _serve(self, newcomer: _Newcomer) -> bool:
        sock, address, holder = newcomer
        return self._start(sock, holder, partial(self.handle, sock, address))

    def _start(self, sock: Any, holder: str | None, serve: Callable[[Slot], object]) -> bool:
        slot = self._slots.enter(holder, partial(_shut_down, sock))
        if slot is None:
            return False
        gevent.spawn(self._run, slot, sock, serve)
        return True

    def _run(self, slot: Slot, sock: Any, serve: Callable[[Slot], object]) -> None:
        try:
            serve(slot)
        finally:
            sock.close()
            self._slots.end(slot)
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Serve newcomers while there are slots, those from the address with fewest first."""
        while self._waiting:
            chosen = min(self._waiting, key=lambda newcomer: self._slots.count(newcomer.holder))
            if not self._serve(chosen):
                return
            self._waiting.remove(chosen)

    def _close_one_waiting(self) -> None:
        """Close the newest waiting connection of the address that holds and waits for most."""
        holders = [newcomer.holder for newcomer in self._waiting]
        claims = [holders.count(holder) + self._slots.count(holder) for holder in holders]
        newest_of_most = max(range(len(claims)), key=lambda index: (claims[index], index))
        self._waiting.pop(newest_of_most).sock.close()

    def stop(self, timeout: float | None = None) -> None:
        """Accept no more connections and close those that wait for a slot."""
        while self._waiting:
            self._waiting.pop().sock.close()
        super().stop(timeout)


def _shut_down(sock: Any) -> None:
    """Make the greenlet that serves a connection end: its next read or write fails."""
    with suppress(OSError):  # the client may have left just now
        sock.shutdown(socket.SHUT_RDWR)
