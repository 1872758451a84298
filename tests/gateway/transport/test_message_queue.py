"""Servers that share a message queue: real Redis, real processes, stock clients."""

import logging
import os
import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_socketio
import pytest
import socketio

from gateway.transport import SocketIO
from tests.conftest import StartProcess
from tests.gateway.transport.clients import answers, until
from tests.processes import RunningProcess
from tests.servers import server
from tests.timing import eventually, scaled_s

HERE = Path(__file__).parent / "queue"
OURS = "app.py PORT"
STOCK = "-m gevent.monkey app.py PORT"
GUNICORN = "-m gunicorn -k gevent -b 127.0.0.1:PORT app:app"
SILENT = logging.getLogger("tests.silent")  # threads of a client outlive its test
SILENT.disabled = True
LOST, BACK = "Redis is lost", r"Redis is back; \d+ messages"


class Client:
    """A stock client that keeps what it is sent, and answers questions."""

    def __init__(self, port: int, transport: str) -> None:
        self.got: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.io = socketio.Client(
            reconnection=False, request_timeout=scaled_s(20), engineio_logger=SILENT
        )
        self.io.on("*", lambda *event: self.got.put(event))
        self.io.on("question", lambda text: f"{text} because")
        self.io.on("disconnect", lambda _reason: self.got.put(("gone",)))
        self.io.connect(
            f"http://127.0.0.1:{port}", transports=[transport], wait_timeout=scaled_s(20)
        )
        self.sid = self.call("me")

    def call(self, event: str, *data: Any) -> Any:
        return self.io.call(event, data or None, timeout=scaled_s(10))

    def next(self) -> tuple[Any, ...]:
        return self.got.get(timeout=scaled_s(10))


@dataclass
class Servers:
    """Starts a Redis, and servers that share it."""

    start_process: StartProcess
    free_port: Callable[[], int]
    redis_port: int
    folder: Path
    stack: ExitStack

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def start_redis(self) -> RunningProcess:
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", ""]
        process = self.start_process([server("redis-server"), *options], None, self.folder)
        process.wait_for_line("Ready to accept connections")
        return process

    def start(self, command: str = OURS) -> tuple[RunningProcess, int]:
        port = self.free_port()
        argv = ["python", *command.replace("PORT", str(port)).split()]
        process = self.start_process(argv, {"REDIS_URL": self.url}, HERE)
        until(lambda: answers(port), 20)
        return process, port

    def client(self, port: int, transport: str = "websocket") -> Client:
        client = Client(port, transport)
        self.stack.callback(client.io.disconnect)
        return client


@pytest.fixture
def servers(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(start_process, free_port, free_port(), tmp_path, stack)


def meet(first: Client, second: Client) -> None:
    """Wait until what one server emits reaches the clients of the other, and forget what came."""
    for here, there in ((first, second), (second, first)):

        def arrives(here: Client = here, there: Client = there) -> bool:
            here.call("emit", "hello", 1, there.sid)
            return not there.got.empty()

        eventually(arrives, what="an event from the other server")
        here.call("emit", "met", 1, there.sid)
        while there.next() != ("met", 1):
            pass


@pytest.mark.parametrize("other", [STOCK, GUNICORN])
def test_two_servers_are_one(servers: Servers, other: str) -> None:
    servers.start_redis()
    process, port = servers.start()
    other_process, other_port = servers.start(other)
    first, second = servers.client(port), servers.client(other_port, "polling")
    meet(first, second)
    for here, there in ((first, second), (second, first)):
        assert_emits_arrive(here, there)
        assert_rooms_are_shared(here, there)
    external = flask_socketio.SocketIO(message_queue=servers.url, async_mode="threading")
    for publisher in (external, SocketIO(message_queue=servers.url)):
        publisher.emit("news", {"by": "nobody"})
        assert first.next() == second.next() == ("news", {"by": "nobody"})
    first.call("do", "disconnect", second.sid)
    assert second.next() == ("gone",)
    external.server.disconnect(first.sid)
    assert first.next() == ("gone",)
    assert "Traceback" not in process.output + other_process.output


def assert_emits_arrive(here: Client, there: Client) -> None:
    """Emit to all and to one, and have an answer come back."""
    data = [1, {"a": b"\x00\xff"}]
    here.call("emit", "all", data, None)
    assert here.next() == there.next() == ("all", data)
    here.call("emit", "one", "x", there.sid)
    assert there.next() == ("one", "x")
    here.call("ask", there.sid)
    assert here.next() == ("answer", "why? because")


def assert_rooms_are_shared(here: Client, there: Client) -> None:
    """Enter, leave and close rooms from either server."""
    there.call("do", "enter_room", there.sid, "room")
    here.call("emit", "in", 1, "room")
    assert there.next() == ("in", 1)
    here.call("do", "close_room", "room")
    here.call("emit", "in", 2, "room")
    here.call("do", "enter_room", there.sid, "far")
    here.call("emit", "in", 3, "far")
    here.call("do", "leave_room", there.sid, "far")
    here.call("emit", "in", 4, "far")
    here.call("emit", "end", 0, None)
    assert [there.next(), there.next()] == [("in", 3), ("end", 0)]
    assert here.next() == ("end", 0)


def test_redis_away_and_back(servers: Servers) -> None:
    process, port = servers.start()  # before there is a Redis
    _, other_port = servers.start()
    first, neighbour = servers.client(port), servers.client(port)
    second = servers.client(other_port)
    process.wait_for_line(LOST)
    redis = servers.start_redis()
    process.wait_for_line(BACK)
    meet(first, second)
    redis.stop(signal.SIGKILL)
    process.wait_for_line(LOST, count=2)
    first.call("emit", "local", 1, None)
    assert first.next() == neighbour.next() == ("local", 1)
    redis = servers.start_redis()
    process.wait_for_line(BACK, count=2)
    meet(first, second)
    assert len([it for it in process.output.splitlines() if "Redis is" in it]) == 4
    os.kill(redis.pid, signal.SIGSTOP)
    said = first.call("flood")
    os.kill(redis.pid, signal.SIGCONT)
    assert said.startswith("QueueFull: ")
    assert "bytes wait for Redis" in said
    meet(first, second)
    assert "Traceback" not in process.output
