"""A model browser for tests of the pure core, and worlds of devices that it watches."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any, ClassVar, Literal

from gateway.devices.devices import DeviceQuestion, Devices, Limits
from gateway.domain import Now
from gateway.fanout.fanout import Fanout
from gateway.fanout.group import Member
from gateway.fanout.subscription import parse_subscribe, parse_unsubscribe
from gateway.packets import packet_of
from shared.cursor import Cursor, parse_cursor
from shared.reading import CheckedReading, Reading, Status
from shared.wire import ReplayAnswer

EPOCH = 1_000


class FakeConnection:
    """Collects the bytes it is sent; takes ``room`` more bytes, or polls if that is None."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.sent = b""
        self.multicast: FakeMulticast | None = None

    def block(self) -> None:
        """Take no more bytes, as if the kernel were full."""
        self.room = 0
        if self.multicast is not None:
            self.multicast.leave(self)


class FakeMulticast:
    """A multicast; a connection that becomes full leaves, but was sent all of the bytes."""

    def __init__(self, on_left: Callable[[Member], None]) -> None:
        self._members: dict[FakeConnection, Member] = {}
        self._on_left = on_left

    def add(self, connection: FakeConnection, client: Member) -> bool:
        if not connection.room:
            return False
        connection.multicast = self
        self._members[connection] = client
        return True

    def discard(self, connection: FakeConnection) -> None:
        connection.multicast = None
        self._members.pop(connection, None)

    def send(self, data: bytes) -> None:
        for connection in list(self._members):
            connection.sent += data
            connection.room = max(0, (connection.room or 0) - len(data))
            if not connection.room:
                self.leave(connection)

    def leave(self, connection: FakeConnection) -> None:
        connection.multicast = None
        self._on_left(self._members.pop(connection))


@dataclass
class World:
    """Devices and their fan-out, with a clock that tests set; no device answers questions."""

    readings: int = 20
    total_bytes: int = 10_000_000
    devices_max: int = 50
    time_s: float = 100.0
    seqs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.devices = Devices(Limits(self.devices_max, self.readings, self.total_bytes, 5.0))
        self.fanout = Fanout(self.devices, FakeMulticast)

    @property
    def now(self) -> Now:
        return Now(self.time_s, 1_700_000_000_000 + int(self.time_s * 1000))

    def wait(self, seconds: float) -> None:
        self.time_s += seconds
        self.devices.tick(self.now, everyone=True)
        self.answer_nothing()

    def answer_nothing(self) -> None:
        """Tell the devices that no question will be answered."""
        for _ in range(3):
            for device in list(self.devices):
                for purpose in ("repair", "backfill"):
                    self.devices.no_answer(device.device_id, purpose, self.now)

    def publish(self, device_id: str, count: int = 1, *, skip: int = 0, epoch: int = EPOCH) -> None:
        for _ in range(count):
            seq = self.seqs.get(device_id, 0) + 1 + skip
            skip = 0
            self.seqs[device_id] = seq
            reading = Reading(device_id, epoch, seq, 1_700_000_000_000, float(seq % 200))
            self.devices.receive(CheckedReading(reading, (), ()), self.now)
        self.answer_nothing()

    def say_status(self, device_id: str, state: Any = "online", *, epoch: int = EPOCH) -> None:
        status = Status(device_id, epoch, self.seqs.get(device_id, 0), 1, state, 100)
        self.devices.receive(status, self.now)
        self.answer_nothing()

    def follows(self, device_id: str, before: Cursor, after: Cursor) -> bool:
        """Tell whether no reading is between two positions."""
        return after == Cursor(before.epoch, before.seq + 1)

    def head(self, device_id: str) -> Cursor | None:
        device = self.devices.get(device_id)
        return None if device is None else device.feed.head


