"""A browser for tests of the core: it reads its frames as a stock client would, and judges them."""

import json
from dataclasses import dataclass, field
from typing import Any

from gateway.devices.devices import Devices, Limits
from gateway.fanout.fanout import Fanout
from gateway.fanout.subscription import parse_subscribe, parse_unsubscribe
from gateway.feed.effects import Now
from gateway.packets import packet_of
from shared.cursor import Cursor, parse_cursor
from shared.reading import CheckedReading, Reading, Status

EPOCH = 1_000


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
        self.fanout = Fanout(self.devices)

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
                self.devices.no_answer(device.device_id, self.now)

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

    def __post_init__(self) -> None:
        self.world.fanout.add(self.name)

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
        """Take one batch; returns its events."""
        self.world.fanout.send_live()
        self.world.fanout.due(self.world.now)
        batch = self.world.fanout.take(self.name, self.world.now, room_bytes)
        events = [json.loads(packet_of(frame)[2:]) for frame in batch.frames]
        assert b"".join(batch.frames) == batch.joined
        self.received += [(name, body) for name, body in events]
        return [(name, body) for name, body in events]

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
