"""Each option of the stock classes is obeyed or named; what cannot work is refused at start."""

import inspect
import logging
import re
import subprocess
import sys
from typing import Any

import engineio
import flask_socketio
import pytest
import socketio
from engineio.base_server import BaseServer as EngineBase
from flask import Flask
from socketio.base_server import BaseServer as SocketBase
from werkzeug.test import EnvironBuilder, run_wsgi_app

from gateway.transport import EngineServer, SocketIO
from gateway.transport.socketio.socketio_server import SocketIOServer
from gateway.transport.stock import options
from tests.gateway.transport.clients import Polls
from tests.gateway.transport.servers import flask_app
from tests.processes import ROOT
from tests.timing import scaled_s

PAGE = ROOT / "docs" / "transport.md"
CLASSES = [flask_socketio.SocketIO, socketio.Server, engineio.Server, EngineBase, SocketBase]
PAIRS = [
    (flask_socketio.SocketIO, SocketIO),
    (socketio.Server, SocketIOServer),
    (engineio.Server, EngineServer),
]


def documented(thing: Any) -> set[str]:
    """Return the names of parameters in a docstring."""
    return set(re.findall(r":param (\w+):", thing.__doc__ or ""))


def names_of(stock: Any) -> set[str]:
    return documented(stock) | set(inspect.signature(stock.__init__).parameters)


def test_each_stock_option_is_obeyed_or_named() -> None:
    stock = set().union(*map(names_of, CLASSES)) - {"self", "app", "args", "kwargs"}
    assert stock == options.OBEYED | set(options.CHANGED)


def test_each_option_of_run_is_known() -> None:
    assert documented(flask_socketio.SocketIO.run) - {"kwargs"} == options.RUN_OPTIONS


def test_page_names_each_option_that_differs() -> None:
    page = PAGE.read_text()
    assert [name for name in options.CHANGED if f"`{name}" not in page] == []


@pytest.mark.parametrize(("stock", "ours"), PAIRS)
def test_public_methods_take_the_stock_arguments(stock: Any, ours: Any) -> None:
    public = [name for name in dir(stock) if not name.startswith("_")]
    methods = [name for name in public if inspect.isfunction(getattr(stock, name))]
    assert methods
    assert [
        it for it in methods if not takes_arguments_of(getattr(stock, it), getattr(ours, it))
    ] == []


def takes_arguments_of(stock: Any, ours: Any) -> bool:
    """Tell whether a method can be called as the stock one, by position and by name."""
    parameters = list(inspect.signature(stock).parameters.values())[1:]
    named = [it.name for it in parameters if it.kind is it.POSITIONAL_OR_KEYWORD]
    own = inspect.signature(ours)
    try:
        own.bind(None, *named)
        own.bind(None, **dict.fromkeys(named))
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("mode", ["threading", "eventlet", "gevent_uwsgi"])
def test_another_async_mode_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=mode):
        SocketIO(Flask("x"), async_mode=mode)
    late = SocketIO(async_mode=mode)
    with pytest.raises(ValueError, match=mode):
        late.init_app(Flask("x"))


@pytest.mark.parametrize("serves", [True, False])
@pytest.mark.parametrize("queue", ["amqp://host", "kafka://host", "zmq+tcp://host", "memory://"])
def test_a_queue_other_than_redis_is_refused(queue: str, serves: bool) -> None:
    with pytest.raises(ValueError, match="Redis alone"):
        SocketIO(Flask("x") if serves else None, message_queue=queue)


class Queue(socketio.PubSubManager):  # type: ignore[misc]  # socketio has no types
    """A queue that keeps what is published, encoded as every back end encodes it."""

    def __init__(self) -> None:
        super().__init__(write_only=True)
        self.out: list[bytes] = []

    def _publish(self, data: Any) -> None:
        self.out.append(self.json.dumps(data).encode())


def test_manager_of_the_application_publishes() -> None:
    queue = Queue()
    sockets = SocketIO(message_queue="x", client_manager=queue)
    sockets.emit("reading", {"kmh": 21.5}, to="room")
    (published,) = map(queue.json.loads, queue.out)
    assert (published["event"], published["data"]) == ("reading", [{"kmh": 21.5}])


def flask(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "examples.chat", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled_s(60),
    )


