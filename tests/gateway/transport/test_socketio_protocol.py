"""Socket.IO v5 as its document says."""

import json
import secrets
from typing import Any

import gevent
import pytest
from flask import request, session
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import emit, join_room
from gevent.event import Event

from gateway.transport import SocketIO
from gateway.transport.stock.strict_json import MAX_CONTAINERS
from tests.gateway.transport.clients import Polls, WebSocketClient, connect_namespace
from tests.gateway.transport.servers import Happenings, flask_app


def echo_events(sockets: SocketIO) -> Happenings:
    happenings = Happenings()

    @sockets.on("message")
    def on_message(*args: Any) -> tuple[Any, ...]:
        happenings.add(args)
        emit("message-back", args)
        return args

    @sockets.on("disconnect")
    def on_disconnect(reason: str) -> None:
        happenings.add(("disconnect", reason))

    return happenings


def test_namespace_has_a_session_id() -> None:
    with flask_app() as (sockets, port):
        echo_events(sockets)
        client = WebSocketClient(port)
        answer = connect_namespace(client)
        assert answer.startswith("40{")
        assert list(json.loads(answer[2:])) == ["sid"]
        client.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_unknown_namespace_is_refused(transport: str) -> None:
    with flask_app() as (_, port):
        if transport == "websocket":
            client = WebSocketClient(port)
            answer = connect_namespace(client, "/random")
            client.close()
        else:
            sid = Polls(port).open()
            Polls(port).post(sid, "40/random,")
            answer = Polls(port).get(sid).body
        assert answer == '44/random,{"message":"Invalid namespace"}'


def test_client_without_namespace_is_closed() -> None:
    with flask_app(connect_timeout=0.1) as (_, port):
        client = WebSocketClient(port)
        assert client.next_message()[0] == "0"
        assert client.close_code() == 1000
        client.close()


def test_pongs_do_not_keep_client_without_namespace() -> None:
    with flask_app(connect_timeout=0.3, ping_interval=0.05) as (_, port):
        client = WebSocketClient(port)
        polls, pings = Polls(port), 0
        sid = polls.open()
        while (body := polls.get(sid).body) == "2":
            polls.post(sid, "3")
            pings += 1
        assert body in ("1", "2\x1e1")  # a ping may be due together with the end
        assert pings > 1
        assert client.next_message()[0] == "0"
        while (frame := client.next_frame()) == (1, "2"):
            client.text("3")
        assert frame is not None
        assert (frame[0], frame[1][0]) == (8, 1000)
        client.close()


def test_refused_client_is_closed() -> None:
    with flask_app(connect_timeout=0.1) as (_, port):
        client = WebSocketClient(port)
        connect_namespace(client, "/random")
        assert client.close_code() == 1000
        client.close()


def test_connected_client_outlives_connect_timeout() -> None:
    with flask_app(connect_timeout=0.05) as (sockets, port):
        echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        gevent.sleep(0.2)  # the absence of a close can only be waited for
        client.text('42["message"]')
        assert client.next_message() == '42["message-back"]'
        client.close()


@pytest.mark.parametrize("packet", ['42["message"]', "41", "430[]", "4abc", "44{}"])
def test_first_packet_must_be_connect(packet: str) -> None:
    with flask_app() as (_, port):
        client = WebSocketClient(port)
        client.text(packet)
        assert client.close_code() == 1002
        client.close()


BAD_PACKETS = [
    "4abc",
    "4",
    "49",
    "42{}",
    "42[]",
    "42",
    '42"text"',
    "42[",
    "42[null]",
    '42[["message"]]',
    '42abc["message-with-ack",1]',
    '42["connect"]',
    '42["disconnect","x"]',
    '42["message",NaN]',
    "43[]",
    "43",
    "431{}",
    '44{"message":"x"}',
    "41{}",
    "42" + "[" * 100_000,
    "42[" + "9" * 5000 + "]",
    '45101-["message"]',
    '4599999999999-["message"]',
    '421-["message"]',
]


@pytest.mark.parametrize("packet", BAD_PACKETS, ids=lambda packet: str(packet[:24]))
def test_a_bad_packet_closes_the_connection(packet: str) -> None:
    with flask_app() as (sockets, port):
        happenings = echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text(packet)
        code = client.close_code()
        assert code in (1000, 1002)
        happenings.wait_for(("disconnect", "transport error"))
        assert len(happenings.entries) == 1
        client.close()


@pytest.mark.parametrize("packet", BAD_PACKETS[:8], ids=lambda packet: str(packet[:24]))
def test_bad_packet_by_polling_is_a_400(packet: str) -> None:
    with flask_app() as (sockets, port):
        happenings = echo_events(sockets)
        polls = Polls(port)
        sid = polls.open()
        polls.post(sid, "40")
        assert polls.get(sid).body.startswith("40")
        assert polls.post(sid, packet).status == 400
        assert polls.get(sid).status == 400
        happenings.wait_for(("disconnect", "transport error"))


