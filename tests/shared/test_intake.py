"""What is read ahead of a socket's owner: bounded, in order, and cut off where it never ends."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest
import zmq

from shared.contexts import open_context
from shared.intake import FLOOD_TURNS, FRAME_COST_BYTES, LOOK_FRAMES, Bounds, Intake
from shared.keepalive import never_full
from tests.timing import eventually, scaled_s

READ_S = 1.0
SENDERS = 4
BOUNDS = Bounds(
    messages_max=100, bytes_max=100_000, frames_kept=3, bytes_kept=1_000, frame_bytes_max=5_000
)


class Line:
    """A DEALER that sends over TCP, an Intake that reads, and the descriptors it cut off."""

    def __init__(self, stack: ExitStack, bounds: Bounds = BOUNDS) -> None:
        context = stack.enter_context(open_context())
        self.reader = stack.enter_context(context.socket(zmq.DEALER))
        never_full(self.reader)
        port = self.reader.bind_to_random_port("tcp://127.0.0.1")
        self.senders = [stack.enter_context(context.socket(zmq.DEALER)) for _ in range(SENDERS)]
        for sender in self.senders:
            sender.sndhwm = sender.linger = 0
            sender.connect(f"tcp://127.0.0.1:{port}")
        self.sender = self.senders[0]
        self.cut: list[int] = []
        self.intake = Intake(self.reader, bounds, self.end)

    def end(self, descriptor: int) -> bool:
        self.cut.append(descriptor)
        return True

    def read_all(self, count: int) -> None:
        """Read until so many messages were kept or dropped."""

        def is_read() -> bool:
            self.intake.read(READ_S)
            return len(self.intake) + self.intake.dropped >= count

        eventually(is_read, what=f"{count} messages")

    def read_in_turns(self, turns: int) -> None:
        """Read so often, by a clock by which a turn is over after one look at the socket."""
        clock = count()
        self.intake._clock = lambda: next(clock) * 1e-6
        for _ in range(turns):
            self.wait()
            self.intake.read(1.5e-6)

    def wait(self) -> None:
        assert self.reader.poll(int(scaled_s(10.0) * 1_000))

    def taken(self) -> list[list[bytes]]:
        return list(iter(self.intake.take, None))


@pytest.fixture
def line() -> Iterator[Line]:
    with ExitStack() as stack:
        yield Line(stack)


def test_messages_come_out_in_order(line: Line) -> None:
    sent = [[b"%d" % number, b"second"] for number in range(50)]
    for frames in sent:
        line.sender.send_multipart(frames)
    line.read_all(50)
    assert line.taken() == sent
    assert not line.intake


def test_excess_messages_are_counted(line: Line) -> None:
    for number in range(250):
        line.sender.send_multipart([b"%d" % number, b"second"])
    line.read_all(250)
    assert line.taken() == [[b"%d" % number, b"second"] for number in range(100)]
    assert line.intake.dropped == 150


def test_bytes_count_with_what_a_frame_costs(line: Line) -> None:
    size = 1_000 - FRAME_COST_BYTES
    for _ in range(150):
        line.sender.send(bytes(size))
    line.read_all(150)
    assert len(line.taken()) == 100


def test_a_message_of_many_frames_is_cut(line: Line) -> None:
    line.sender.send_multipart([b"frame"] * 10_000)
    line.sender.send_multipart([bytes(2_000), bytes(2_000)])
    line.sender.send(b"next")
    line.read_all(3)
    assert line.taken() == [[b"frame"] * 3, [bytes(2_000)], [b"next"]]


def test_one_turn_ends_in_time(line: Line) -> None:
    for number in range(3 * LOOK_FRAMES):
        line.sender.send(b"%d" % number)
    line.wait()
    ticks = iter([0.0, 0.5, 1.0, 1.0])
    line.intake._clock = lambda: next(ticks)
    line.intake.read(1.0)
    assert len(line.intake) <= LOOK_FRAMES


def test_endless_flood_is_cut_once(line: Line) -> None:
    for _ in range(100 + LOOK_FRAMES * FLOOD_TURNS * 4):
        line.sender.send(b"{}")
    line.read_in_turns(100 // LOOK_FRAMES + 1 + FLOOD_TURNS * 3)
    assert len(line.cut) == 1


def test_all_flooding_peers_are_cut(line: Line) -> None:
    honest, *floods = line.senders
    for number in range(3_000):
        if number % 100 == 0:
            honest.send(b"{}")
        for sender in floods:
            sender.send(bytes(500))
    while not line.cut:
        line.read_in_turns(1)
    assert len(set(line.cut)) == len(line.cut) == len(floods)


def test_short_burst_is_not_cut(line: Line) -> None:
    for _ in range(2_000):
        line.sender.send(b"{}")
    line.read_all(2_000)
    assert line.cut == []
