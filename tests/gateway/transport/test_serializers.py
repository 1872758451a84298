"""Packets in other formats than the default one: MessagePack, classes and JSON of applications."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_socketio import emit
from socketio import packet
from socketio.msgpack_packet import MsgPackPacket, msgpack

from gateway.transport import SocketIO
from gateway.transport.stock.serializers import packet_class_of
from gateway.transport.stock.strict_json import MAX_CONTAINERS, StrictJSON
from tests.conftest import StartProcess
from tests.gateway.transport.clients import (
    BINARY,
    Polls,
    WebSocketClient,
    answers,
    connect_namespace,
    until,
)
from tests.gateway.transport.servers import flask_app
from tests.timing import scaled_s

HERE = Path(__file__).parent / "serializers"

PYTHON_CLIENT = """
import sys
import socketio
client = socketio.Client(reconnection=False, serializer="msgpack")
client.connect(sys.argv[1], transports=[sys.argv[2]], auth={"token": 1}, wait_timeout=10)
value = {"bytes": b"\\x00", "list": [1.5, None]}
assert client.call("echo", value, timeout=10) == [value]
client.on("question", lambda question: [question, "answered"])
assert client.call("ask", 7, timeout=10) == [7, "answered"]
client.disconnect()
print("done")
"""


@pytest.fixture
def url(start_process: StartProcess, free_port: Callable[[], int]) -> str:
    """Serve the application on MessagePack."""
    port = free_port()
    start_process(["python", "app.py", str(port)], directory=HERE)
    until(lambda: answers(port), 20)
    return f"http://127.0.0.1:{port}"


def output_of(argv: list[str]) -> str:
    return subprocess.run(
        argv, cwd=HERE, check=True, capture_output=True, text=True, timeout=scaled_s(40)
    ).stdout


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_msgpack_with_the_javascript_parser(transport: str, url: str) -> None:
    assert json.loads(output_of(["node", "client.mjs", url, transport])) == {
        "hello": {"token": "abc"},
        "answer": [[0, 255], [1.5, None, "ü"], 2**40],
        "echoed": [1.5, None, "ü"],
        "asked": [7, "answered"],
        "gone": "io server disconnect",
        "admin": [1],
        "unknown": "Invalid namespace",
        "refused": "Connection refused by server",
        "absent": None,
    }


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_msgpack_with_the_python_client(transport: str, url: str) -> None:
    assert output_of([sys.executable, "-c", PYTHON_CLIENT, url, transport]).split() == ["done"]


UNDEFINED = msgpack.ExtType(0, b"\0")
CONNECT = {"type": 0, "data": UNDEFINED, "nsp": "/"}


class Packed(WebSocketClient):
    """A client that speaks MessagePack."""

    def pack(self, fields: Any) -> None:
        self.frame(BINARY, msgpack.packb(fields))

    def unpack(self) -> Any:
        return msgpack.unpackb(self.next_message())

    def join(self) -> Any:
        assert self.next_message()[0] == "0"
        self.pack(CONNECT)
        return self.unpack()


@pytest.mark.parametrize(
    "fields",
    [
        7,
        {},
        {"type": 2, "data": ["x"]},
        {"type": 2, "data": ["x"], "nsp": 5},
        {"type": 2, "data": ["x"], "nsp": "/", "id": "1"},
        {"type": 2, "data": ["x"], "nsp": "/", "id": 1.5},
        {"type": 2, "data": {}, "nsp": "/"},
        {"type": 2, "data": [], "nsp": "/"},
        {"type": 9, "data": ["x"], "nsp": "/"},
        {"type": None, "data": ["x"], "nsp": "/"},
        {"type": 3, "data": ["x"], "nsp": "/"},
        {"type": 2, "data": ["connect"], "nsp": "/"},
        {"type": 2, "data": [[]] * (MAX_CONTAINERS + 1), "nsp": "/"},
        {"type": 2, "data": ["x"] + [msgpack.ExtType(5, b"")] * (MAX_CONTAINERS + 1), "nsp": "/"},
        {"type": 2, "data": ["x"] + [msgpack.Timestamp(1)] * (MAX_CONTAINERS + 1), "nsp": "/"},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_bad_msgpack_closes_the_connection(fields: Any) -> None:
    with flask_app(serializer="msgpack") as (_, port):
        client = Packed(port)
        client.join()
        client.pack(fields)
        assert client.close_code() == 1002
        client.close()


def test_text_and_broken_msgpack_close_the_connection() -> None:
    with flask_app(serializer="msgpack") as (_, port):
        for text, broken in ((b'42["x"]', b""), (b"", b"\x83\xa4type"), (b"", b"\x91" * 90_000)):
            client = Packed(port)
            client.join()
            client.frame(1 if text else BINARY, text or broken)
            assert client.close_code() == 1002
            client.close()


def test_many_containers_within_the_bound_are_taken() -> None:
    with flask_app(serializer="msgpack") as (sockets, port):
        sockets.on("count")(len)
        client = Packed(port)
        client.join()
        binary = bytes(range(256)) * 1000  # has more first bytes of lists than lists are allowed
        client.pack({"type": 2, "data": ["count", binary], "nsp": "/", "id": 1})
        assert client.unpack() == {"type": 3, "nsp": "/", "id": 1, "data": [256_000]}
        client.pack({"type": 2, "data": ["count", [[]] * 30_000], "nsp": "/", "id": 2})
        assert client.unpack()["data"] == [30_000]
        client.close()


def test_refused_msgpack_client_got_nothing() -> None:
    with flask_app(serializer="msgpack") as (sockets, port):

        @sockets.on("connect")
        def on_connect(auth: Any) -> bool:
            emit("early", {"n": 1})
            sockets.emit("to all", b"1")
            return bool(auth)

        client = Packed(port)
        assert client.join()["type"] == packet.CONNECT_ERROR
        client.pack({**CONNECT, "data": "token"})
        assert [client.unpack()["type"] for _ in range(2)] == [packet.CONNECT, packet.EVENT]
        client.close()


def test_configured_msgpack_keeps_its_hooks() -> None:
    def write(value: Any) -> Any:
        return msgpack.ExtType(7, value.isoformat().encode())

    def read(code: int, data: bytes) -> Any:
        return datetime.fromisoformat(data.decode()) if code == 7 else msgpack.ExtType(code, data)

    configured = packet_class_of(MsgPackPacket.configure(dumps_default=write, ext_hook=read))
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    encoded = configured(packet.EVENT, data=["at", moment], namespace="/").encode()
    assert configured(encoded_packet=encoded).data == ["at", moment]
    many = configured(packet.EVENT, data=["at", *[moment] * 9], namespace="/").encode()
    assert len(configured(encoded_packet=many).data) == 10


class Reversed(packet.Packet):  # type: ignore[misc]  # socketio has no types
    """A format of an application's own: the default one, backwards, in binary."""

    uses_binary_events = False

    def encode(self) -> bytes:
        text = super().encode()
        return bytes(reversed(text.encode()))

    def decode(self, encoded_packet: bytes) -> int:
        count: int = super().decode(bytes(reversed(encoded_packet)).decode())
        return count


