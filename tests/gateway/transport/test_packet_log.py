"""The two loggers: the lines of the stock server, bounded, and none unless somebody wants them."""
# Flask-SocketIO has no types.
# mypy: disable-error-code="untyped-decorator"

import logging
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask_socketio
import pytest
from flask import Flask
from flask_socketio import emit

from gateway.transport.engineio.packet_log import MAX_CHARS, PacketLog, shown
from tests.gateway.transport.clients import (
    Polls,
    WebSocketClient,
    connect_namespace,
    until,
)
from tests.gateway.transport.servers import flask_app, serve
from tests.processes import ROOT


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, without what differs from session to session.

    The stock server shows the fields of OPEN as Python does; here they are JSON.
    """
    said = [record.getMessage().replace("'", '"') for record in caplog.records]
    compact = [line.replace('": ', '":').replace(', "', ',"') for line in said]
    return [re.sub(r"[\w-]{20}", "SID", line) for line in compact]


@pytest.fixture
def loggers() -> dict[str, Any]:
    """Return both options, with loggers that take level INFO."""
    found = {"logger": "socketio", "engineio_logger": "engineio"}
    made = {option: logging.getLogger(f"tests.{name}") for option, name in found.items()}
    for log in made.values():
        log.setLevel(logging.INFO)
    return made


def talk(port: int) -> None:
    """Have a client that polls say one of each."""
    polls = Polls(port)
    sid = polls.open()
    for packet in ("40", '42["say",1]', '451-["say",{"_placeholder":true,"num":0}]\x1ebAQ=='):
        polls.post(sid, packet)
        polls.get(sid)
    for packet in ("43999[1]", '42/b,["say",1]', "42" + '["unknown"]'):
        polls.post(sid, packet)
    polls.post(sid, '421["say",2]')
    while '31["ok"]' not in polls.get(sid).body:
        pass
    polls.post(sid, "1")


@contextmanager
def stock_app(**options: Any) -> Iterator[tuple[Any, int]]:
    app = Flask("stock")
    sockets = flask_socketio.SocketIO(app, async_mode="gevent", async_handlers=False, **options)
    with serve(app) as port:
        yield sockets, port
        sockets.server.shutdown()


def test_polling_is_logged_like_stock(
    caplog: pytest.LogCaptureFixture, loggers: dict[str, Any]
) -> None:
    logged = []
    kinds: list[Any] = [stock_app, flask_app]
    for serving in kinds:  # either has written all when the POST is answered
        caplog.clear()
        with serving(**loggers) as (sockets, port):

            @sockets.on("say")
            def on_say(said: Any) -> str:
                emit("said", said)
                return "ok"

            @sockets.on("say", namespace="/b")
            def on_say_b(said: Any) -> None:
                raise AssertionError

            talk(port)
            levels = [record.levelname for record in caplog.records]
            logged.append(Counter(zip(levels, lines(caplog), strict=True)))
    stock, ours = logged
    # Stock closes without a NOOP, and knows nothing of the client once it has.
    assert ours - stock == Counter({("INFO", "SID: Sending packet NOOP data "): 1})
    assert stock - ours == Counter()


def test_websocket_is_logged(caplog: pytest.LogCaptureFixture, loggers: dict[str, Any]) -> None:
    with flask_app(**loggers, ping_interval=0.05) as (sockets, port):
        sockets.on("say")(lambda said: said)
        sid = Polls(port).open()
        caplog.clear()
        client = WebSocketClient(port, sid)
        client.text("2probe")
        client.text("5")
        assert client.next_message() == "3probe"
        until(lambda: "SID: Sending packet PING data " in lines(caplog))
        client.text("3")
        client.text("40")
        until(lambda: lines(caplog)[-1].startswith("SID: Sending packet MESSAGE data 0"))
        written = [line for line in lines(caplog) if "PING" not in line]
        client.close()
    assert written == [
        "SID: Received request to upgrade to websocket",
        "SID: Upgrade to websocket successful",
        "SID: Received packet PONG data ",
        "SID: Received packet MESSAGE data 0",
        'SID: Sending packet MESSAGE data 0{"sid":"SID"}',
    ]


def test_failed_upgrade_and_silent_client_are_logged(
    caplog: pytest.LogCaptureFixture, loggers: dict[str, Any]
) -> None:
    with flask_app(**loggers, ping_interval=0.05, ping_timeout=0.05) as (_, port):
        client = WebSocketClient(port, Polls(port).open())
        client.text("nonsense")
        until(lambda: "SID: Failed websocket upgrade" in lines(caplog))
        until(lambda: "SID: Client is gone, closing socket" in lines(caplog))
        client.close()
    assert lines(caplog).count("SID: Failed websocket upgrade") == 1


def test_long_packets_are_cut(caplog: pytest.LogCaptureFixture, loggers: dict[str, Any]) -> None:
    name = "n" * 5_000
    with flask_app(**loggers) as (sockets, port):
        sockets.on(name)(lambda: "x" * 500_000)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text(f'421["{name}"]')
        assert len(client.next_message()) > 500_000
        client.close()
    assert max(map(len, lines(caplog))) < MAX_CHARS + 100
    assert shown("x" * 2_000) == "x" * MAX_CHARS + "... (2000 characters)"


@pytest.mark.parametrize("value", [False, None])
def test_nothing_is_logged_unless_wanted(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    options = {} if value is None else {"logger": value, "engineio_logger": value}
    with flask_app(**options) as (_, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        client.close()
    assert caplog.records == []


def test_true_logs_by_the_stock_names() -> None:
    """In a process of its own: the stock loggers keep the level they are given first."""
    program = (
        "from flask import Flask; from gateway.transport import SocketIO; import logging;"
        "SocketIO(Flask('x'), logger=True, engineio_logger=True);"
        "logging.getLogger('socketio.server').info('from socketio');"
        "print(logging.getLogger('engineio.server').isEnabledFor(logging.INFO))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "True\n"
    assert done.stderr.splitlines() == ["Server initialized for gevent.", "from socketio"]


def test_logger_without_levels_gets_all_lines() -> None:
    class Kept:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def info(self, line: str, *args: Any) -> None:
            self.lines.append(line % args)

    kept = Kept()
    log = PacketLog(kept)
    assert log.is_on
    log.received("a", "42[]")
    log.received("a", "9no packet")
    log.received("a", "")
    log.sent("a", bytearray(b"1"))
    assert kept.lines == [
        "a: Received packet MESSAGE data 2[]",
        "a: Sending packet MESSAGE data <binary>",
    ]