def test_binary_events_and_acks() -> None:
    with flask_app() as (sockets, port):
        echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        holders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
        client.text(f'452-789["message",{holders}]')
        client.frame(2, b"\x01\x02\x03")
        client.frame(2, b"\x04\x05\x06")
        got = [client.next_message() for _ in range(6)]
        assert got == [
            f'452-["message-back",{holders}]',
            b"\x01\x02\x03",
            b"\x04\x05\x06",
            f"462-789[{holders}]",
            b"\x01\x02\x03",
            b"\x04\x05\x06",
        ]
        client.close()


def test_text_instead_of_attachment() -> None:
    with flask_app() as (_, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('451-["message",{"_placeholder":true,"num":0}]')
        client.text('42["message"]')
        assert client.close_code() == 1002
        client.close()


def test_unannounced_attachment() -> None:
    with flask_app() as (_, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        client.frame(2, b'2["message"]')
        assert client.close_code() == 1002
        client.close()


@pytest.mark.parametrize("number", ["1", "-1", '"0"', "null"])
def test_placeholder_without_attachment(number: str) -> None:
    with flask_app() as (sockets, port):
        happenings = echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('451-["message",{"_placeholder":true,"num":' + number + "}]")
        client.frame(2, b"x")
        assert client.close_code() == 1002
        happenings.wait_for(("disconnect", "transport error"))
        assert len(happenings.entries) == 1
        client.close()


def test_leaving_one_namespace_keeps_the_other() -> None:
    with flask_app(namespaces=["/", "/custom"]) as (sockets, port):
        echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text("40/custom,")
        assert client.next_message().startswith("40/custom,{")
        client.text("41/custom,")
        client.text('42/custom,["message","nobody listens"]')
        client.text('42["message","main"]')
        assert client.next_message() == '42["message-back","main"]'
        client.close()


@pytest.mark.parametrize("always_connect", [False, True])
def test_connect_packet_before_emitted_events(always_connect: bool) -> None:
    with flask_app(always_connect=always_connect) as (sockets, port):

        @sockets.on("connect")
        def on_connect(auth: Any) -> None:
            join_room("everybody")
            emit("hello", b"\x01")
            sockets.emit("to-room", to="everybody")
            sockets.emit("to-all")

        client = WebSocketClient(port)
        assert connect_namespace(client).startswith("40{")
        assert client.next_message() == '451-["hello",{"_placeholder":true,"num":0}]'
        assert client.next_message() == b"\x01"
        assert client.next_message() == '42["to-room"]'
        assert client.next_message() == '42["to-all"]'
        client.close()


@pytest.mark.parametrize("always_connect", [False, True])
def test_refused_client_got_nothing_before(always_connect: bool) -> None:
    with flask_app(always_connect=always_connect) as (sockets, port):

        @sockets.on("connect")
        def on_connect(auth: Any) -> None:
            emit("secret")
            sockets.emit("secret for all")
            raise Refused("no", {"code": 7})

        client = WebSocketClient(port)
        assert connect_namespace(client) == '44{"message":"no","data":{"code":7}}'
        assert not sockets.server.manager.rooms
        client.text("1")
        assert client.close_code() == 1000
        client.close()


def test_broadcast_after_connect_handler() -> None:
    with flask_app() as (sockets, port):
        deciding, decide = Event(), Event()

        @sockets.on("connect")
        def on_connect(auth: Any) -> bool:
            deciding.set()
            decide.wait()
            return bool(auth["good"])

        clients = []
        for good in ("true", "false"):
            deciding.clear()
            client = WebSocketClient(port)
            client.next_message()
            client.text('40{"good":' + good + "}")
            assert deciding.wait(10)
            clients.append(client)
        sockets.emit("news")
        decide.set()
        good_client, refused = clients
        assert good_client.next_message().startswith("40{")
        assert good_client.next_message() == '42["news"]'
        assert refused.next_message() == '44{"message":"Connection rejected by server"}'
        sockets.emit("more")
        assert good_client.next_message() == '42["more"]'
        refused.text("1")
        assert refused.close_code() == 1000
        for client in clients:
            client.close()


@pytest.mark.parametrize("serializer", ["default", "msgpack"])
def test_large_event_while_a_client_connects(serializer: str) -> None:
    large: list[Any] = [[]] * (MAX_CONTAINERS + 1)
    with flask_app(serializer=serializer) as (sockets, port):
        failures = Happenings()

        @sockets.on("connect")
        def on_connect() -> None:
            try:
                emit("large", large)
                emit("large", large, namespace="/other")
            except ValueError as error:
                failures.add(error)

        client = WebSocketClient(port)
        client.next_message()
        client.frame(2 if serializer == "msgpack" else 1, CONNECTS[serializer])
        sizes = [len(client.next_message()) for _ in range(2)]
        assert (sizes[0] < 100 < sizes[1], failures.entries) == (True, [])
        client.close()


CONNECTS = {"default": b"40", "msgpack": bytes.fromhex("82a47479706500a36e7370a12f")}


def test_failed_connect_handler_refuses() -> None:
    with flask_app() as (sockets, port):

        @sockets.on("connect")
        def on_connect(auth: Any) -> None:
            raise ZeroDivisionError("secret")

        client = WebSocketClient(port)
        assert connect_namespace(client) == '44{"message":"Internal server error"}'
        client.close()


def test_call_inside_a_handler() -> None:
    with flask_app() as (sockets, port):

        @sockets.on("ask")
        def on_ask() -> Any:
            return sockets.call("question", 6, to=request.sid, timeout=10)  # type: ignore[attr-defined] # Flask-SocketIO adds it

        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('4217["ask"]')
        assert client.next_message() == '421["question",6]'
        client.text("431[42]")
        assert client.next_message() == "4317[42]"
        client.close()


def test_unexpected_ack_is_ignored() -> None:
    with flask_app() as (sockets, port):
        echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text("430[1]")
        client.text("435[1]")
        client.text('42["message"]')
        assert client.next_message() == '42["message-back"]'
        client.close()


@pytest.mark.parametrize("answer", ["431", "431[]"])
def test_answer_without_data_is_an_answer(answer: str) -> None:
    with flask_app() as (sockets, port):
        answered = Happenings()

        @sockets.on("ask")
        def on_ask() -> None:
            emit("question", callback=lambda *data: answered.add(data))

        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('42["ask"]')
        assert client.next_message() == '421["question"]'
        client.text(answer)
        answered.wait_for(())
        client.close()


def test_second_connect_is_refused() -> None:
    with flask_app() as (sockets, port):
        echo_events(sockets)
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text("40")
        assert client.next_message() == '44{"message":"Unable to connect"}'
        client.text('42["message",1]')
        assert client.next_message() == '42["message-back",1]'
        client.close()


def test_an_answer_counts_once() -> None:
    with flask_app() as (sockets, port):
        happenings = Happenings()
        client = WebSocketClient(port)
        connect_namespace(client)
        sockets.emit("question", callback=happenings.add)
        assert client.next_message() == '421["question"]'
        for answer in ("one", "two"):
            client.text(f'431["{answer}"]')
        happenings.wait_for("one")
        echo_events(sockets)
        client.text('42["message"]')
        assert client.next_message() == '42["message-back"]'
        assert happenings.entries == ["one"]
        client.close()


def test_failed_disconnect_handler_does_not_stop_others() -> None:
    with flask_app() as (sockets, port):
        happenings = Happenings()

        @sockets.on("disconnect", namespace="/a")
        def on_leave_a(reason: str) -> None:
            happenings.add(("a", reason))
            raise ZeroDivisionError

        @sockets.on("disconnect", namespace="/b")
        def on_leave_b(reason: str) -> None:
            happenings.add(("b", reason))

        client = WebSocketClient(port)
        connect_namespace(client, "/a,")
        client.text("40/b,")
        client.next_message()
        client.close()
        happenings.wait_for(("a", "transport close"))
        happenings.wait_for(("b", "transport close"))
        happenings.wait_until(lambda: not sockets.server.environ)
        assert not sockets.server.manager.rooms


def test_application_session_lasts() -> None:
    with flask_app() as (sockets, port):
        sockets.sockio_mw.flask_app.secret_key = secrets.token_hex()

        @sockets.on("count")
        def on_count() -> int:
            session["n"] = session.get("n", 0) + 1
            return int(session["n"])

        client = WebSocketClient(port, headers={"X-Given": "kept"})
        connect_namespace(client)
        answers = []
        for number in range(3):
            client.text(f'42{number}["count"]')
            answers.append(client.next_message())
        assert answers == ["430[1]", "431[2]", "432[3]"]
        client.close()


def test_handlers_see_the_opening_request() -> None:
    with flask_app() as (sockets, port):

        @sockets.on("look")
        def on_look() -> list[Any]:
            return [request.headers["X-Given"], request.args["transport"], request.remote_addr]

        client = WebSocketClient(port, headers={"X-Given": "kept"})
        connect_namespace(client)
        client.text('421["look"]')
        assert client.next_message() == '431[["kept","websocket","127.0.0.1"]]'
        client.close()


def test_too_many_lists() -> None:
    with flask_app() as (_, port):
        client = WebSocketClient(port)
        connect_namespace(client)
        client.text('42["message"' + ",[]" * MAX_CONTAINERS + "]")
        assert client.close_code() == 1002
        client.close()
