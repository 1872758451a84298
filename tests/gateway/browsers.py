"""A browser for tests of the core: it reads its frames as a stock client would, and judges them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.devices.devices import Devices, Limits
from gateway.fanout.clients import Client
from gateway.fanout.fanout import Fanout
from gateway.fanout.subscription import parse_subscribe, parse_unsubscribe
from gateway.feed.effects import Now
from gateway.packets import packet_of
from shared.cursor import Cursor, parse_cursor
from shared.reading import CheckedReading, Reading, Status

EPOCH = 1_000


class Line:
    """A connection: what it was sent, and how many more bytes its kernel takes (None: polls)."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.sent = b""
        self.multicast: MulticastOfLines | None = None

    def block(self) -> None:
        """Be full, as after something else was sent."""
        self.room = 0
        if self.multicast is not None:
            self.multicast.leave(self)


class MulticastOfLines:
    """What the transport's is, for lines: who cannot take all leaves, and has it in its outbox."""

    def __init__(self, on_left: Callable[[Client], None]) -> None:
        self._lines: dict[Line, Client] = {}
        self._on_left = on_left

    def add(self, line: Line, client: Client) -> bool:
        if not line.room:
            return False
        line.multicast = self
        self._lines[line] = client
        return True

    def discard(self, line: Line) -> None:
        line.multicast = None
        self._lines.pop(line, None)

    def send(self, data: bytes) -> None:
        for line in list(self._lines):
            line.sent += data
            line.room = max(0, (line.room or 0) - len(data))
            if not line.room:
                self.leave(line)

    def leave(self, line: Line) -> None:
        line.multicast = None
        self._on_left(self._lines.pop(line))


@dataclass
class World:
    """Devices and their fan-out, on a clock that moves by hand; nobody answers a replay."""

    readings: int = 20
    total_bytes: int = 10_000_000
    devices_max: int = 50
    time_s: float = 100.0
    seqs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.devices = Devices(Limits(self.devices_max, self.readings, self.total_bytes, 5.0))
        self.fanout = Fanout(self.devices, MulticastOfLines)

    @property
    def now(self) -> Now:
        return Now(self.time_s, 1_700_000_000_000 + int(self.time_s * 1000))

    def wait(self, seconds: float) -> None:
        self.time_s += seconds
        self.devices.tick(self.now, everyone=True)
        self.answer_nothing()

    def answer_nothing(self) -> None:
        """Let every question find nobody: there is no replay in this world."""
        for _ in range(3):
            for device in list(self.devices):
                for purpose in ("repair", "history"):
                    self.devices.no_answer(device.device_id, purpose, self.now)

    def publish(self, device_id: str, count: int = 1, *, skip: int = 0, epoch: int = EPOCH) -> None:
        for _ in range(count):
            seq = self.seqs.get(device_id, 0) + 1 + skip
            skip = 0
            self.seqs[device_id] = seq
            reading = Reading(device_id, epoch, seq, 1_700_000_000_000, float(seq % 200))
            self.devices.receive(CheckedReading(reading, (), ()), self.now)
        self.answer_nothing()

    def say_status(self, device_id: str, state: Any = "online") -> None:
        status = Status(device_id, EPOCH, self.seqs.get(device_id, 0), 1, state, 100)
        self.devices.receive(status, self.now)
        self.answer_nothing()

    def head(self, device_id: str) -> Cursor | None:
        device = self.devices.get(device_id)
        return None if device is None else device.feed.head


@dataclass
class Browser:
    """One client: what it received, and where it stands by that."""

    world: World
    name: str = "browser"
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        self.world.fanout.add(self.name, self.line)

    def subscribe(self, devices: Any, **more: Any) -> dict[str, Any]:
        request = parse_subscribe({"devices": devices, **more})
        answer: Any = self.world.fanout.subscribe(self.name, request, self.world.now)
        for device_id, told in answer.items():
            cursor = parse_cursor(told["cursor"])
            assert cursor is not None
            self.cursors[device_id] = cursor
        return dict(answer)

    def unsubscribe(self, devices: Any) -> None:
        request = parse_unsubscribe({"devices": devices})
        self.world.fanout.unsubscribe(self.name, request, self.world.now)

    def take(self, room_bytes: int = 65_536) -> list[tuple[str, dict[str, Any]]]:
        """Let one flush happen, and take one batch; returns the events of both."""
        self.world.fanout.send_live()
        self.world.fanout.due(self.world.now)
        self.serve(room_bytes)
        return self.hear()

    def serve(self, room_bytes: int) -> None:
        """Send what is due by itself, without a flush."""
        batch = self.world.fanout.take(self.name, self.world.now, room_bytes)
        assert b"".join(batch.frames) == batch.joined
        self.line.sent += batch.joined

    def hear(self) -> list[tuple[str, dict[str, Any]]]:
        """Read what was sent so far; returns its events."""
        sent, self.line.sent = self.line.sent, b""
        events = [json.loads(packet_of(frame)[2:]) for frame in frames_in(sent)]
        heard = [(str(name), dict(body)) for name, body in events]
        self.received += heard
        return heard

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """Take until nothing more comes."""
        taken: list[tuple[str, dict[str, Any]]] = []
        while part := self.take():
            taken += part
        return taken

    def seqs(self, device_id: str) -> list[int]:
        """List the numbers of the readings received from a device."""
        return [
            body["seq"]
            for name, body in self.received
            if name == "speed_change" and body["device_id"] == device_id
        ]

    def gaps(self) -> list[dict[str, Any]]:
        return [body for name, body in self.received if name == "gap"]


def frames_in(stream: bytes) -> Iterator[bytes]:
    """Cut a stream of WebSocket frames, each shorter than 64 kB."""
    while stream:
        short = stream[1] < 126
        size = 2 + stream[1] if short else 4 + int.from_bytes(stream[2:4], "big")
        assert size <= len(stream), "a frame that is not whole"
        yield stream[:size]
        stream = stream[size:]
