"""A WSGI server of ``WebHandler``s with a bounded number of connections, shared out fairly."""

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import gevent
from gevent.pywsgi import WSGIServer

from gateway.transport.client_address import TrustedProxies, holder_of
from gateway.transport.connection_slots import Place, Places
from gateway.transport.web_handler import WebHandler

WAITING_MAX = 16
"""Accepted connections that wait for a place. They hold a descriptor and nothing else."""


class _Newcomer(NamedTuple):
    """An accepted connection that waits for a place."""

    sock: Any
    address: Any
    holder: str | None


class WebServer(WSGIServer):
    """Serves WSGI, at most ``at_most`` connections at once that nobody took.

    ``Places`` says which connection gives way when all places are taken. A newcomer for which none
    does waits; of those that wait, the one whose address holds most is let go when there are more
    than ``WAITING_MAX``. Connections of ``proxies`` never give way. Without ``takes_chunks`` a body
    in chunks is answered 411. No TLS: a proxy in front does that.
    """

    handler_class = WebHandler

    def __init__(
        self,
        *args: Any,
        at_most: int | None = None,
        proxies: TrustedProxies | None = None,
        takes_chunks: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        if self.ssl_enabled:
            raise ValueError("this server speaks no TLS: let a proxy in front of it do that")
        self._places = Places(at_most, self._serve_waiting)
        self._proxies = proxies or TrustedProxies()
        self._waiting: list[_Newcomer] = []
        self.takes_chunks = takes_chunks

    def do_handle(self, *args: Any) -> None:
        """Serve a connection that was accepted, in a greenlet, once it has a place."""
        sock, address = args
        newcomer = _Newcomer(sock, address, self._holder(address))
        if not self._serve(newcomer):
            self._waiting.append(newcomer)
            if len(self._waiting) > WAITING_MAX:
                self._let_one_go()

    def serve_again(self, address: Any, sock: Any, serve: Callable[[Place], object]) -> bool:
        """Serve a connection that somebody gave back; return False when it has no place."""
        place = self._places.enter(self._holder(address), partial(_shut, sock))
        if place is None:
            return False
        gevent.spawn(self._run, place, sock, serve)
        return True

    def handle(self, *args: Any) -> None:
        """Serve a connection to its end; the last argument is its place."""
        sock, address, place = args
        handler = self.handler_class(sock, address, self)
        handler.place = place
        handler.handle()

    def _holder(self, address: Any) -> str | None:
        host = str(address[0]) if isinstance(address, tuple) else ""
        return None if self._proxies.trusts(host) else holder_of(host)

    def _serve(self, newcomer: _Newcomer) -> bool:
        place = self._places.enter(newcomer.holder, partial(_shut, newcomer.sock))
        if place is None:
            return False
        serve = partial(self.handle, newcomer.sock, newcomer.address)
        gevent.spawn(self._run, place, newcomer.sock, serve)
        return True

    def _run(self, place: Place, sock: Any, serve: Callable[[Place], object]) -> None:
        try:
            serve(place)
        finally:
            sock.close()
            self._places.end(place)
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Serve newcomers, first those whose holder has least, as far as there is room."""
        while self._waiting:
            chosen = min(self._waiting, key=lambda newcomer: self._places.held(newcomer.holder))
            if not self._serve(chosen):
                return
            self._waiting.remove(chosen)

    def _let_one_go(self) -> None:
        holders = [newcomer.holder for newcomer in self._waiting]
        claims = [holders.count(holder) + self._places.held(holder) for holder in holders]
        newest_of_most = max(range(len(claims)), key=lambda index: (claims[index], index))
        self._waiting.pop(newest_of_most).sock.close()

    def stop(self, timeout: float | None = None) -> None:
        """Accept nobody any more; connections that wait are closed."""
        while self._waiting:
            self._waiting.pop().sock.close()
        super().stop(timeout)


def _shut(sock: Any) -> None:
    """End a connection that a greenlet serves: what the greenlet waits for fails."""
    with suppress(OSError):  # its client may have gone just now
        sock.shutdown(socket.SHUT_RDWR)
