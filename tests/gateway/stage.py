"""A hub whose links and clock are moved by hand, and browsers connected to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gateway.devices.devices import Devices, Limits
from gateway.domain import Now
from gateway.fanout.subscription import Subscribe
from gateway.hub import Hub
from gateway.timeouts import TURN_S
from gateway.upstream.replay_client import ReplayClient
from gateway.upstream.replay_routes import ReplayRoutes, Route
from gateway.upstream.sockets import Incoming
from shared.cursor import Cursor
from shared.reading import Reading, Status
from shared.wire import (
    ReplayRequest,
    decode_request,
    encode_answer,
    encode_reading,
    encode_status,
    reading_topic,
    status_topic,
)

REPLAY = Route("tcp://replay:5557")
BIKE = Route("tcp://*:5558", b"bike")


@dataclass
class Wire:
    """The links, played by hand: what waits to be taken in, and what was asked."""

    waiting: list[Incoming] = field(default_factory=list)
    asked: list[ReplayRequest] = field(default_factory=list)
    is_emptied: bool = True

    def start(self) -> None:
        """Nothing has to be opened."""

    def take(self) -> list[Incoming]:
        taken, self.waiting = self.waiting, []
        return taken

    def send(self, requests: Iterable[tuple[Route, bytes]]) -> None:
        self.asked += [decode_request(payload) for _route, payload in requests]

    def publish(self, seq: int, device_id: str = "a") -> None:
        payload = encode_reading(Reading(device_id, 1, seq, 5, 20.0))
        self.waiting.append(Incoming("live", REPLAY, [reading_topic(device_id), payload]))

    def say_status(self, last_seq: int) -> None:
        payload = encode_status(Status("a", 1, last_seq, 5, "online", 100))
        self.waiting.append(Incoming("live", REPLAY, [status_topic("a"), payload]))

    def reply(self, frames: list[bytes], route: Route = REPLAY) -> None:
        self.waiting.append(Incoming("replay", route, frames))

    def answer(self, request: ReplayRequest, seqs: Iterable[int]) -> None:
        found = [encode_reading(Reading("a", 1, seq, 5, 20.0)) for seq in seqs]
        self.reply(encode_answer(request, found, Cursor(1, 1), Cursor(1, 99)))


class Clock:
    """A clock that moves by hand."""

    def __init__(self) -> None:
        self.time_s = 1_000.0

    def __call__(self) -> Now:
        return Now(self.time_s, 1_700_000_000_000)


@dataclass
class Stage:
    """A hub whose links are played by hand."""

    hub: Hub
    wire: Wire
    clock: Clock

    def turn(self, wait_s: float = 0.0) -> None:
        self.clock.time_s += wait_s
        self.hub.turn()

    def pass_time(self, seconds: float) -> None:
        """Turn as often as the hub does, so that it does not take the time for a pause."""
        for _ in range(round(seconds / TURN_S)):
            self.turn(TURN_S)

    @property
    def is_online(self) -> bool:
        device = self.hub.devices.get("a")
        assert device is not None
        return device.feed.online


class NoMulticast:
    """Takes nobody in, so that everybody is served one by one."""

    def __init__(self, _on_left: object) -> None:
        pass

    def add(self, _connection: object, _client: object) -> bool:
        return False

    def discard(self, _connection: object) -> None:
        pass

    def send(self, _data: bytes) -> None:
        pass


def make_stage(clock: Clock, open_multicast: Any) -> Stage:
    wire = Wire()
    ids = (f"q{number}" for number in count())
    replay = ReplayClient(ReplayRoutes([REPLAY.endpoint], 10), ids.__next__, 10)
    devices = Devices(Limits(10, 100, 1_000_000, 5.0))
    hub = Hub(devices, replay, lambda _watch, _wake, _notice: wire, open_multicast, clock=clock)  # type: ignore[arg-type, return-value]  # as much of links as the hub needs
    hub.start()
    return Stage(hub, wire, clock)


class Browser:
    """A connection by WebSocket: what was sent, and whether the kernel takes more."""

    transport = "websocket"

    def __init__(self, *, writable: bool = True) -> None:
        self.writable = writable
        self.sent = b""
        self.is_closed = False

    def send_frames(self, data: bytes) -> None:
        assert self.writable
        self.sent += data

    def wake_poll(self) -> None:
        raise AssertionError("it does not poll")

    def close_transport(self) -> None:
        assert not self.is_closed
        self.is_closed = True


def come(stage: Stage, name: str, browser: Browser) -> None:
    stage.hub.connect(name, browser)
    stage.hub.subscribe(name, Subscribe(("a",), everything=False))
