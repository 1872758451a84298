"""``SocketIO.run``: the web server it starts, and what that server's users see."""

import logging
import ssl
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import gevent
import pytest
from flask import Flask
from gevent.pywsgi import WSGIHandler
from gevent.ssl import SSLContext

from gateway.transport import SocketIO
from tests.gateway.transport.clients import Polls, TcpClient, WebSocketClient, read_answer, until
from tests.gateway.transport.servers import end

CERTIFICATES = Path(__file__).parents[2] / "certificates"
CERTIFICATE, KEY = CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem"


@contextmanager
def running(app: Any, wrap: Any = None, **options: Any) -> Iterator[int]:
    """Call ``run`` in a greenlet, with middleware around the application; give the port."""
    sockets: Any = SocketIO(app)
    if wrap is not None:
        app.wsgi_app = wrap(app.wsgi_app)
    serving = gevent.spawn(sockets.run, app, port=0, **options)
    until(lambda: serving.dead or (sockets.wsgi_server and sockets.wsgi_server.started))
    assert not serving.dead, serving.exception
    try:
        yield int(sockets.wsgi_server.server_port)
    finally:
        end(sockets.server.eio)
        sockets.wsgi_server.stop(timeout=0.1)
        serving.join()


@pytest.fixture
def app() -> Flask:
    return Flask("under_test")


def test_gevent_websocket_installed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("geventwebsocket"), ModuleType("geventwebsocket.handler")
    module.WebSocketHandler = WSGIHandler  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, "geventwebsocket", package)
    monkeypatch.setitem(sys.modules, "geventwebsocket.handler", module)
    with running(app) as port:
        assert Polls(port).open()
        WebSocketClient(port).close()


def test_other_handler_is_used(app: Flask) -> None:
    class Handler(WSGIHandler):
        def get_environ(self) -> Any:
            return {**super().get_environ(), "HTTP_X_HANDLER": "other"}

    seen: list[str] = []

    @app.get("/")
    def home() -> str:
        seen.append("asked")
        return "home"

    with running(app, handler_class=Handler) as port:
        assert Polls(port).request("GET", "/").body == "home"
        WebSocketClient(port).close()
    assert seen == ["asked"]


def test_tls_polls_and_warns(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    served = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(CERTIFICATE, KEY)
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(CERTIFICATE)
    with caplog.at_level(logging.WARNING), running(app, ssl_context=served) as port:
        client = TcpClient(port)
        client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
        for _ in range(2):
            client.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = read_answer(client)
            assert (answer.status, '"upgrades":[]' in answer.body) == (200, True)
        client.close()
    assert [record for record in caplog.records if "WebSocket" in record.message]


def test_middleware_sees_no_exception_on_upgrade(app: Flask) -> None:
    raised: list[BaseException] = []

    def watch(inner: Any) -> Any:
        def watching(environ: Any, start_response: Any) -> Iterable[bytes]:
            try:
                parts: Iterable[bytes] = inner(environ, start_response)
            except BaseException as error:
                raised.append(error)
                raise
            return parts

        return watching

    with running(app, watch) as port:
        upgrading = WebSocketClient(port, Polls(port).open())
        upgrading.text("2probe")
        assert upgrading.next_message() == "3probe"
        upgrading.close()
        WebSocketClient(port).close()
    assert raised == []
