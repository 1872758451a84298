"""Engine.IO v4 as its document says, where the stock server does otherwise and elsewhere."""

import json
from typing import Any

import gevent
import pytest

from gateway.transport.connection.session_timers import CLOSE_TIMEOUT_S
from tests.gateway.transport.clients import (
    Polls,
    TcpClient,
    WebSocketClient,
    client_frame,
    read_answer,
    request_bytes,
    until,
    upgrade_headers,
    within,
)
from tests.gateway.transport.servers import echo_engine

ENGINE = "/engine.io/"


def test_ping_interval_below_a_second_is_announced() -> None:
    with echo_engine(ping_interval=0.3, ping_timeout=0.2) as (_, port, _happenings):
        opened = json.loads(Polls(port, ENGINE).get().body[1:])
    assert opened["pingInterval"] == 300
    assert opened["pingTimeout"] == 200
    assert opened["upgrades"] == ["websocket"]
    assert opened["maxPayload"] == 1_000_000


def test_short_ping_interval_by_polling() -> None:
    with echo_engine(ping_interval=0.1, ping_timeout=5) as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        for _ in range(3):
            assert polls.get(sid).body == "2"
            assert polls.post(sid, "3").body == "ok"


def test_short_ping_interval_by_websocket() -> None:
    with echo_engine(ping_interval=0.1, ping_timeout=5) as (_, port, _happenings):
        client = WebSocketClient(port, path=ENGINE)
        assert client.next_message()[0] == "0"
        for _ in range(3):
            assert client.next_frame() == (1, "2")
            client.text("3")
        client.close()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/engine.io/?transport=polling"),
        ("GET", "/engine.io/?EIO=abc&transport=polling"),
        ("GET", "/engine.io/?EIO=3&transport=polling"),
        ("GET", "/engine.io/?EIO=4"),
        ("GET", "/engine.io/?EIO=4&transport=abc"),
        ("GET", "/engine.io/?EIO=4&transport=polling&sid=unknown"),
        ("POST", "/engine.io/?EIO=4&transport=polling"),
        ("POST", "/engine.io/?EIO=4&transport=websocket&sid=unknown"),
        ("PUT", "/engine.io/?EIO=4&transport=polling"),
        ("DELETE", "/engine.io/?EIO=4&transport=polling"),
        ("GET", "/engine.io/?EIO=4&transport=websocket"),
        ("GET", "/engine.io/?EIO=4&transport=polling&j=0"),
        ("GET", "/engine.io/?eio=4&transport=polling"),
        ("GET", "/engine.io/?EIO=4&transport=POLLING"),
    ],
)
def test_wrong_method_or_query_is_a_400(method: str, target: str) -> None:
    with echo_engine() as (engine, port, _happenings):
        assert Polls(port).request(method, target, b"" if method != "GET" else None).status == 400
        assert not engine.sockets


def test_refusal_says_what_to_do() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        assert "Invalid session gone: " in (body := polls.get("gone").body)
        assert "Connect anew" in body
        wrong = polls.request("GET", "/engine.io/?EIO=4&transport=abc").body
        assert "Invalid transport: the query needs one of polling, websocket" in wrong


def test_query_with_only_a_sid_is_a_400() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        assert polls.request("GET", f"/engine.io/?sid={sid}").status == 400
        assert polls.request("GET", f"/engine.io/?EIO=4&sid={sid}").status == 400


