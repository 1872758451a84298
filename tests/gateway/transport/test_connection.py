"""The seam that a fan-out uses: frames in one order with events, polls by pull, honest states."""

import gc
from typing import Any

import gevent
import greenlet
import pytest
from flask import request
from flask_socketio import emit
from gevent import get_hub

from gateway.transport import Connection, SocketIO, WebSocketMulticast
from gateway.transport.websocket.frames import packet_frame
from tests.gateway.transport.clients import Polls, WebSocketClient, connect_namespace, until
from tests.gateway.transport.servers import Happenings, flask_app

SMALL_BUFFER = 4096


def only_connection(sockets: SocketIO) -> Connection:
    (connection,) = sockets.server.eio.sockets.values()
    assert isinstance(connection, Connection)
    return connection


def connected_client(port: int, **options: Any) -> WebSocketClient:
    client = WebSocketClient(port, **options)
    assert connect_namespace(client).startswith("40")
    return client


def test_connection_by_either_session_id() -> None:
    with flask_app() as (sockets, port):
        found = Happenings()

        @sockets.on("find")
        def on_find() -> None:
            found.add(sockets.connection(request.sid))  # type: ignore[attr-defined] # Flask-SocketIO adds it

        client = connected_client(port)
        client.text('42["find"]')
        connection = only_connection(sockets)
        found.wait_for(connection)
        assert sockets.server.eio.connection(connection.sid) is connection
        assert sockets.connection("unknown") is None
        assert sockets.server.eio.connection("unknown") is None
        client.close()


def test_frames_events_and_acks_in_order() -> None:
    with flask_app() as (sockets, port):

        @sockets.on("go")
        def on_go() -> str:
            connection = only_connection(sockets)
            emit("one")
            connection.send_frames(packet_frame('42["two"]') + packet_frame('42["three"]'))
            sockets.emit("four")
            return "five"

        client = connected_client(port)
        client.text('427["go"]')
        expected = ['42["one"]', '42["two"]', '42["three"]', '42["four"]', '437["five"]']
        assert [client.next_message() for _ in range(5)] == expected
        client.close()


def test_flush_from_the_event_loop() -> None:
    with flask_app() as (sockets, port):
        client = connected_client(port)
        connection = only_connection(sockets)
        get_hub().loop.run_callback(connection.send_frames, packet_frame('42["tick"]'))
        assert client.next_message() == '42["tick"]'
        client.close()


def test_writable_follows_the_kernel() -> None:
    with flask_app() as (sockets, port):
        client = connected_client(port, receive_buffer=SMALL_BUFFER)
        connection = only_connection(sockets)
        told = Happenings()
        connection.on_writable = lambda: told.add("writable")
        sent = 0
        while connection.writable:
            connection.send_frames(packet_frame(f'42["n",{sent},"{"x" * 20_000}"]'))
            sent += 1
        assert connection.pending_bytes > 0
        assert not told.entries
        got = [client.next_message() for _ in range(sent)]
        assert [message[:9].split(",")[1] for message in got] == [str(n) for n in range(sent)]
        told.wait_for("writable")
        until(lambda: connection.writable)
        assert connection.pending_bytes == 0
        assert told.entries == ["writable"]
        client.close()


def test_multicast_sends_to_writable_connections() -> None:
    with flask_app() as (sockets, port):
        slow = connected_client(port, receive_buffer=SMALL_BUFFER)
        lagging = only_connection(sockets)
        while lagging.writable:
            lagging.send_frames(packet_frame("4" + "x" * 20_000))
        clients = [connected_client(port) for _ in range(3)]
        Polls(port).open()
        before = lagging.pending_bytes
        everybody = WebSocketMulticast[str](lambda _: None)
        added = [everybody.add(it, it.sid) for it in sockets.server.eio.sockets.values()]
        assert sorted(added) == [False, False, True, True, True]
        everybody.send(packet_frame('42["all"]'))
        assert [client.next_message() for client in clients] == ['42["all"]'] * 3
        assert lagging.pending_bytes == before
        for client in (slow, *clients):
            client.close()


def test_lagging_client_holds_one_remainder() -> None:
    with flask_app() as (sockets, port):
        client = connected_client(port, receive_buffer=SMALL_BUFFER)
        connection = only_connection(sockets)
        chunk = packet_frame('42["n","' + "x" * 20_000 + '"]') * 3
        largest, skipped = 0, 0
        for _ in range(5000):
            if connection.writable:
                connection.send_frames(chunk)
            else:
                skipped += 1
            largest = max(largest, connection.pending_bytes)
        assert skipped > 4000
        assert largest <= len(chunk)
        client.close()