class Base64(packet.Packet):  # type: ignore[misc]  # socketio has no types
    """Another one, in text, with attachments as the default format has them."""

    def encode(self) -> Any:
        encoded = super().encode()
        parts = encoded if isinstance(encoded, list) else [encoded]
        return [base64.b64encode(parts[0].encode()).decode(), *parts[1:]]

    def decode(self, encoded_packet: str) -> int:
        count: int = super().decode(base64.b64decode(encoded_packet).decode())
        return count


def test_binary_packet_class_of_an_application() -> None:
    with flask_app(serializer=Reversed) as (sockets, port):
        sockets.on("echo")(lambda *args: args)
        sockets.on("connect")(lambda: emit("hello"))
        client = WebSocketClient(port)
        client.next_message()
        client.frame(BINARY, b"0")
        assert client.next_message()[::-1].startswith(b'0{"sid"')
        assert client.next_message()[::-1] == b'2["hello"]'
        client.frame(BINARY, b'25["echo",1]'[::-1])
        assert client.next_message()[::-1] == b"35[1]"
        client.frame(BINARY, b"\xff\xff")
        assert client.close_code() == 1002
        client.close()


def test_application_packet_class_with_attachments() -> None:
    def encoded(text: str) -> str:
        return "4" + base64.b64encode(text.encode()).decode()

    with flask_app(serializer=Base64) as (sockets, port):
        sockets.on("echo")(lambda *args: args)
        sockets.on("connect")(lambda: emit("hello", b"\1"))
        client = WebSocketClient(port)
        client.next_message()
        client.text(encoded("0"))
        client.next_message()
        assert client.next_message() == encoded('51-["hello",{"_placeholder":true,"num":0}]')
        assert client.next_message() == b"\1"
        client.text(encoded('51-7["echo",{"_placeholder":true,"num":0}]'))
        client.frame(BINARY, b"\2")
        assert client.next_message() == encoded('61-7[{"_placeholder":true,"num":0}]')
        assert client.next_message() == b"\2"
        client.close()


