"""Servers under test: real ones, on a port of their own, in the test's own event loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import engineio
import gevent
from flask import Flask
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from gateway.transport import EngineServer, SocketIO, WebHandler
from tests.timing import scaled_s


@dataclass
class Happenings:
    """What an application was told, in order; a test waits for entries."""

    entries: list[Any] = field(default_factory=list)
    _grew: Event = field(default_factory=Event)

    def add(self, entry: Any) -> None:
        self.entries.append(entry)
        self._grew.set()

    def wait_for(self, entry: Any, limit_s: float = 10) -> None:
        self.wait_until(lambda: entry in self.entries, limit_s)

    def wait_until(self, reached: Callable[[], bool], limit_s: float = 10) -> None:
        failure = AssertionError(f"not reached; so far {self.entries}")
        with gevent.Timeout(scaled_s(limit_s), failure):
            while not reached():
                self._grew.wait(0.05)
                self._grew.clear()


@contextmanager
def serve(app: Any) -> Iterator[int]:
    """Serve a WSGI application with gevent's pywsgi; give its port."""
    server = WSGIServer(("127.0.0.1", 0), app, log=None, handler_class=WebHandler)
    server.start()
    try:
        yield int(server.address[1])
    finally:
        server.stop(timeout=0.1)


@contextmanager
def flask_app(**options: Any) -> Iterator[tuple[SocketIO, int]]:
    """Serve a Flask application with ``SocketIO(**options)``."""
    app = Flask("under_test")
    sockets = SocketIO(app, **options)
    with serve(app) as port:
        try:
            yield sockets, port
        finally:
            end(sockets.server.eio)


@contextmanager
def echo_engine(**options: Any) -> Iterator[tuple[EngineServer, int, Happenings]]:
    """Serve an ``EngineServer`` alone that returns every message."""
    engine = EngineServer(**options)
    happenings = Happenings()

    def on_message(sid: str, data: Any) -> None:
        happenings.add(("message", data))
        engine.send(sid, data)

    def on_disconnect(sid: str, reason: str) -> None:
        happenings.add(("disconnect", reason))

    engine.on("message", on_message)
    engine.on("disconnect", on_disconnect)
    with serve(engineio.WSGIApp(engine)) as port:
        try:
            yield engine, port, happenings
        finally:
            end(engine)


def end(engine: EngineServer) -> None:
    """Close what a test left open."""
    close_transports(engine)
    engine.shutdown()


def close_transports(engine: EngineServer) -> None:
    """Close every connection so that a stock client comes back."""
    for connection in list(engine.sockets.values()):
        connection.close_transport()