def test_only_flask_run_is_refused() -> None:
    refused = flask("run", "--port", "0")
    assert refused.returncode != 0
    assert options.NO_FLASK_RUN in refused.stderr
    assert "/vendor/<path:name>" in flask("routes").stdout


def test_threaded_server_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("x")
    SocketIO(app)
    builder = EnvironBuilder(
        "/socket.io/", query_string="EIO=4&transport=polling", multithread=True
    )
    body, status, _ = run_wsgi_app(app, builder.get_environ())
    assert status == "500 INTERNAL SERVER ERROR"
    assert options.NO_THREADS.encode() in b"".join(body)
    assert options.NO_THREADS in caplog.text


def test_unknown_option_is_named_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    SocketIO(Flask("x"), ping_intervall=3)
    assert [it.getMessage() for it in caplog.records] == [
        "option ping_intervall is unknown and ignored"
    ]


def test_server_is_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.announced")
    log.setLevel(logging.INFO)
    SocketIO(Flask("x"), logger=log, engineio_logger=log)
    assert [it.getMessage() for it in caplog.records] == ["Server initialized for gevent."]


EVIL, OWN = "http://evil.example", "http://localhost"


def may_enter(port: int, origin: str | None) -> bool:
    polls = Polls(port)
    headers = {} if origin is None else {"Origin": origin}
    return polls.request("GET", polls.target(), headers=headers).status == 200


@pytest.mark.parametrize(
    ("allowed", "enters", "stays_out"),
    [
        (None, [OWN], [EVIL]),
        ("*", [OWN, EVIL], []),
        (["*"], [OWN, EVIL], []),
        ("http://a.example", ["http://a.example"], [OWN, EVIL]),
        (["http://a.example", OWN], ["http://a.example", OWN], [EVIL]),
        (lambda origin: origin == "http://b.example", ["http://b.example"], [OWN]),
        (lambda origin, environ: environ.get("HTTP_ORIGIN") == origin, [OWN, EVIL], []),
        ([], [OWN], [EVIL]),
        ((), [], [OWN, EVIL]),
    ],
)
def test_allowed_origins(allowed: Any, enters: list[str], stays_out: list[str]) -> None:
    with flask_app(cors_allowed_origins=allowed) as (_, port):
        assert [origin for origin in [*enters, None] if not may_enter(port, origin)] == []
        assert [origin for origin in stays_out if may_enter(port, origin)] == []


def test_empty_list_of_origins_is_explained_once(caplog: pytest.LogCaptureFixture) -> None:
    SocketIO(Flask("x"), cors_allowed_origins=[])
    assert [it.getMessage() for it in caplog.records] == [options.EMPTY_ORIGINS]


def test_options_of_the_wire_are_obeyed() -> None:
    with flask_app(
        path="/live/",
        ping_interval=(4, 2),
        ping_timeout=3,
        max_http_buffer_size=5000,
        transports="polling",
        cookie={"name": "where", "path": "/", "HttpOnly": True, "SameSite": lambda: "Strict"},
        compression_threshold=10,
    ) as (_, port):
        polls = Polls(port, "/live/")
        answer = polls.request("GET", polls.target(), headers={"Accept-Encoding": "x, gzip;q=1"})
        assert answer.headers["content-encoding"] == "gzip"
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch("where=[^;]+; path=/; HttpOnly; SameSite=Strict", cookie)
        hello = polls.get().body
        assert '"upgrades":[],"pingTimeout":3000,"pingInterval":6000,"maxPayload":5000' in hello
        assert polls.request("GET", polls.target("websocket")).status == 400


@pytest.mark.parametrize("given", [{"http_compression": False}, {"compression_threshold": 9999}])
def test_answer_is_not_compressed(given: dict[str, Any]) -> None:
    with flask_app(resource="live", **given) as (_, port):
        polls = Polls(port, "/live/")
        answer = polls.request("GET", polls.target(), headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers


def test_no_credentials_and_no_upgrades() -> None:
    with flask_app(cors_credentials=False, allow_upgrades=False, cookie="io") as (_, port):
        polls = Polls(port)
        answer = polls.request("GET", polls.target(), headers={"Origin": OWN})
        assert "access-control-allow-credentials" not in answer.headers
        assert '"upgrades":[]' in answer.body
        assert re.fullmatch("io=[^;]+; path=/; SameSite=Lax", answer.headers["set-cookie"])
