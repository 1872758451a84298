"""A browser for tests of the core: it reads its frames as a stock client would, and judges them."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any, ClassVar, Literal

from gateway.devices.devices import DeviceQuestion, Devices, Limits
from gateway.domain import Now
from gateway.fanout.clients import Client
from gateway.fanout.fanout import Fanout
from gateway.fanout.subscription import parse_subscribe, parse_unsubscribe
from gateway.packets import packet_of
from shared.cursor import Cursor, parse_cursor
from shared.reading import CheckedReading, Reading, Status
from shared.wire import ReplayAnswer

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
        """Tell whether nothing was ever said between two positions."""
        return after == Cursor(before.epoch, before.seq + 1)

    def head(self, device_id: str) -> Cursor | None:
        device = self.devices.get(device_id)
        return None if device is None else device.feed.head


@dataclass
class WorldOfJournals(World):
    """Devices that keep all they said, restart, and answer for it as honestly as they can."""

    replay: Literal["answers", "silent", "absent"] = "answers"
    restarts: int = 0
    epochs: dict[str, int] = field(default_factory=dict)
    journals: dict[str, list[Reading]] = field(default_factory=dict)
    ends: dict[str, dict[int, int]] = field(default_factory=dict)
    """The last number a device said of each epoch."""

    def follows(self, device_id: str, before: Cursor, after: Cursor) -> bool:
        """Tell whether nothing was ever said between two positions, also over an epoch's end."""
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
        """Publish, of which the first ``lost`` do not arrive."""
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
        """Begin another epoch that was never there; one of the past has nothing of the journal."""
        self.restarts += 1
        self.epochs[device_id] = EPOCH + (-self.restarts if back else self.restarts)
        self.seqs[device_id] = 0
        self.ends.setdefault(device_id, {})[self.epochs[device_id]] = 0
        if back:
            self.journals.pop(device_id, None)

    def answer(self) -> None:
        """Let the replay do what it does now, as long as there are questions."""
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
    """One client: what it received, and where it stands by that."""

    world: World
    name: str = "browser"
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    line: Line = field(default_factory=Line)
    is_busy_world: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.world.fanout.add(self.name, self.line)

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
        self.world.fanout.unsubscribe(self.name, request, self.world.now, self.pause)

    def pause(self) -> None:
        """Let bikes ride on in the pauses of a change, which must send this browser nothing."""
        if not self.is_busy_world:
            return
        before = self.line.sent
        if not isinstance(self.world, WorldOfJournals):  # there, lives say who rides
            for device in list(self.world.devices):
                self.world.publish(device.device_id)
        self.world.fanout.send_live()
        self.world.fanout.due(self.world.now)
        assert not self.world.fanout.take(self.name, self.world.now).frames
        assert not self.world.fanout.has_due(self.name)
        assert self.line.sent == before

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
        while (part := self.take()) or self.world.fanout.has_due(self.name):
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