@dataclass
class WorldOfJournals(World):
    """Devices that keep a journal of their readings, can restart, and answer replay questions."""

    replay: Literal["answers", "silent", "absent"] = "answers"
    restarts: int = 0
    epochs: dict[str, int] = field(default_factory=dict)
    journals: dict[str, list[Reading]] = field(default_factory=dict)
    ends: dict[str, dict[int, int]] = field(default_factory=dict)
    """The last number that a device published in each epoch."""

    def follows(self, device_id: str, before: Cursor, after: Cursor) -> bool:
        """Tell whether no reading is between two positions, also across the end of an epoch."""
        ends = self.ends.get(device_id, {})
        is_end = after.seq == 1 and before.seq >= ends.get(before.epoch, 0)
        since_then = dropwhile(lambda epoch: epoch != before.epoch, ends)
        between = [it for it in since_then if before.epoch < it < after.epoch and ends[it]]
        return super().follows(device_id, before, after) or (is_end and not between)

    def wait(self, seconds: float) -> None:
        self.time_s += seconds
        self.devices.tick(self.now, everyone=True)
        self.answer()

    def ride(self, device_id: str, count: int, *, lost: int = 0) -> None:
        """Publish readings, the first ``lost`` of which do not arrive."""
        epoch = self.epochs.setdefault(device_id, EPOCH)
        for number in range(count):
            seq = self.seqs[device_id] = self.seqs.get(device_id, 0) + 1
            reading = Reading(device_id, epoch, seq, 1_700_000_000_000, float(seq % 200))
            self.journals.setdefault(device_id, []).append(reading)
            self.ends.setdefault(device_id, {})[epoch] = seq
            if number >= lost:
                self.devices.receive(CheckedReading(reading, (), ()), self.now)
            self.answer()

    def restart(self, device_id: str, *, back: bool = False) -> None:
        """Begin a new epoch; with ``back`` a lower one than before, and an empty journal."""
        self.restarts += 1
        self.epochs[device_id] = EPOCH + (-self.restarts if back else self.restarts)
        self.seqs[device_id] = 0
        self.ends.setdefault(device_id, {})[self.epochs[device_id]] = 0
        if back:
            self.journals.pop(device_id, None)

    def answer(self) -> None:
        """Answer all questions, or leave them without an answer, as ``replay`` says."""
        while self.devices.questions and self.replay != "silent":
            for question in self._take_questions():
                if self.replay == "answers":
                    answer = self._page(question)
                    self.devices.answer(question.purpose, answer, self.now)
                else:
                    self.devices.no_answer(question.device_id, question.purpose, self.now)
        self._take_questions()

    def _take_questions(self) -> list[DeviceQuestion]:
        questions, self.devices.questions = self.devices.questions, []
        return questions

    def _page(self, question: DeviceQuestion) -> ReplayAnswer:
        device_id, after = question.device_id, question.after
        journal = self.journals.get(device_id, [])
        begin = 0 if after is None else bisect_right(journal, after, key=lambda it: it.cursor)
        page = tuple(journal[begin : begin + question.limit])
        oldest, newest = (journal[0].cursor, journal[-1].cursor) if journal else (None, None)
        reached = page[-1].cursor if page else None
        return ReplayAnswer("1", device_id, oldest, newest, page, len(page), reached)


@dataclass
class Browser:
    """One client, and the events it received."""

    world: World
    name: str = "browser"
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    connection: FakeConnection = field(default_factory=FakeConnection)
    is_busy_world: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.world.fanout.add(self.name, self.connection)

    def subscribe(self, devices: Any, **more: Any) -> dict[str, Any]:
        request = parse_subscribe({"devices": devices, **more})
        fanout, now = self.world.fanout, self.world.now
        answer: Any = json.loads(fanout.subscribe(self.name, request, now, self.pause))
        for device_id, told in answer.items():
            cursor = parse_cursor(told["cursor"])
            assert cursor is not None
            self.cursors[device_id] = cursor
        return dict(answer)

    def unsubscribe(self, devices: Any) -> None:
        request = parse_unsubscribe({"devices": devices})
        self.world.fanout.unsubscribe(self.name, request, self.world.now)

    def pause(self) -> None:
        """Publish during a pause of a subscription change; this browser must be sent nothing."""
        if not self.is_busy_world:
            return
        before = self.connection.sent
        if not isinstance(self.world, WorldOfJournals):  # there, the test chooses the readings
            for device in list(self.world.devices):
                self.world.publish(device.device_id)
        self.world.fanout.send_live()
        self.world.fanout.due(self.world.now)
        assert not self.world.fanout.take(self.name, self.world.now).frames
        assert not self.world.fanout.has_due(self.name)
        assert self.connection.sent == before

    def take(self, room_bytes: int = 65_536) -> list[tuple[str, dict[str, Any]]]:
        """Flush once and take one batch; returns the events of both."""
        self.world.fanout.send_live()
        self.world.fanout.due(self.world.now)
        self.serve(room_bytes)
        return self.hear()

    def serve(self, room_bytes: int) -> None:
        """Take one batch without a flush."""
        batch = self.world.fanout.take(self.name, self.world.now, room_bytes=room_bytes)
        assert b"".join(batch.frames) == batch.joined
        self.connection.sent += batch.joined

    def hear(self) -> list[tuple[str, dict[str, Any]]]:
        """Decode the bytes sent so far; returns their events."""
        sent, self.connection.sent = self.connection.sent, b""
        events = [json.loads(packet_of(frame)[2:]) for frame in frames_in(sent)]
        heard = [(str(name), dict(body)) for name, body in events]
        self.received += heard
        return heard

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """Take until nothing is due; returns the events."""
        taken: list[tuple[str, dict[str, Any]]] = []
        while (part := self.take()) or self.world.fanout.has_due(self.name):
            taken += part
        return taken

    def seqs(self, device_id: str) -> list[int]:
        """Return the numbers of the readings received from a device."""
        return [
            body["seq"]
            for name, body in self.received
            if name == "speed_change" and body["device_id"] == device_id
        ]

    def gaps(self) -> list[dict[str, Any]]:
        return [body for name, body in self.received if name == "gap"]


def frames_in(stream: bytes) -> Iterator[bytes]:
    """Yield the WebSocket frames of a stream, each shorter than 64 kB."""
    while stream:
        short = stream[1] < 126
        size = 2 + stream[1] if short else 4 + int.from_bytes(stream[2:4], "big")
        assert size <= len(stream), "a frame that is not whole"
        yield stream[:size]
        stream = stream[size:]