def test_poll_pulls_behind_control_packets() -> None:
    with flask_app() as (sockets, port):
        polls = Polls(port)
        sid = polls.open()
        connection = only_connection(sockets)
        source = [f'42["n",{n}]' for n in range(40)]
        rooms: list[tuple[int, int]] = []

        def pull(max_packets: int, max_bytes: int) -> list[str | bytes]:
            rooms.append((max_packets, max_bytes))
            taken: list[str | bytes] = [*source[:max_packets]]
            del source[:max_packets]
            return taken

        connection.on_poll = pull
        polls.post(sid, "40")
        bodies = [polls.get(sid).body.split("\x1e") for _ in range(3)]
        assert bodies[0][0].startswith("40{")
        assert [len(body) for body in bodies] == [16, 16, 9]
        assert [p for body in bodies for p in body][1:] == [f'42["n",{n}]' for n in range(40)]
        assert rooms[0][0] == 15
        assert rooms[0][1] < 64 * 1024


def test_woken_poll_pulls_again() -> None:
    with flask_app() as (sockets, port):
        polls = Polls(port)
        sid = polls.open()
        connection = only_connection(sockets)
        source: list[str | bytes] = []
        connection.on_poll = lambda max_packets, max_bytes: [source.pop()] if source else []
        waiting = gevent.spawn(polls.get, sid)
        until(lambda: connection.poll_waiting)
        connection.wake_poll()
        until(lambda: connection.poll_waiting)
        source.append(b"\x01")
        connection.wake_poll()
        assert waiting.get().body == "bAQ=="


def test_on_upgrade_when_frames_can_be_sent() -> None:
    with flask_app() as (sockets, port):
        sid = Polls(port).open()
        connection = only_connection(sockets)
        assert (connection.transport, connection.writable) == ("polling", False)
        connection.on_upgrade = lambda: connection.send_frames(packet_frame('42["hi"]'))
        client = WebSocketClient(port, sid)
        client.text("2probe")
        client.text("5")
        assert client.next_message() == "3probe"
        assert client.next_message() == '42["hi"]'
        assert (connection.transport, connection.writable) == ("websocket", True)
        assert connection.on_poll is None
        client.close()


@pytest.mark.parametrize("stalled", [False, True])
def test_close_transport_sends_no_disconnect_packet(stalled: bool) -> None:
    with flask_app(close_timeout=0.1) as (sockets, port):
        happenings = Happenings()
        sockets.on_event("disconnect", happenings.add)
        client = connected_client(port, receive_buffer=SMALL_BUFFER)
        connection = only_connection(sockets)
        while stalled and connection.writable:
            connection.send_frames(packet_frame("4" + "x" * 20_000))
        connection.on_close = lambda: happenings.add("closed")
        connection.close_transport()
        assert happenings.entries == ["closed"]
        frames = [frame for frame in client.frames if frame[1][:1] != "4"]
        assert frames == ([] if stalled else [(8, (1001, ""))])
        happenings.wait_for("transport close")
        connection.send_frames(b"ignored")
        connection.close_transport()
        assert connection.closed
        client.close()


@pytest.mark.parametrize("waits", [True, False])
def test_close_transport_answers_waiting_and_next_poll(waits: bool) -> None:
    with flask_app() as (sockets, port):
        polls = Polls(port)
        sid = polls.open()
        connection = only_connection(sockets)
        waiting = gevent.spawn(polls.get, sid) if waits else None
        until(lambda: connection.poll_waiting is waits)
        connection.close_transport()
        answer = waiting.get() if waiting else polls.get(sid)
        assert (answer.status, answer.body) == (200, "1")
        assert polls.get(sid).status == 400


def test_broadcast_is_encoded_once() -> None:
    with flask_app() as (sockets, port):
        clients = [connected_client(port) for _ in range(3)]
        sent: list[bytes] = []
        for connection in sockets.server.eio.sockets.values():
            link = connection.link
            connection.link = RecordingLink(link, sent)
        sockets.emit("news", "x" * 100)
        assert len(sent) == 3
        assert sent[0] is sent[1] is sent[2]
        for connection, client in zip(sockets.server.eio.sockets.values(), clients, strict=True):
            connection.link = connection.link.link
            assert client.next_message().startswith('42["news"')
            client.close()


class RecordingLink:
    """Passes on, remembers what."""

    def __init__(self, link: Any, sent: list[bytes]) -> None:
        self.link = link
        self.sent = sent

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self.link.send(data)


def live_greenlets() -> int:
    gc.collect()
    return sum(isinstance(it, greenlet.greenlet) and not it.dead for it in gc.get_objects())


def test_websocket_holds_no_greenlet_or_reader() -> None:
    with flask_app() as (sockets, port):
        connected_client(port)
        before = live_greenlets()
        clients = [connected_client(port) for _ in range(50)]
        until(lambda: live_greenlets() <= before)
        links = [it.link for it in sockets.server.eio.sockets.values()]
        assert len(links) == 51
        assert all(link._reader is None and link._outbox is None for link in links)
        for client in clients:
            client.close()
