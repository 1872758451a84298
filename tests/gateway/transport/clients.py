"""Clients that speak HTTP and WebSocket byte by byte, on gevent sockets."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from struct import pack
from typing import Any, ClassVar

import gevent
from gevent import socket
from wsproto.frame_protocol import FrameProtocol, Opcode

from tests.timing import scaled_s

MASK = b"\x11\x22\x33\x44"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: str


class TcpClient:
    """A connection to the server under test; every wait has a limit."""

    opened: ClassVar[list["TcpClient"]] = []

    def __init__(
        self, port: int, receive_buffer: int | None = None, source: str = "127.0.0.1"
    ) -> None:
        self.sock = socket.socket()
        self.sock.bind((source, 0))
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(scaled_s(10))
        self.sock.connect(("127.0.0.1", port))
        self.buffer = b""
        self.opened.append(self)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except ConnectionResetError:
            return b""

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            data = self.receive()
            assert data, f"connection ended before {mark!r}: {self.buffer!r}"
            self.buffer += data
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def read_exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            data = self.receive()
            assert data, "connection ended inside a body"
            self.buffer += data
        body, self.buffer = self.buffer[:count], self.buffer[count:]
        return body

    def close(self) -> None:
        self.sock.close()


class Polls:
    """Requests to an Engine.IO endpoint."""

    def __init__(self, port: int, path: str = "/socket.io/") -> None:
        self.port = port
        self.path = path

    def target(self, transport: str = "polling", sid: str | None = None, eio: str = "4") -> str:
        sid_part = f"&sid={sid}" if sid else ""
        return f"{self.path}?EIO={eio}&transport={transport}{sid_part}"

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        client = TcpClient(self.port)
        client.send(request_bytes(method, target, body, headers))
        answer = read_answer(client)
        client.close()
        return answer

    def get(self, sid: str | None = None) -> Answer:
        return self.request("GET", self.target(sid=sid))

    def post(self, sid: str, body: str | bytes) -> Answer:
        data = body if isinstance(body, bytes) else body.encode()
        return self.request("POST", self.target(sid=sid), data)

    def open(self) -> str:
        answer = self.get()
        assert answer.status == 200, answer
        return str(json.loads(answer.body.split("\x1e")[0][1:])["sid"])


def request_bytes(
    method: str, target: str, body: bytes | None, headers: dict[str, str] | None
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    fields = {"Host": "localhost", **(headers or {})}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def read_answer(client: TcpClient) -> Answer:
    head = client.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, value in (line.split(":", 1) for line in head[1:])
    }
    body = client.read_exactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body.decode("latin-1"))


class WebSocketClient(TcpClient):
    """A WebSocket that can also break the rules."""

    def __init__(
        self,
        port: int,
        sid: str | None = None,
        path: str = "/socket.io/",
        headers: dict[str, str] | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(port, receive_buffer)
        target = Polls(port, path).target("websocket", sid)
        self.send(request_bytes("GET", target, None, upgrade_headers(headers)))
        self.handshake = self.read_until(b"\r\n\r\n").decode("latin-1")
        self.protocol = FrameProtocol(client=True, extensions=[])
        self.protocol.receive_bytes(self.buffer)
        self.frames = self._frames()

    def _frames(self) -> Iterator[tuple[int, Any]]:
        text: Any = None
        while True:
            for frame in self.protocol.received_frames():
                if frame.opcode.iscontrol():
                    yield int(frame.opcode), frame.payload
                    continue
                text = frame.payload if text is None else text + frame.payload
                if frame.message_finished and frame.frame_finished:
                    opcode = TEXT if isinstance(text, str) else BINARY
                    yield opcode, text
                    text = None
                assert frame.opcode is not Opcode.CONTINUATION
            data = self.receive()
            if not data:
                return
            self.protocol.receive_bytes(data)

    def next_frame(self) -> tuple[int, Any] | None:
        """Return (opcode, payload), or None at the end of the stream."""
        return next(self.frames, None)

    def next_message(self) -> Any:
        """Return the next message that is no Engine.IO ping."""
        while True:
            frame = self.next_frame()
            assert frame is not None, "connection ended"
            assert frame[0] in (TEXT, BINARY), frame
            if frame[1] != "2":
                return frame[1]

    def frame(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        self.send(client_frame(opcode, payload, final=final))

    def text(self, text: str) -> None:
        self.frame(TEXT, text.encode())

    def close_code(self) -> int | None:
        """Return the code the server closes with, None for a connection that just ends."""
        for opcode, payload in self.frames:
            if opcode == CLOSE:
                return int(payload[0])
        return None

    def ends(self) -> bool:
        """Read to the end of the stream."""
        for _ in self.frames:
            pass
        while self.receive():
            pass
        return True


def upgrade_headers(more: dict[str, str] | None = None) -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **(more or {}),
    }


def client_frame(
    opcode: int, payload: bytes, *, final: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    size = len(payload)
    head = bytes([(0x80 if final else 0) | rsv | opcode])
    flag = 0x80 if masked else 0
    if size <= 125:
        head += bytes([flag | size])
    elif size <= 0xFFFF:
        head += bytes([flag | 126]) + pack("!H", size)
    else:
        head += bytes([flag | 127]) + pack("!Q", size)
    if not masked:
        return head + payload
    mask = (MASK * (size // 4 + 1))[:size]
    mixed = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    return head + MASK + mixed


def connect_namespace(client: WebSocketClient, namespace: str = "") -> str:
    """Open the session, ask for a namespace, return the answer."""
    opened = client.next_message()
    assert opened.startswith("0"), opened
    client.text(f"40{namespace}")
    return str(client.next_message())


def answers(port: int) -> bool:
    """Say whether somebody listens."""
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)) == 0)


def until(reached: Callable[[], object], limit_s: float = 5) -> None:
    """Return when ``reached`` says so; fail when it does not within the limit."""
    with within(limit_s):
        while not reached():
            gevent.sleep(0.001)


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    with gevent.Timeout(scaled_s(limit_s), AssertionError(f"took longer than {limit_s} s")):
        yield
