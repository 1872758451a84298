"""What a client can do to the stock stack and cannot do here."""

import json
import logging
import math
import socket
import time

import gevent
import pytest
from flask_socketio import emit
from gevent import get_hub
from gevent.event import Event

from gateway.transport import Connection, EngineServer, SocketIO
from gateway.transport.limits.outbox_budget import HIGH_WATER_BYTES
from gateway.transport.polling.polling_link import PollingLink
from gateway.transport.socketio.socketio_packets import MAX_ATTACHMENTS
from gateway.transport.websocket.frames import packet_frame
from tests.gateway.transport.clients import (
    Answer,
    Polls,
    TcpClient,
    WebSocketClient,
    client_frame,
    connect_namespace,
    read_answer,
    until,
    upgrade_headers,
    within,
)
from tests.gateway.transport.servers import Happenings, echo_engine, flask_app
from tests.timing import scaled_s

SMALL_BUFFER = 4096


def only_connection(sockets: SocketIO) -> Connection:
    (connection,) = sockets.server.eio.sockets.values()
    assert isinstance(connection, Connection)
    return connection


# S1


def test_slow_reader_gets_whole_messages() -> None:
    count, size = 400, 20_000
    with flask_app(max_outbox_bytes=count * size * 2) as (sockets, port):
        client = WebSocketClient(port, receive_buffer=SMALL_BUFFER)
        connect_namespace(client)
        for number in range(count):
            sockets.emit("big", f"{number}:" + "x" * size)
        assert only_connection(sockets).pending_bytes > 0
        for number in range(count):
            message = client.next_message()
            assert message.startswith(f'42["big","{number}:x')
            assert len(message) > size
        client.close()


# S2


def test_message_over_limit_refused_by_header() -> None:
    with echo_engine(max_http_buffer_size=100_000) as (_, port, happenings):
        client = WebSocketClient(port, path="/engine.io/")
        client.next_message()
        client.send(client_frame(2, b"x" * 200_000)[:20])
        assert client.close_code() == 1009
        happenings.wait_for(("disconnect", "transport error"))
        client.close()


def test_fragments_over_limit_are_refused() -> None:
    with echo_engine(max_http_buffer_size=100_000) as (_, port, _happenings):
        client = WebSocketClient(port, path="/engine.io/")
        client.next_message()
        client.frame(2, b"x" * 60_000, final=False)
        client.frame(0, b"x" * 60_000, final=False)
        assert client.close_code() == 1009
        client.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_post_over_limit_is_a_413(chunked: bool) -> None:
    with echo_engine(max_http_buffer_size=1000) as (_, port, _happenings):
        polls = Polls(port, "/engine.io/")
        sid = polls.open()
        if chunked:
            body = b"7d0\r\n" + b"4" * 2000 + b"\r\n0\r\n\r\n"
            answer = chunked_post(polls, sid, body)
        else:
            answer = polls.post(sid, "4" * 1001)
        assert answer.status == 413
        assert polls.get(sid).status == 400


def chunked_post(polls: Polls, sid: str, body: bytes) -> Answer:
    client = TcpClient(polls.port)
    head = f"POST {polls.target(sid=sid)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head.encode() + body)
    answer = read_answer(client)
    client.close()
    return answer


# S3


def test_compressed_frames_are_refused() -> None:
    with echo_engine() as (_, port, _happenings):
        offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        client = WebSocketClient(port, path="/engine.io/", headers=offer)
        assert "extensions" not in client.handshake.lower()
        client.send(client_frame(1, b"\x00", rsv=0x40))
        assert client.close_code() == 1002
        client.close()


# S4


