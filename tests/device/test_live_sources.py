"""Sources that wait for input, in the real loop of a publisher."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import zmq

from shared.cursor import Cursor
from shared.reading import Reading, Status
from tests.conftest import StartProcess
from tests.device.live_sources import LineSource, SlowSource, ThreadSource
from tests.device.peers import (
    EPOCH,
    Peers,
    StartDevice,
    ask,
    ask_on,
    hear,
    hear_readings,
    hear_statuses,
    hear_until,
    is_stopping,
    make_bike,
    make_live_bike,
    steady,
)

STATUSES = 3


class Pipe(NamedTuple):
    """A source that reads a pipe, and the pipe's other end."""

    source: LineSource
    writer: FileIO


@pytest.fixture
def pub(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def replay(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def flags(pub: str, replay: str) -> list[str]:
    return ["--pub-bind", pub, "--replay-bind", replay]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Requested before the device, so that it is closed after the device stopped."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as file, closing(LineSource(reader)) as source:
        yield Pipe(source, file)


def test_not_yet_sends_statuses_only(
    pipe: Pipe,
    start_device: StartDevice,
    peers: Peers,
    pub: str,
    flags: list[str],
) -> None:
    source = pipe.source
    start_device([make_live_bike(source)], *flags)
    sub = peers.open(zmq.SUB, pub)
    statuses = [hear(sub) for _ in range(STATUSES)]
    assert [(one.state, one.last_seq) for one in statuses if isinstance(one, Status)] == [
        ("online", 0)
    ] * STATUSES
    assert source.polls <= 2 * STATUSES + 2  # once a second, not in a busy loop


def test_descriptor_wakes_publisher(
    pipe: Pipe,
    start_device: StartDevice,
    peers: Peers,
    pub: str,
    flags: list[str],
) -> None:
    start_device([make_live_bike(pipe.source)], *flags)
    sub = peers.open(zmq.SUB, pub)
    hear_statuses(sub, 1)
    rounds, statuses = 40, 0
    for number in range(1, rounds + 1):
        pipe.writer.write(f"{number}.5\n".encode())
        heard = hear_until(sub, lambda message: isinstance(message, Reading))
        assert isinstance(heard[-1], Reading)
        assert (heard[-1].seq, heard[-1].speed_kmh) == (number, number + 0.5)
        statuses += len(heard) - 1
    assert statuses < rounds / 2  # a poll with each status alone would take 40 s


def test_lines_written_at_once(
    pipe: Pipe,
    start_device: StartDevice,
    peers: Peers,
    pub: str,
    replay: str,
    flags: list[str],
) -> None:
    start_device([make_live_bike(pipe.source), make_bike(steady(), "ebike-002")], *flags)
    hear_readings(peers.open(zmq.SUB, pub), 1)
    pipe.writer.write(b"".join(b"%d\n" % (number % 200) for number in range(3000)))
    dealer = peers.open(zmq.DEALER, replay)
    while ask(dealer, limit=1).newest != Cursor(EPOCH, 3000):
        assert ask(dealer, device_id="ebike-002", limit=1).newest is not None
    speeds = [reading.speed_kmh for reading in ask_on(dealer)]
    assert speeds == [number % 200 for number in range(3000)]


def test_end_of_input_ends_ride(
    pipe: Pipe,
    start_device: StartDevice,
    peers: Peers,
    pub: str,
    flags: list[str],
) -> None:
    start_device([make_live_bike(pipe.source)], *flags)
    sub = peers.open(zmq.SUB, pub)
    hear_statuses(sub, 1)
    pipe.writer.write(b"7\n8\n")
    pipe.writer.close()
    assert hear_until(sub, is_stopping)[-1].cursor == Cursor(EPOCH, 2)
    polls = pipe.source.polls
    assert is_stopping(hear(sub))  # the next one, a second later
    assert pipe.source.polls == polls


def test_source_with_own_thread(
    start_device: StartDevice, peers: Peers, pub: str, replay: str, flags: list[str]
) -> None:
    speeds_kmh = [float(number % 200) for number in range(500)]
    with closing(ThreadSource(speeds_kmh)) as source:
        device = start_device([make_live_bike(source)], *flags)
        dealer = peers.open(zmq.DEALER, replay)
        while ask(dealer, limit=1).newest != Cursor(EPOCH, 500):
            pass
        assert [reading.speed_kmh for reading in ask_on(dealer)] == speeds_kmh
        device.stop()


def test_poll_once_a_second_without_descriptor(
    start_device: StartDevice, peers: Peers, pub: str, flags: list[str]
) -> None:
    source = SlowSource()
    start_device([make_live_bike(source)], *flags)
    sub = peers.open(zmq.SUB, pub)
    hear_readings(sub, 2)
    waits_s = [later - earlier for earlier, later in pairwise(source.polled_s)]
    assert len(waits_s) >= 3
    assert max(waits_s) >= 0.5  # it sleeps between two polls


def test_ended_input_is_closed(
    start_process: StartProcess, peers: Peers, pub: str, flags: list[str], tmp_path: Path
) -> None:
    fifo = tmp_path / "speeds"
    os.mkfifo(fifo)
    program = tmp_path / "lines.py"
    program.write_text(
        "import os, sys\n"
        "from device import __main__\n"
        "from device.sources import SOURCES\n"
        "from tests.device.live_sources import LineSource\n"
        "class Lines(LineSource):\n"
        "    def close(self):\n"
        "        super().close()\n"
        "        print('source closed')\n"
        "def open_lines(settings, argument, bike):\n"
        "    return Lines(os.open(argument, os.O_RDONLY | os.O_NONBLOCK))\n"
        "SOURCES['lines'] = open_lines\n"
        "sys.exit(__main__.main())\n"
    )
    source = ["--source", f"lines:{fifo}"]
    with fifo.open("r+b", buffering=0) as writer:
        device = start_process(["python", str(program), *source, *flags], {}, tmp_path)
        sub = peers.open(zmq.SUB, pub)
        hear_statuses(sub, 1)
        writer.write(b"12.5\n")
        assert hear_readings(sub, 1)[0].speed_kmh == 12.5
    assert hear_until(sub, is_stopping)[-1].cursor.seq == 1
    assert device.stop() == 0
    device.wait_for_line("source closed")
