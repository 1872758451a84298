"""What stands at the other ends of the gateway's links: devices, hostile ones, and its own loop."""

import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import TypeAlias

import zmq

from gateway.upstream.replay_routes import Route
from gateway.upstream.sockets import Incoming, LinkSettings
from gateway.upstream.subscriber import Subscriber
from shared.contexts import open_context
from shared.cursor import Cursor
from shared.wire import ReplayRequest, decode_request, encode_answer, encode_request, reading_topic
from tests.timing import scaled_s

WAIT_S = 10.0
ASK_AGAIN_S = 0.5
TOPIC = reading_topic("ebike-001")
REQUEST = encode_request(ReplayRequest("q1", "ebike-001", Cursor(7, 1), 5))
ANSWER = encode_answer(
    ReplayRequest("q1", "ebike-001", None, 5), [b'{"seq":2}'], Cursor(7, 1), Cursor(7, 2)
)

Socket: TypeAlias = "zmq.Socket[bytes]"


class Loop:
    """Stands for the event loop: watches descriptors, and takes what came when it was woken."""

    def __init__(self, settings: LinkSettings) -> None:
        self.is_woken = False
        self.wakes = 0
        self.notices: list[tuple[str, dict[str, object]]] = []
        self.now_s = 0.0
        self.batches: list[list[Incoming]] = []
        self._selector = selectors.DefaultSelector()
        self.subscriber = Subscriber(
            settings, self.watch, self.wake, self.notice, lambda: self.now_s
        )

    def notice(self, event: str, **fields: object) -> None:
        self.notices.append((event, fields))

    def wake(self) -> None:
        self.wakes += 1
        self.is_woken = True

    def watch(self, descriptor: int, on_readable: Callable[[], None]) -> Callable[[], None]:
        self._selector.register(descriptor, selectors.EVENT_READ, on_readable)

        def end() -> None:
            self._selector.unregister(descriptor)

        return end

    @property
    def watched(self) -> int:
        """How many descriptors are watched."""
        return len(self._selector.get_map())

    def look(self, timeout_s: float = 0.01) -> None:
        """Call what waits for the descriptors that are readable."""
        for key, _events in self._selector.select(timeout_s):
            key.data()

    def read_until_empty(self) -> None:
        """Read the sockets until nothing is left.

        libzmq gives no signal for a message that comes before its socket was once found empty.
        """
        while list(self.subscriber.take()) or not self.subscriber.is_emptied:
            pass

    def look_until_woken(self, before: int) -> None:
        """Look without reading, until there were more than ``before`` wake-ups."""
        deadline = monotonic() + scaled_s(WAIT_S)
        while self.wakes <= before:
            assert monotonic() < deadline, "no message woke the loop"
            self.look()

    def run_until(self, condition: Callable[[], bool], *, what: str) -> None:
        """Turn until something is so; only what woke the loop makes it take."""
        deadline = monotonic() + scaled_s(WAIT_S)
        while not condition():
            assert monotonic() < deadline, f"{what} did not come"
            self.look()
            if self.is_woken:
                self.is_woken = False
                self.batches.append(list(self.subscriber.take()))

    def close(self) -> None:
        """End it."""
        self.subscriber.stop()
        self._selector.close()

    def take(self, count: int) -> list[Incoming]:
        """Turn until so many messages came, and hand them out."""
        self.run_until(lambda: sum(map(len, self.batches)) >= count, what=f"{count} messages")
        taken = [message for batch in self.batches for message in batch]
        self.batches.clear()
        return taken

    def payloads(self, count: int) -> list[bytes]:
        """Hand out the last frame of so many messages."""
        return [message.frames[-1] for message in self.take(count)]

    def receive(self, peer: Socket) -> list[bytes]:
        """Turn until a peer got a message."""
        self.run_until(lambda: bool(peer.poll(0)), what="a message to the peer")
        return peer.recv_multipart()

    def subscriptions(self, publisher: Socket, count: int = 2) -> set[bytes]:
        """Turn until an XPUB was sent topics; 1 in front subscribes, 0 unsubscribes."""
        return {self.receive(publisher)[0] for _ in range(count)}


StartLinks: TypeAlias = Callable[[LinkSettings], Loop]


class Peers:
    """The sockets of devices."""

    def __init__(self) -> None:
        self._end = ExitStack()
        self.context = self._end.enter_context(open_context())

    def open(self, kind: int) -> Socket:
        """Open a socket that drops nothing of what a test sends."""
        opened = self._end.enter_context(self.context.socket(kind))
        opened.linger = 0
        opened.rcvtimeo = opened.sndtimeo = int(scaled_s(WAIT_S) * 1000)
        opened.sndhwm = opened.rcvhwm = 100_000
        return opened

    def bind(self, kind: int) -> tuple[Socket, str]:
        """Open a socket on a free port; returns its endpoint too."""
        opened = self.open(kind)
        return opened, f"tcp://127.0.0.1:{opened.bind_to_random_port('tcp://127.0.0.1')}"

    def connect(self, kind: int, endpoint: str) -> Socket:
        """Open a socket that connects."""
        opened = self.open(kind)
        opened.connect(endpoint)
        return opened

    def close(self) -> None:
        """Close them all."""
        self._end.close()


class DeafPublisher:
    """Speaks ZMTP 3.0 as a PUB that sends whatever it likes, subscribed to or not."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(scaled_s(WAIT_S))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> None:
        """Let the gateway connect; returns when it has subscribed."""
        self._peer, _ = self._listener.accept()
        self._peer.settimeout(scaled_s(WAIT_S))
        mechanism = b"NULL".ljust(20, b"\0")
        self._peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism + bytes(32))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"PUB"
        self._peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
        heard = b""
        while b"ebike/reading/" not in heard or b"ebike/status/" not in heard:
            heard += self._peer.recv(1_024)

    def send(self, *frames: bytes, times: int = 1) -> None:
        """Send a message of these frames."""
        *firsts, last = frames
        parts = [_zmtp_frame(1 | 2, frame) for frame in firsts] + [_zmtp_frame(2, last)]
        self._peer.sendall(b"".join(parts) * times)

    def wait_until_cut_off(self) -> bool:
        """Wait until the gateway has closed or reset the connection."""
        try:
            while self._peer.recv(65_536):
                pass
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        """Hang up."""
        self._listener.close()
        self._peer.close()


def _zmtp_frame(flags: int, body: bytes) -> bytes:
    """Write a frame with a length of 8 bytes; flag 1: more follow, 2: the length is long."""
    return bytes([flags]) + struct.pack(">Q", len(body)) + body


def hearing(peers: Peers, start_links: StartLinks) -> tuple[Socket, Loop]:
    """Start a subscriber that hears one publisher."""
    publisher, endpoint = peers.bind(zmq.XPUB)
    loop = start_links(LinkSettings(device_connect=(endpoint,)))
    loop.subscriptions(publisher)
    return publisher, loop


def ask_until_heard(loop: Loop, device: Socket, route: Route) -> bytes:
    """Send a request until the device's ROUTER got it; returns the asker's name there.

    What was under way when a connection ended is lost, so more than one may be needed.
    """
    deadline_s = 0.0

    def is_heard() -> bool:
        nonlocal deadline_s
        if monotonic() >= deadline_s:
            loop.subscriber.send([(route, REQUEST)])
            deadline_s = monotonic() + ASK_AGAIN_S
        return bool(device.poll(0))

    loop.run_until(is_heard, what="a request")
    name, payload = device.recv_multipart()
    assert decode_request(payload) == decode_request(REQUEST)
    return name


def open_descriptors() -> int:
    """Count the descriptors that this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())
