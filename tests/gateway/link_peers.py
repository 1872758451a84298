"""What stands at the other ends of the gateway's links: devices, hostile ones, and its own loop."""

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TypeAlias

import zmq

from gateway.links import Incoming, LinkSettings
from gateway.replay_routes import Route
from gateway.subscriber import Subscriber
from shared.cursor import Cursor
from shared.wire import ReplayRequest, decode_request, encode_answer, encode_request, reading_topic
from tests.timing import scaled_s

WAIT_S = 10.0
TOPIC = reading_topic("ebike-001")
REQUEST = encode_request(ReplayRequest("q1", "ebike-001", Cursor(7, 1), 5))
ANSWER = encode_answer(
    ReplayRequest("q1", "ebike-001", None, 5), [b'{"seq":2}'], Cursor(7, 1), Cursor(7, 2)
)

Socket: TypeAlias = "zmq.Socket[bytes]"


class Loop:
    """Stands for the event loop: takes what the subscriber has whenever it wakes."""

    def __init__(self, settings: LinkSettings) -> None:
        self.woken = threading.Event()
        self.wakes = 0
        self.notices: list[str] = []
        self.now_s = 0.0
        self.subscriber = Subscriber(settings, self.wake, self.notices.append, lambda: self.now_s)

    def wake(self) -> None:
        self.wakes += 1
        self.woken.set()

    def turn(self) -> list[Incoming]:
        """Wait until woken, and take."""
        assert self.woken.wait(scaled_s(WAIT_S)), "the loop was not woken"
        self.woken.clear()
        return self.subscriber.take()

    def take(self, count: int) -> list[Incoming]:
        """Take until so many messages came."""
        taken: list[Incoming] = []
        deadline = monotonic() + scaled_s(WAIT_S)
        while len(taken) < count:
            assert monotonic() < deadline, f"{len(taken)} of {count} messages came"
            taken += self.turn()
        return taken

    def payloads(self, count: int) -> list[bytes]:
        return [message.frames[-1] for message in self.take(count)]


class DeafPublisher:
    """Speaks ZMTP 3.0 as a PUB that sends whatever it likes, subscribed to or not."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> None:
        self.listener.settimeout(scaled_s(WAIT_S))
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(scaled_s(WAIT_S))
        mechanism = b"NULL".ljust(20, b"\0")
        self.peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism + bytes(32))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"PUB"
        self.peer.sendall(b"\x04" + bytes([len(ready)]) + ready)

    def send(self, *frames: bytes, times: int = 1) -> None:
        *firsts, last = frames
        parts = [self._frame(3, frame) for frame in firsts] + [self._frame(2, last)]
        self.peer.sendall(b"".join(parts) * times)

    def close(self) -> None:
        self.listener.close()
        self.peer.close()

    @staticmethod
    def _frame(flags: int, body: bytes) -> bytes:
        return bytes([flags]) + struct.pack(">Q", len(body)) + body


class Peers:
    """The sockets of devices; nothing they do waits longer than a test may."""

    def __init__(self) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self.sockets: list[Socket] = []

    def open(self, kind: int) -> Socket:
        opened = self.context.socket(kind)
        self.sockets.append(opened)
        opened.rcvtimeo = opened.sndtimeo = int(scaled_s(WAIT_S) * 1000)
        opened.sndhwm = opened.rcvhwm = 100_000
        opened.immediate = 1
        return opened

    def bind(self, kind: int) -> tuple[Socket, str]:
        opened = self.open(kind)
        return opened, f"tcp://127.0.0.1:{opened.bind_to_random_port('tcp://127.0.0.1')}"

    def connect(self, kind: int, endpoint: str) -> Socket:
        opened = self.open(kind)
        opened.connect(endpoint)
        return opened


StartLinks: TypeAlias = Callable[[LinkSettings], Loop]


def subscriptions(publisher: Socket, count: int = 2) -> set[bytes]:
    """Wait for subscriptions to arrive at an XPUB; 1 in front subscribes, 0 unsubscribes."""
    return {publisher.recv() for _ in range(count)}


def hearing(peers: Peers, start_links: StartLinks) -> tuple[Socket, Loop]:
    """Start a subscriber that hears one publisher."""
    publisher, endpoint = peers.bind(zmq.XPUB)
    loop = start_links(LinkSettings(device_connect=(endpoint,)))
    subscriptions(publisher)
    return publisher, loop


def ask_until_heard(loop: Loop, device: Socket, route: Route) -> bytes:
    """Send requests until the device's ROUTER got one; returns the asker's name there.

    What is sent before the connection stands is not kept, so the first may go nowhere.
    """
    deadline = monotonic() + scaled_s(WAIT_S)
    while monotonic() < deadline:
        loop.subscriber.ask([(route, REQUEST)])
        loop.turn()
        if device.poll(20):
            name, payload = device.recv_multipart()
            assert decode_request(payload) == decode_request(REQUEST)
            return name
    raise AssertionError("no request arrived")


def open_descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
