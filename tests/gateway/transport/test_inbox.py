"""What all clients sent and is not served yet: bounded together, given back, and fairly cut."""

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from gateway.transport import SocketIO
from tests.gateway.transport.clients import (
    BINARY,
    TEXT,
    Polls,
    WebSocketClient,
    client_frame,
    connect_namespace,
    until,
)
from tests.gateway.transport.servers import flask_app

BOUND_BYTES = 400_000
PART_BYTES = 60_000
CLIENTS = 12
"""So many parts are more than the bound."""


def half_a_message(client: WebSocketClient) -> None:
    client.frame(TEXT, b'42["x","' + b"a" * PART_BYTES, final=False)


def half_a_frame(client: WebSocketClient) -> None:
    client.send(client_frame(TEXT, b'42["x","' + b"a" * PART_BYTES)[:-1])


def without_its_attachment(client: WebSocketClient) -> None:
    text = '452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    client.text(text)
    client.frame(BINARY, b"a" * PART_BYTES)


def events_that_wait(client: WebSocketClient) -> None:
    for _ in range(4):
        client.text(f'42["slow","{"a" * (PART_BYTES // 4)}"]')


PARTS = [half_a_message, half_a_frame, without_its_attachment, events_that_wait]


def slow_app(sockets: SocketIO) -> Event:
    """Let the event ``slow`` wait for a gate."""
    gate = Event()
    sockets.on_event("slow", lambda _: gate.wait())
    sockets.on_event("quick", lambda number: number)
    return gate


@pytest.mark.parametrize("send_part", PARTS, ids=lambda part: part.__name__)
def test_all_together_are_bounded(send_part: Callable[[WebSocketClient], None]) -> None:
    with flask_app(max_total_inbox_bytes=BOUND_BYTES) as (sockets, port):
        engine, gate = sockets.server.eio, slow_app(sockets)
        honest = connected(port)
        clients = [connected(port) for _ in range(CLIENTS)]
        for client in clients:
            send_part(client)
        until(lambda: 1 < len(engine.sockets) <= 1 + BOUND_BYTES // PART_BYTES)
        until(lambda: BOUND_BYTES / 2 < engine.inbox.total <= BOUND_BYTES)
        honest.text('420["quick",7]')
        assert honest.next_message() == "430[7]"
        gate.set()
        for client in clients:
            client.close()
        until(lambda: engine.inbox.total == 0)


def test_whoever_holds_most_is_closed() -> None:
    with flask_app(max_total_inbox_bytes=BOUND_BYTES) as (sockets, port):
        small, large = connected(port), connected(port)
        for client, parts in ((small, 1), (large, 7)):
            client.frame(TEXT, b'42["x","', final=False)
            for _ in range(parts):
                client.frame(0, b"a" * PART_BYTES, final=False)
        assert large.ends()
        small.frame(0, b'"]')
        small.text('420["nobody"]')
        until(lambda: sockets.server.eio.inbox.total == 0)
        assert len(sockets.server.eio.sockets) == 1


def test_posts_that_wait_count() -> None:
    with flask_app(max_total_inbox_bytes=BOUND_BYTES) as (sockets, port):
        engine, gate = sockets.server.eio, slow_app(sockets)
        polls, posts = Polls(port), []
        body = "\x1e".join(['42["slow",1]'] * 5_000)
        for _ in range(CLIENTS):
            sid = polls.open()
            polls.post(sid, "40")
            posts.append(gevent.spawn(polls.post, sid, body))
        until(lambda: len(engine.sockets) < CLIENTS)
        assert engine.inbox.total <= BOUND_BYTES
        gate.set()
        gevent.joinall(posts)
        until(lambda: engine.inbox.total == 0)


def connected(port: int) -> WebSocketClient:
    client = WebSocketClient(port)
    connect_namespace(client)
    return client