@pytest.mark.parametrize("name", ["pickle", "cbor", "nothing", None, object])
def test_unknown_serializer_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="serializer="):
        SocketIO(Flask("x"), serializer=name)


class Marking:
    """A JSON module of an application: marks what it wrote and read."""

    @staticmethod
    def dumps(*args: Any, **options: Any) -> str:
        return json.dumps(*args, **options, default=str)

    @staticmethod
    def loads(*args: Any, **options: Any) -> Any:
        return json.loads(*args, **options, parse_float=str)


@pytest.fixture
def _restored_json() -> Any:
    """Undo the option ``json``: the libraries keep it for the process."""
    from engineio import packet as engine_packet  # noqa: PLC0415  # not engineio's own packet

    before = packet.Packet.json, engine_packet.Packet.json
    yield
    packet.Packet.json, engine_packet.Packet.json = before


@pytest.mark.usefixtures("_restored_json")
def test_json_of_an_application() -> None:
    with flask_app(json=Marking) as (sockets, port):
        sockets.on("echo")(lambda *args: [*args, datetime(2026, 1, 2, tzinfo=UTC)])
        client = WebSocketClient(port)
        connect_namespace(client, '{"a":1.5}')
        client.text('421["echo",1.5]')
        assert client.next_message() == '431[["1.5","2026-01-02 00:00:00+00:00"]]'
        client.text("4" + '2["echo"' + ",[]" * MAX_CONTAINERS + "]")
        assert client.close_code() == 1002
        client.close()
    with flask_app() as (_, port):  # the next server has its own JSON again
        assert Polls(port).open()
        assert packet_class_of("default").json is StrictJSON


def test_strict_json_takes_module_arguments() -> None:
    value = {"b": [1], "a": "ü"}
    assert StrictJSON.loads(StrictJSON.dumps(value)) == value
    assert StrictJSON.dumps(value, sort_keys=True) == json.dumps(value, sort_keys=True)
    assert StrictJSON.dumps(value, separators=(",", ":")) == '{"b":[1],"a":"\\u00fc"}'
    assert StrictJSON.dumps({1}, default=list, indent=1) == "[\n 1\n]"
    assert StrictJSON.loads(b"[1.5]", parse_float=str) == ["1.5"]
    assert StrictJSON.loads(bytearray(b"[1]")) == [1]
    for text in ("NaN", b"[Infinity]"):
        with pytest.raises(ValueError, match="no JSON"):
            StrictJSON.loads(text)
    for options in ({}, {"indent": 1}):
        with pytest.raises(ValueError, match="JSON compliant"):
            StrictJSON.dumps([float("nan")], **options)
