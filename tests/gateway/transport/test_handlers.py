"""When handlers of one client run, compared with what Flask-SocketIO promises."""

from typing import Any

import gevent
import pytest
from flask import request
from flask_socketio import emit
from gevent.event import Event

from gateway.transport import SocketIO
from gateway.transport.event_loop.serial_executor import MAX_WAITING
from tests.gateway.transport.clients import (
    PING,
    PONG,
    Polls,
    WebSocketClient,
    client_frame,
    connect_namespace,
    until,
    within,
)
from tests.gateway.transport.servers import Happenings, close_transports, flask_app


class Streaming:
    """An application whose handler sends until a handler of another event tells it to stop."""

    def __init__(self, sockets: SocketIO, namespace: str = "/") -> None:
        self.watching: set[str] = set()
        self.told = Happenings()
        self._sockets = sockets
        for event in ("start", "stop", "disconnect"):
            sockets.on_event(event, getattr(self, event), namespace)

    def start(self) -> None:
        sid = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO adds it
        self.watching.add(sid)
        while sid in self.watching:
            emit("speed", 1)
            self._sockets.sleep(0.001)
        self.told.add("ended")

    def stop(self) -> None:
        self.watching.clear()
        self.told.add("stopped")

    def disconnect(self, reason: str) -> None:
        self.watching.clear()
        self.told.add("disconnected")