def test_packets_of_one_post_in_order() -> None:
    with echo_engine() as (_, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        answer = polls.post(sid, "4hello\x1ebAQIDBA==\x1e4world")
        happenings.wait_for(("message", "world"))
        assert (answer.status, answer.body) == (200, "ok")
        assert polls.get(sid).body == "4hello\x1ebAQIDBA==\x1e4world"


@pytest.mark.parametrize(
    "body", ["abc", "d=4a", "bnot base64!", "b\u00e9", "4a\x1e\x1e4b", "2", "0{}", "9", "\u0661"]
)
def test_garbage_post_ends_the_session(body: str) -> None:
    with echo_engine() as (_, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        assert polls.post(sid, body).status == 400
        assert polls.get(sid).status == 400
        happenings.wait_for(("disconnect", "transport error"))


def test_post_without_utf_8_ends_the_session() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        assert polls.post(sid, b"4\xff\xfe").status == 400
        assert polls.get(sid).status == 400


def test_two_gets_at_once_end_the_session() -> None:
    with echo_engine() as (engine, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        first = gevent.spawn(polls.get, sid)
        until(lambda: engine.sockets[sid].poll_waiting)
        assert polls.get(sid).status == 400
        assert first.get().body == "1"
        assert polls.get(sid).status == 400


def test_two_posts_at_once_end_the_session() -> None:
    with echo_engine() as (_, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        slow = TcpClient(port)
        slow.send(request_bytes("POST", polls.target(sid=sid), b"4ab", None)[:-1])
        until(lambda: polls.post(sid, "4x").status == 400)
        assert polls.get(sid).status == 400
        slow.close()
        happenings.wait_for(("disconnect", "transport error"))


def test_abandoned_get_ends_the_session() -> None:
    with echo_engine() as (engine, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        client = TcpClient(port)
        client.send(request_bytes("GET", polls.target(sid=sid), None, None))
        until(lambda: engine.sockets[sid].poll_waiting)
        client.close()
        happenings.wait_for(("disconnect", "transport close"))
        assert polls.get(sid).status == 400


def test_silent_polling_client_times_out() -> None:
    with echo_engine(ping_interval=0.1, ping_timeout=0.1) as (engine, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        happenings.wait_for(("disconnect", "ping timeout"), 2)
        assert sid not in engine.sockets
        assert polls.get(sid).status == 400


def test_silent_websocket_client_times_out() -> None:
    with echo_engine(ping_interval=0.1, ping_timeout=0.1) as (_, port, happenings):
        client = WebSocketClient(port, path=ENGINE)
        assert client.close_code() == 1001
        happenings.wait_for(("disconnect", "ping timeout"))
        client.close()


def test_close_by_polling_answers_with_noop() -> None:
    with echo_engine() as (engine, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        waiting = gevent.spawn(polls.get, sid)
        until(lambda: engine.sockets[sid].poll_waiting)
        assert polls.post(sid, "1").body == "ok"
        assert (waiting.get().status, waiting.get().body) == (200, "6")
        assert polls.get(sid).status == 400
        happenings.wait_for(("disconnect", "client disconnect"))


def test_a_close_packet_closes_the_websocket() -> None:
    with echo_engine() as (_, port, happenings):
        client = WebSocketClient(port, path=ENGINE)
        client.text("1")
        assert client.close_code() == 1000
        happenings.wait_for(("disconnect", "client disconnect"))
        client.close()


@pytest.mark.parametrize("packet", ["abc", "", "bnot base64!", "b\u00e9", "\u0661"])
def test_garbage_packet_gets_only_a_close_frame(
    packet: str,
) -> None:
    with echo_engine() as (_, port, happenings):
        client = WebSocketClient(port, path=ENGINE)
        assert client.next_message()[0] == "0"
        client.text(packet)
        frame = client.next_frame()
        assert frame is not None
        assert (frame[0], frame[1][0]) == (8, 1002)
        assert client.receive() == b""
        client.close()
        happenings.wait_for(("disconnect", "transport error"))


@pytest.mark.parametrize("packet", ["0{}", "2", "2probe", "3", "6", "7", "8x", "9"])
def test_unknown_packet_is_ignored_by_websocket(packet: str) -> None:
    with echo_engine() as (_, port, _happenings):
        client = WebSocketClient(port, path=ENGINE)
        assert client.next_message()[0] == "0"
        for text in (packet, "4hello"):
            client.text(text)
        assert client.next_message() == "4hello"
        client.close()


def test_upgrade_out_of_turn_gets_noop() -> None:
    with echo_engine() as (_, port, _happenings):
        client = WebSocketClient(port, path=ENGINE)
        assert client.next_message()[0] == "0"
        client.text("5")
        assert client.next_message() == "6"
        polls = Polls(port, ENGINE)
        sid = polls.open()
        assert polls.post(sid, "5").body == "ok"
        assert polls.get(sid).body == "6"
        client.close()


def test_base64_is_taken_by_websocket() -> None:
    with echo_engine() as (_, port, _happenings):
        client = WebSocketClient(port, path=ENGINE)
        assert client.next_message()[0] == "0"
        client.text("bAQIDBA==")
        assert client.next_message() == b"\x01\x02\x03\x04"
        client.close()


def test_post_of_nothing_changes_nothing() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        for body in ("", "", "4hello"):
            assert polls.post(sid, body).body == "ok"
        without_length = polls.request("POST", polls.target(sid=sid))
        assert without_length.body == "ok"
        assert polls.get(sid).body == "4hello"


def test_vanished_client_returns_before_its_timeout() -> None:
    with echo_engine(ping_interval=0.5, ping_timeout=0.5) as (engine, port, happenings):
        polls = Polls(port, ENGINE)
        first, second = polls.open(), polls.open()
        assert set(engine.sockets) == {first, second}
        while ("disconnect", "ping timeout") not in happenings.entries:
            body = polls.get(second).body
            assert body == "2"
            polls.post(second, "3\x1e4hello")
            assert polls.get(second).body == "4hello"
        assert set(engine.sockets) == {second}


def upgrade(port: int, sid: str) -> WebSocketClient:
    client = WebSocketClient(port, sid, ENGINE)
    client.text("2probe")
    assert client.next_message() == "3probe"
    return client


def test_upgrade_ends_the_waiting_get() -> None:
    with echo_engine() as (engine, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        waiting = gevent.spawn(polls.get, sid)
        until(lambda: engine.sockets[sid].poll_waiting)
        client = upgrade(port, sid)
        assert waiting.get().body == "6"
        assert polls.get(sid).body == "6"
        client.text("5")
        client.text("4hello")
        assert client.next_message() == "4hello"
        assert engine.transport(sid) == "websocket"
        client.close()
        happenings.wait_for(("disconnect", "transport close"))


def test_packets_sent_during_upgrade_in_order() -> None:
    with echo_engine() as (engine, port, _happenings):
        sid = Polls(port, ENGINE).open()
        client = upgrade(port, sid)
        for number in range(40):
            engine.send(sid, f"n{number}")
        engine.send(sid, b"\x00\x01")
        client.text("5")
        assert [client.next_message() for _ in range(40)] == [f"4n{n}" for n in range(40)]
        assert client.next_message() == b"\x00\x01"
        client.close()


def test_request_after_upgrade_is_a_400() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        client = WebSocketClient(port, sid, ENGINE)
        client.text("2probe")
        client.text("5")
        assert polls.get(sid).status == 400
        assert polls.post(sid, "4x").status == 400
        client.text("4hello")
        assert client.next_message() == "3probe"
        assert client.next_message() == "4hello"
        client.close()


@pytest.mark.parametrize("upgraded", [True, False])
def test_second_websocket_after_upgrade_is_closed(upgraded: bool) -> None:
    with echo_engine() as (_, port, _happenings):
        sid = Polls(port, ENGINE).open()
        first = upgrade(port, sid)
        if upgraded:
            first.text("5")
            first.text("4x")
            assert first.next_message() == "4x"
        assert_refused_by_closing(WebSocketClient(port, sid, ENGINE))
        if not upgraded:
            first.text("5")
        first.text("4hello")
        assert first.next_message() == "4hello"
        first.close()


def test_second_websocket_of_session_is_closed() -> None:
    with echo_engine() as (engine, port, _happenings):
        first = WebSocketClient(port, path=ENGINE)
        first.next_message()
        (sid,) = engine.sockets
        assert_refused_by_closing(WebSocketClient(port, sid, ENGINE))
        first.text("4hello")
        assert first.next_message() == "4hello"
        first.close()


def assert_refused_by_closing(second: WebSocketClient) -> None:
    """It is told why, and that nothing follows, without having to answer."""
    assert second.handshake.startswith("HTTP/1.1 101")
    second.text("2probe")
    assert second.close_code() == 1008
    with within(CLOSE_TIMEOUT_S / 2):
        assert second.ends()
    second.close()


@pytest.mark.parametrize("packet", ["5", "4hello", "2", "2probe2", "1"])
def test_websocket_without_probe_is_closed(packet: str) -> None:
    with echo_engine() as (_, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        client = WebSocketClient(port, sid, ENGINE)
        client.text(packet)
        assert client.close_code() == 1002
        assert polls.post(sid, "4hello").status == 200
        happenings.wait_for(("message", "hello"))
        assert polls.get(sid).body == "4hello"
        client.close()


def test_probe_without_upgrade_is_closed() -> None:
    with echo_engine(upgrade_timeout=0.1) as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        client = upgrade(port, sid)
        assert client.close_code() == 1002
        assert polls.post(sid, "4hello").status == 200
        assert polls.get(sid).body == "4hello"
        client.close()


def test_broken_probe_leaves_polling() -> None:
    with echo_engine() as (engine, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        upgrade(port, sid).close()
        until(lambda: engine.sockets[sid].probe is None)
        assert polls.post(sid, "4hello").status == 200
        assert polls.get(sid).body == "4hello"
        second = upgrade(port, sid)
        second.text("5")
        second.text("4again")
        assert second.next_message() == "4again"
        second.close()


def test_closing_a_session_closes_its_probe() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        client = upgrade(port, sid)
        assert polls.post(sid, "1").body == "ok"
        assert client.close_code() == 1002
        client.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Upgrade": "h2c"}, 400),
    ],
)
def test_a_wrong_websocket_handshake_is_refused(headers: dict[str, str], status: int) -> None:
    with echo_engine() as (engine, port, _happenings):
        target = Polls(port, ENGINE).target("websocket")
        answer = Polls(port).request("GET", target, None, upgrade_headers(headers))
        assert answer.status == status
        assert not engine.sockets


def test_frames_sent_with_the_handshake() -> None:
    with echo_engine() as (_, port, _happenings):
        client = TcpClient(port)
        target = Polls(port, ENGINE).target("websocket")
        client.send(
            request_bytes("GET", target, None, upgrade_headers()) + client_frame(1, b"4hello")
        )
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        assert client.read_until(b"4hello")
        client.close()


def test_disconnect_sends_close_packet_by_websocket() -> None:
    with echo_engine() as (engine, port, happenings):
        client = WebSocketClient(port, path=ENGINE)
        sid = json.loads(client.next_message()[1:])["sid"]
        engine.disconnect(sid)
        assert client.next_message() == "1"
        assert client.close_code() == 1000
        happenings.wait_for(("disconnect", "server disconnect"))
        client.close()


def test_disconnect_with_last_packets_by_polling() -> None:
    with echo_engine() as (engine, port, happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        engine.send(sid, "last words")
        engine.disconnect(sid)
        happenings.wait_for(("disconnect", "server disconnect"))
        assert polls.get(sid).body == "4last words\x1e1"
        assert polls.get(sid).status == 400


def test_last_packets_in_several_polls() -> None:
    with echo_engine() as (engine, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        for number in range(40):
            engine.send(sid, f"n{number}")
        engine.disconnect(sid)
        packets = [packet for _ in range(3) for packet in polls.get(sid).body.split("\x1e")]
        assert packets == [*(f"4n{number}" for number in range(40)), "1"]
        assert polls.get(sid).status == 400


def test_no_upgrades_when_disallowed() -> None:
    with echo_engine(allow_upgrades=False) as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        opened = json.loads(polls.get().body[1:])
        assert opened["upgrades"] == []
        target = polls.target("websocket", opened["sid"])
        assert polls.request("GET", target, None, upgrade_headers()).status == 400
        assert polls.post(opened["sid"], "4x").status == 200


def test_a_refused_session_is_a_401() -> None:
    with echo_engine() as (engine, port, happenings):
        engine.on("connect", lambda sid, environ: False)
        assert Polls(port, ENGINE).get().status == 401
        target = Polls(port, ENGINE).target("websocket")
        assert Polls(port).request("GET", target, None, upgrade_headers()).status == 401
        assert not engine.sockets
        assert not happenings.entries


def test_session_in_the_disconnect_handler() -> None:
    with echo_engine() as (engine, port, happenings):

        def on_disconnect(sid: str, reason: str) -> None:
            happenings.add(engine.get_session(sid)["name"])

        engine.on("connect", lambda sid, environ: engine.save_session(sid, {"name": "anna"}))
        engine.on("disconnect", on_disconnect)
        WebSocketClient(port, path=ENGINE).close()
        happenings.wait_for("anna")
        assert not engine._leaving


def test_full_server_answers_503() -> None:
    with echo_engine(max_connections=1) as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        assert polls.get().status == 503
        assert polls.post(sid, "4x").status == 200


def test_poll_answer_is_bounded() -> None:
    with echo_engine() as (engine, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        for number in range(20):
            engine.send(sid, f"n{number}")
        for _ in range(3):
            engine.send(sid, "x" * 30_000)
        sizes = [polls.get(sid).body.split("\x1e") for _ in range(3)]
        assert [len(packets) for packets in sizes] == [16, 6, 1]


def test_polls_on_a_keep_alive_connection() -> None:
    with echo_engine() as (_, port, _happenings):
        polls = Polls(port, ENGINE)
        sid = polls.open()
        client = TcpClient(port)
        bodies: list[Any] = []
        for word in ("4one", "4two"):
            client.send(request_bytes("POST", polls.target(sid=sid), word.encode(), None))
            assert read_answer(client).body == "ok"
            client.send(request_bytes("GET", polls.target(sid=sid), None, None))
            bodies.append(read_answer(client).body)
        assert bodies == ["4one", "4two"]
        client.close()