def test_endless_attachments_are_refused() -> None:
    with flask_app(max_http_buffer_size=100_000) as (sockets, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text(f'45{MAX_ATTACHMENTS}-["message"]')
        for _ in range(3):
            client.frame(2, b"x" * 40_000)
        assert client.close_code() == 1002
        until(lambda: not sockets.server._assembly._incomplete)
        client.close()


# S5


def test_slow_events_run_one_at_a_time() -> None:
    with flask_app(async_handlers=False) as (sockets, port):
        gate, seen, running = Event(), [], []

        @sockets.on("slow")
        def on_slow(number: int) -> None:
            running.append(number)
            assert len(running) == 1
            gate.wait()
            running.remove(number)
            seen.append(number)

        client = WebSocketClient(port)
        connect_namespace(client)
        flood = b"".join(client_frame(1, f'42["slow",{n}]'.encode()) for n in range(1500))
        client.send(flood)
        until(lambda: running)
        gate.set()
        until(lambda: len(seen) == 1500, 10)
        assert seen == list(range(1500))
        client.close()


def test_lagging_application_stops_reading() -> None:
    with flask_app() as (sockets, port):
        gate, handled = Event(), []

        @sockets.on("slow")
        def on_slow(data: str) -> None:
            gate.wait()
            handled.append(len(data))

        client = WebSocketClient(port)
        connect_namespace(client)
        message = client_frame(1, b'42["slow","' + b"x" * 10_000 + b'"]')
        sending = gevent.spawn(client.send, message * 2000)
        gevent.sleep(0.2)  # the absence of reading can only be waited for
        assert not sending.ready()
        events = only_connection(sockets)._events
        assert events is not None
        assert len(events._calls) + events._parked < 100
        gate.set()
        with within(10):
            sending.join()
            while len(handled) < 2000:
                gevent.sleep(0.001)
        client.close()


def test_unread_client_is_not_silent() -> None:
    with flask_app(ping_interval=0.05, ping_timeout=0.05) as (sockets, port):
        gate = Event()
        sockets.on_event("slow", gate.wait)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.send(client_frame(1, b'42["slow"]') * 100)
        gevent.sleep(0.5)  # the absence of a ping timeout can only be waited for
        assert not only_connection(sockets).closed
        gate.set()
        assert client.close_code() == 1001
        client.close()


def test_post_waits_for_lagging_application() -> None:
    with flask_app() as (sockets, port):
        gate, handled = Event(), []

        @sockets.on("slow")
        def on_slow(number: int) -> None:
            gate.wait()
            handled.append(number)

        polls = Polls(port)
        sid = polls.open()
        polls.post(sid, "40")
        body = "\x1e".join(f'42["slow",{n}]' for n in range(500))
        posting = gevent.spawn(polls.post, sid, body)
        gevent.sleep(0.2)  # the absence of an answer can only be waited for
        assert not posting.ready()
        gate.set()
        assert posting.get().body == "ok"
        until(lambda: len(handled) == 500)
        assert handled == list(range(500))


# S6


def test_a_post_of_many_packets_loses_none() -> None:
    with flask_app() as (sockets, port):
        happenings = Happenings()
        sockets.on_event("n", happenings.add)
        polls = Polls(port)
        sid = polls.open()
        packets = ["40", *(f'42["n",{number}]' for number in range(1000))]
        assert polls.post(sid, "\x1e".join(packets)).body == "ok"
        happenings.wait_until(lambda: len(happenings.entries) == 1000)
        assert happenings.entries == list(range(1000))


# S7


def test_bad_packets_are_logged_without_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("test.transport")
    logger.setLevel(logging.ERROR)
    with flask_app(engineio_logger=logger) as (_, port):
        for _ in range(5):
            client = WebSocketClient(port)
            connect_namespace(client)
            client.text("42{}")
            assert client.close_code() == 1002
            client.close()
    lines = [record for record in caplog.records if "connection failed" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is None
    assert len(lines[0].getMessage()) < 200


# S8


def test_stalled_client_frees_socket_and_outbox() -> None:
    with flask_app(ping_interval=0.1, ping_timeout=0.1) as (sockets, port):
        happenings = Happenings()
        sockets.on_event("disconnect", happenings.add)
        client = WebSocketClient(port, receive_buffer=SMALL_BUFFER)
        connect_namespace(client)
        connection = only_connection(sockets)
        while not connection.pending_bytes:
            sockets.emit("fill", "x" * 10_000)
        happenings.wait_for("ping timeout")
        assert connection.link is not None
        assert connection.link.closed
        assert connection.pending_bytes == 0
        happenings.wait_until(lambda: not sockets.server.environ)
        assert not sockets.server.eio.sockets
        client.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_client_is_closed_at_outbox_bound(transport: str) -> None:
    with flask_app(max_outbox_bytes=100_000) as (sockets, port):
        happenings = Happenings()
        sockets.on_event("disconnect", happenings.add)
        if transport == "websocket":
            client = WebSocketClient(port, receive_buffer=SMALL_BUFFER)
            connect_namespace(client)
        else:
            sid = Polls(port).open()
            Polls(port).post(sid, "40")
            Polls(port).get(sid)
        connection = only_connection(sockets)
        largest = 0
        for _ in range(500):
            sockets.emit("fill", "x" * 10_000)
            largest = max(largest, connection.pending_bytes)
        assert largest <= 111_000
        happenings.wait_for("transport error")
        if transport == "websocket":
            client.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_ping_before_unsent_bytes(transport: str) -> None:
    count, size = 200, 20_000
    with flask_app(ping_interval=0.1, max_outbox_bytes=count * size * 2) as (sockets, port):
        polls = Polls(port)
        if transport == "websocket":
            client = WebSocketClient(port, receive_buffer=SMALL_BUFFER)
            connect_namespace(client)
        else:
            sid = polls.open()
            polls.post(sid, "40")
            assert polls.get(sid).body.startswith("40")
        connection = only_connection(sockets)
        for _ in range(count):
            sockets.emit("fill", "x" * size)
        until(lambda: connection.pong_due is not None)
        if transport == "polling":
            assert polls.get(sid).body.startswith("2\x1e42")
            return
        got = [frame[1] for _ in range(count + 1) if (frame := client.next_frame()) is not None]
        assert got.index("2") < count / 4
        assert [len(message) > size for message in got].count(True) == count
        client.close()


def test_unanswered_close_frame_ends_connection() -> None:
    with flask_app(close_timeout=0.1) as (sockets, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        connection = only_connection(sockets)
        sockets.server.eio.disconnect(connection.sid)
        link = connection.link
        assert link is not None
        assert not link.closed
        until(lambda: link.closed)
        client.close()


def test_disconnecting_a_stalled_client_returns_at_once() -> None:
    with flask_app(close_timeout=0.1) as (sockets, port):
        client = WebSocketClient(port, receive_buffer=SMALL_BUFFER)
        connect_namespace(client)
        connection = only_connection(sockets)
        while not connection.pending_bytes:
            sockets.emit("fill", "x" * 10_000)
        with within(0.5):
            sockets.server.eio.disconnect(connection.sid)
        link = connection.link
        assert link is not None
        until(lambda: link.closed)
        client.close()


def test_send_buffer_and_nodelay_are_set() -> None:
    with flask_app() as (sockets, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        link = only_connection(sockets).link
        assert link is not None
        sock = link.sock
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 64 * 1024
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        client.close()


# S9


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_is_the_senders_error(
    number: float,
) -> None:
    with flask_app() as (sockets, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        with pytest.raises(ValueError, match="not JSON compliant"):
            sockets.emit("speed", {"kmh": number})
        sockets.emit("speed", {"kmh": 1})
        assert client.next_message() == '42["speed",{"kmh":1}]'
        client.close()


# S10


def test_wall_clock_step_disconnects_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with echo_engine(ping_interval=0.05, ping_timeout=5) as (engine, port, happenings):
        client = WebSocketClient(port, path="/engine.io/")
        client.next_message()
        before = time.time
        monkeypatch.setattr(time, "time", lambda: before() + 3600)
        for _ in range(3):
            assert client.next_frame() == (1, "2")
            client.text("3")
        assert len(engine.sockets) == 1
        assert not happenings.entries
        client.close()


# Origins and hosts


@pytest.mark.parametrize("origins", [None, []])
def test_only_same_origin_by_default(origins: list[str] | None) -> None:
    with echo_engine(cors_allowed_origins=origins) as (_, port, _happenings):
        polls = Polls(port, "/engine.io/")
        good = polls.request("GET", polls.target(), None, {"Origin": "http://localhost"})
        bad = polls.request("GET", polls.target(), None, {"Origin": "http://evil.example"})
        assert (good.status, bad.status) == (200, 400)
        assert "access-control-allow-origin" not in bad.headers


def test_listed_origins_by_polling_and_websocket() -> None:
    with echo_engine(cors_allowed_origins=["http://a.example"]) as (_, port, _happenings):
        polls = Polls(port, "/engine.io/")
        headers = upgrade_headers({"Origin": "http://b.example"})
        assert polls.request("GET", polls.target("websocket"), None, headers).status == 400
        good = WebSocketClient(port, path="/engine.io/", headers={"Origin": "http://a.example"})
        assert good.handshake.startswith("HTTP/1.1 101")
        good.close()


def test_preflight_of_a_listed_origin() -> None:
    with echo_engine(cors_allowed_origins=["http://a.example"]) as (_, port, _happenings):
        polls = Polls(port, "/engine.io/")
        answer = polls.request("OPTIONS", polls.target(), None, {"Origin": "http://a.example"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "http://a.example"
        assert "POST" in answer.headers["access-control-allow-methods"]


def test_async_mode_is_gevent() -> None:
    assert EngineServer().async_mode == "gevent"
    with pytest.raises(ValueError, match="gevent"):
        EngineServer(async_mode="threading")


# Failures of the application


def test_failed_handler_does_not_stop_later_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with flask_app() as (sockets, port):

        @sockets.on("fail")
        def on_fail() -> None:
            raise ZeroDivisionError

        @sockets.on("work")
        def on_work() -> None:
            emit("worked")

        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('421["fail"]')
        client.text('42["work"]')
        assert client.next_message() == '42["worked"]'
        assert [record.exc_info is not None for record in caplog.records] == [True]
        client.close()


# Bounds on what one client, and all of them, may take


def deaf_client(sockets: SocketIO, port: int) -> tuple[WebSocketClient, Connection]:
    """Connect a client that reads nothing more."""
    known = set(sockets.server.eio.sockets)
    client = WebSocketClient(port, receive_buffer=SMALL_BUFFER)
    connect_namespace(client)
    (sid,) = set(sockets.server.eio.sockets) - known
    return client, sockets.server.eio.sockets[sid]


@pytest.mark.parametrize("is_subscribed", [True, False])
def test_client_that_takes_nothing_is_closed(
    is_subscribed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with flask_app(stalled_timeout=0.2) as (sockets, port):
        stalled = Happenings()
        monkeypatch.setattr(sockets.server, "on_stalled", stalled.add)
        client, connection = deaf_client(sockets, port)
        if is_subscribed:
            connection.send_frames(packet_frame("4" + "x" * 60_000) * 10)
        else:
            client.send(client_frame(9, b"x" * 125) * 900)
            connection.send_frames(packet_frame("4" + "x" * 60_000) * 10)
        stalled.wait_for(connection)
        until(lambda: connection.closed)
        assert stalled.entries == [connection]
        client.close()


def test_polling_client_that_fetches_nothing_is_closed() -> None:
    with flask_app(stalled_timeout=0.2) as (sockets, port):
        polls = Polls(port)
        sid = polls.open()
        polls.post(sid, "40")
        connection = only_connection(sockets)
        until(lambda: connection.closed)
        assert sockets.server.eio.outbox_budget.total == 0


def test_client_with_most_is_closed() -> None:
    with flask_app(max_total_outbox_bytes=2_000_000) as (sockets, port):
        _little, small = deaf_client(sockets, port)
        _much, large = deaf_client(sockets, port)
        small.send_frames(packet_frame("4" + "x" * 900_000))
        for _ in range(3):
            large.send_frames(packet_frame("4" + "x" * 600_000))
        until(lambda: large.closed)
        assert not small.closed
        assert sockets.server.eio.outbox_budget.total <= 1_000_000


@pytest.mark.parametrize("in_connect_handler", [True, False])
def test_burst_to_a_reading_client(in_connect_handler: bool) -> None:
    with flask_app() as (sockets, port):

        def send_much() -> None:
            emit("picture", b"\0" * 6_000_000)
            for number in range(3000):
                emit("row", str(number) + "x" * 1000)

        sockets.on_event("connect" if in_connect_handler else "go", send_much)
        client = WebSocketClient(port)
        assert connect_namespace(client).startswith("40")
        if not in_connect_handler:
            client.text('42["go"]')
        assert client.next_message().startswith("451-")
        assert len(client.next_message()) == 6_000_000
        rows = [client.next_message()[:12] for _ in range(3000)]
        assert rows[2999] == '42["row","29'
        until(lambda: sockets.server.eio.outbox_budget.total == 0)
        client.close()


def test_only_the_sender_waits() -> None:
    with flask_app() as (sockets, port):
        sent = Happenings()

        @sockets.on("much")
        def on_much() -> None:
            for number in range(100):
                emit("big", "x" * 100_000)
                sent.add(number)

        client, connection = deaf_client(sockets, port)
        other = WebSocketClient(port)
        connect_namespace(other)
        client.text('42["much"]')
        until(lambda: connection.pending_bytes > HIGH_WATER_BYTES)
        sockets.emit("tick")
        assert other.next_message() == '42["tick"]'
        assert len(sent.entries) < 50
        assert connection.pending_bytes < 2 * HIGH_WATER_BYTES
        while len(sent.entries) < 100:
            client.next_message()
        for each in (client, other):
            each.close()


def test_events_wait_for_untaken_answers() -> None:
    with flask_app() as (sockets, port):
        served = Happenings()

        @sockets.on("ask")
        def on_ask() -> str:
            served.add("asked")
            return "x" * 300_000

        client, connection = deaf_client(sockets, port)
        client.send(client_frame(1, b'421["ask"]') * 40)
        until(lambda: connection.pending_bytes > HIGH_WATER_BYTES)
        gevent.sleep(0.05)
        assert len(served.entries) < 10
        for _ in range(40):
            assert client.next_message().startswith("431[")
        assert len(served.entries) == 40
        client.close()


@pytest.mark.parametrize(
    "endless",
    ["6", "3", "2", "2probe", "5", "7", "40/nowhere,", "40", "41", '4399["late"]', "4399"],
)
def test_packets_that_are_no_events_are_counted(endless: str) -> None:
    with flask_app() as (sockets, port):
        happenings = Happenings()
        sockets.on_event("disconnect", happenings.add)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.send(client_frame(1, endless.encode()) * 1500)
        assert client.close_code() == 1008
        client.close()


def test_idle_packets_of_a_post_count() -> None:
    with flask_app() as (_sockets, port):
        polls = Polls(port)
        sid = polls.open()
        assert polls.post(sid, "40" + "\x1e6" * 500).status == 200
        assert polls.post(sid, "6\x1e" * 1500 + "6").status == 400
        assert polls.get(sid).status == 400


def test_attachments_that_never_come_end_the_connection() -> None:
    with flask_app(ping_interval=0.2, ping_timeout=0.2) as (sockets, port):
        happenings = Happenings()
        sockets.on_event("disconnect", happenings.add)
        client = WebSocketClient(port)
        connect_namespace(client)
        text = '451-["x",{"_placeholder":true,"num":0}' + ",{}" * 100_000 + "]"
        client.text(text)
        connection = only_connection(sockets)
        pending = sockets.server._assembly._incomplete
        until(lambda: pending)
        assert pending[connection.sid].cost < 2 * len(text)
        while client.next_frame() != (8, (1002, "attachments did not come in time")):
            if not connection.closed:
                client.text("3")
        happenings.wait_for("transport error")
        assert not pending
        client.close()


def test_long_bad_packet_drops_later_packets() -> None:
    with flask_app() as (sockets, port):
        served = Happenings()
        sockets.on_event("say", served.add)
        client = WebSocketClient(port)
        connect_namespace(client)
        say = client_frame(1, b'42["say",1]')
        client.send(say + client_frame(1, b'42["say"' + b",2" * 5000) + say)
        assert client.close_code() == 1002
        until(lambda: not sockets.server.environ)
        assert served.entries == [1]
        client.close()


def test_connections_that_are_being_closed_count() -> None:
    with flask_app(max_connections=2) as (sockets, port):
        clients = [WebSocketClient(port) for _ in range(2)]
        for client in clients:
            connect_namespace(client)
        first = sockets.server.eio.sockets[next(iter(sockets.server.eio.sockets))]
        sockets.server.eio.disconnect(first.sid)
        assert len(sockets.server.eio.sockets) == 1
        assert len(sockets.server.eio.commons.closing) == 1
        assert Polls(port).get().status == 503
        clients[0].close()
        until(lambda: not sockets.server.eio.commons.closing)
        assert Polls(port).get().status == 200
        clients[1].close()


# Native threads


def act_in_thread(sockets: SocketIO, sid: str) -> None:
    sockets.server.enter_room(sid, "room")
    sockets.emit("one", to="room")
    sockets.server.close_room("room")
    sockets.emit("lost", to="room")
    sockets.send("two")
    sockets.emit("three", to=sid)
    sockets.server.disconnect(sid)


ACTED = ['42["one"]', '42["message","two"]', '42["three"]', "41"]


def test_native_thread_acts_on_a_websocket() -> None:
    with flask_app() as (sockets, port):
        client = WebSocketClient(port)
        sid = json.loads(connect_namespace(client)[2:])["sid"]
        get_hub().threadpool.apply(act_in_thread, (sockets, sid))
        assert [client.next_message() for _ in ACTED] == ACTED
        client.close()


def test_native_thread_and_waiting_get() -> None:
    with flask_app() as (sockets, port):
        polls, said = Polls(port), list[str]()
        polled = polls.open()
        polls.post(polled, "40")
        sid = json.loads(polls.get(polled).body[2:])["sid"]
        waiting = gevent.spawn(polls.get, polled)
        until(lambda: only_connection(sockets).poll_waiting)
        get_hub().threadpool.apply(act_in_thread, (sockets, sid))
        said += waiting.get(timeout=scaled_s(10)).body.split("\x1e")
        while len(said) < len(ACTED):
            said += polls.get(polled).body.split("\x1e")
        assert said == ACTED


# Polling


def test_second_get_before_first_woke() -> None:
    link, asked, second = PollingLink(), list[object](), list[list[str | bytes]]()
    first = gevent.spawn(link.wait, None, lambda: None)
    until(lambda: link.waiting)
    link.push("one")  # the loop answers the first GET in a callback; its greenlet runs later
    get_hub().loop.run_callback(lambda: asked.append(link.answer_get(second.append)))
    first.join(timeout=scaled_s(5))
    assert first.value == ["one"]
    assert asked == [None]
    link.push("two")
    until(lambda: second)
    assert second == [["two"]]


# Refused origins


def test_refused_origin_is_named_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    target = "/engine.io/?EIO=4&transport=polling"
    with echo_engine(origins_setting="MY_ORIGINS", logger=True) as (_, port, _):
        for origin in ("http://192.168.1.5:3000", "http://192.168.1.5:3000", "capacitor://x"):
            answer = Polls(port).request("GET", target, headers={"Origin": origin})
            assert answer.status == 400
            assert f"{origin} is not an accepted origin. If it is yours" in answer.body
            assert "MY_ORIGINS" in answer.body
    errors = [it.getMessage() for it in caplog.records if it.levelno == logging.ERROR]
    assert [line.split()[1] for line in errors] == ["http://192.168.1.5:3000", "capacitor://x"]


def test_long_strange_origin_is_cut_and_escaped() -> None:
    with echo_engine() as (_, port, _):
        origin = "http://" + "\xfc<" * 3_000
        answer = Polls(port).request(
            "GET", "/engine.io/?EIO=4&transport=websocket", headers={"Origin": origin}
        )
        assert "http://\\\\xc3" in answer.body
        assert "... is not an accepted origin" in answer.body
        assert len(answer.body) < 1_500


def test_invented_origins_fill_neither_log_nor_memory(caplog: pytest.LogCaptureFixture) -> None:
    with echo_engine(logger=True) as (engine, port, _):
        client = Polls(port)
        for number in range(300):
            headers = {"Origin": f"http://{number}.example"}
            client.request("GET", "/engine.io/?EIO=4&transport=polling", headers=headers)
        assert engine.log_message_keys == set()
    assert len([it for it in caplog.records if it.levelno == logging.ERROR]) == 101