@pytest.mark.parametrize("async_handlers", [True, False])
def test_disconnect_handler_ends_loop_by_websocket(async_handlers: bool) -> None:
    with flask_app(async_handlers=async_handlers) as (sockets, port):
        app = Streaming(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('42["start"]')
        assert client.next_message() == '42["speed",1]'
        client.close()
        app.told.wait_for("ended")
        assert app.told.entries == ["disconnected", "ended"]
        until(lambda: not sockets.server.eio._leaving)


@pytest.mark.parametrize("async_handlers", [True, False])
def test_disconnect_handler_ends_loop_by_polling(async_handlers: bool) -> None:
    with flask_app(async_handlers=async_handlers) as (sockets, port):
        app = Streaming(sockets)
        polls = Polls(port)
        sid = polls.open()
        polls.post(sid, '40\x1e42["start"]')
        until(lambda: "speed" in polls.get(sid).body)
        assert polls.post(sid, "1").status == 200
        app.told.wait_for("ended")
        assert app.told.entries == ["disconnected", "ended"]


@pytest.mark.parametrize("async_handlers", [True, False])
def test_leaving_a_namespace_ends_its_loop(
    async_handlers: bool,
) -> None:
    with flask_app(async_handlers=async_handlers) as (sockets, port):
        app = Streaming(sockets, "/chat")
        client = WebSocketClient(port)
        connect_namespace(client, "/chat,")
        client.text('42/chat,["start"]')
        assert client.next_message() == '42/chat,["speed",1]'
        client.text("41/chat,")
        app.told.wait_for("ended")
        client.text("40/chat,")
        until(lambda: client.next_message().startswith("40/chat,"))
        client.close()


def test_event_ends_loop_of_earlier_event() -> None:
    with flask_app() as (sockets, port):
        app = Streaming(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('42["start"]')
        client.text('42["stop"]')
        app.told.wait_for("ended")
        assert app.told.entries == ["stopped", "ended"]
        client.close()


def test_call_while_other_events_are_handled() -> None:
    with flask_app() as (sockets, port):
        told = Happenings()

        @sockets.on("ask")
        def on_ask() -> Any:
            return sockets.call("question", to=request.sid)  # type: ignore[attr-defined]  # as above

        sockets.on_event("other", lambda: told.add("other"))
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('420["ask"]')
        assert client.next_message() == '421["question"]'
        client.text('42["other"]')
        told.wait_for("other")
        client.text('431["yes"]')
        assert client.next_message() == '430["yes"]'
        client.close()


def test_quick_handlers_run_in_order() -> None:
    with flask_app() as (sockets, port):
        told = Happenings()
        sockets.on_event("n", told.add)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.send(b"".join(client_frame(1, f'42["n",{n}]'.encode()) for n in range(1000)))
        told.wait_for(999)
        assert told.entries == list(range(1000))
        client.close()


def test_events_in_turn_without_async_handlers() -> None:
    with flask_app(async_handlers=False) as (sockets, port):
        told = Happenings()

        @sockets.on("n")
        def on_number(number: int) -> None:
            told.add(("begins", number))
            sockets.sleep(0.001)
            told.add(("ends", number))

        client = WebSocketClient(port)
        connect_namespace(client)
        for number in range(5):
            client.text(f'42["n",{number}]')
        client.close()
        told.wait_for(("ends", 4))
        assert told.entries == [(what, n) for n in range(5) for what in ("begins", "ends")]


@pytest.mark.parametrize("async_handlers", [True, False])
def test_events_before_disconnect(
    async_handlers: bool,
) -> None:
    with flask_app(async_handlers=async_handlers) as (sockets, port):
        told = Happenings()
        sockets.on_event("n", told.add)
        sockets.on_event("disconnect", told.add)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.send(b"".join(client_frame(1, f'42["n",{n}]'.encode()) for n in range(200)))
        client.close()
        told.wait_until(lambda: len(told.entries) == 201)
        assert told.entries[:200] == list(range(200))


def test_events_wait_for_connect_handler() -> None:
    with flask_app() as (sockets, port):
        gate, told = Event(), Happenings()
        sockets.on_event("n", lambda: told.add("event"))

        @sockets.on("connect")
        def on_connect() -> None:
            told.add("connecting")
            gate.wait()
            told.add("connected")

        client = WebSocketClient(port)
        client.next_message()
        client.text("40")
        client.text('42["n"]')
        told.wait_for("connecting")
        for _ in range(2):  # by then the server has read the event, and its loop went on
            client.frame(PING, b"")
            assert client.next_frame() == (PONG, b"")
        gate.set()
        told.wait_for("event")
        assert told.entries == ["connecting", "connected", "event"]
        client.close()


def test_client_leaves_during_connect_handler() -> None:
    with flask_app() as (sockets, port):
        gate, told = Event(), Happenings()

        @sockets.on("connect")
        def on_connect() -> None:
            told.add("connecting")
            gate.wait()
            told.add("connected")

        client = WebSocketClient(port)
        client.next_message()
        client.text("40")
        told.wait_for("connecting")
        client.close()
        until(lambda: not sockets.server.eio._leaving)
        gate.set()
        told.wait_for("connected")
        until(lambda: not sockets.server.manager.rooms)
        assert told.entries == ["connecting", "connected"]


def test_many_waiting_handlers_stop_reading() -> None:
    with flask_app(ping_interval=0.1, ping_timeout=0.1) as (sockets, port):
        gate, told, running = Event(), Happenings(), []

        @sockets.on("loop")
        def on_loop() -> None:
            running.append(1)
            gate.wait()

        @sockets.on("disconnect")
        def on_disconnect(reason: str) -> None:
            told.add("disconnected")
            gate.set()

        client = WebSocketClient(port)
        connect_namespace(client)
        client.send(client_frame(1, b'42["loop"]') * 300)
        until(lambda: len(running) >= MAX_WAITING)
        assert len(running) < 2 * MAX_WAITING
        with within(5):
            assert [client.next_frame() for _ in range(3)] == [(1, "2")] * 3
        client.close()
        told.wait_for("disconnected")


def test_waiting_post_ends_with_its_session() -> None:
    with flask_app() as (sockets, port):
        gate = Event()
        sockets.on_event("loop", gate.wait)
        polls = Polls(port)
        sid = polls.open()
        polls.post(sid, "40")
        posting = gevent.spawn(polls.post, sid, "\x1e".join(['42["loop"]'] * 300))
        until(lambda: not sockets.server.eio.sockets[sid].listening)
        close_transports(sockets.server.eio)
        assert posting.get(timeout=5).body == "ok"
        gate.set()
