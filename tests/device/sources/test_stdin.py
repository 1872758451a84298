"""Samples from the standard input of the device process."""

import json
import os
from collections.abc import Callable, Iterator
from io import FileIO
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
import zmq

from device.sample import Sample
from device.sources import NoSample
from device.sources.decoders.sample_line import LINE_BYTES_MAX, decode_sample
from device.sources.stdin import LineSource
from shared.errors import BadMessage, SourceError
from tests.conftest import StartProcess
from tests.device.peers import Peers, hear_readings, hear_statuses, hear_until, is_stopping
from tests.processes import RunningProcess
from tests.publisher_check import assert_right, start_check
from tests.timing import eventually


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ('{"speed_kmh": 21.5}', Sample(None, 21.5)),
        ('{"speed_kmh": 0, "power_w": null}', Sample(None, 0)),
        ('{"speed_kmh": 7, "cadence_rpm": 60}', Sample(None, 7, {"cadence_rpm": 60})),
        ('{"speed_kmh": 7, "ts_ms": 1700000000000}', Sample(None, 7, {}, 1700000000000)),
        ('{"speed_kmh": 7, "ts_ms": 0}', Sample(None, 7)),
        ('{"v": 1, "device_id": "a", "epoch": 1, "seq": 1, "speed_kmh": 7}', Sample(None, 7)),
    ],
)
def test_decode(line: str, sample: Sample) -> None:
    assert decode_sample(line.encode()) == sample


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"21.5", "bad_json"),
        (b"speed=21.5", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b"[" * 4_000, "bad_json"),
        (b'{"speed_kmh": NaN}', "bad_json"),
        (b'{"speed_kmh": ' + b"9" * 5_000 + b"}", "too_large"),
        (b'{"speed_kmh": 7, "speed_kmh": 8}', "bad_json"),
        (b'{"speed_kmh": "7"}', "speed_kmh"),
        (b'{"speed_kmh": true}', "speed_kmh"),
        (b'{"speed_kmh": 1e999}', "speed_kmh"),
        (b'{"speed_kmh": -1}', "speed_kmh"),
        (b'{"power_w": 100}', "speed_kmh"),
        (b'{"speed_kmh": 7, "ts_ms": 1.5}', "ts_ms"),
        (b'{"speed_kmh": 7, "ts_ms": -1}', "ts_ms"),
        (b'{"speed_kmh": 7, "ts_ms": true}', "ts_ms"),
    ],
)
def test_refused_line(line: bytes, reason: str) -> None:
    with pytest.raises(BadMessage) as refused:
        decode_sample(line)
    assert refused.value.reason == reason


class Pipe(NamedTuple):
    """A source that reads a pipe, and the other end of the pipe."""

    source: LineSource
    writer: FileIO


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as file:
        yield Pipe(LineSource(reader), file)
    os.close(reader)


def speeds(source: LineSource) -> list[float | NoSample]:
    """Poll until there is no sample."""
    taken: list[float | NoSample] = []
    while isinstance(found := source.poll(0.0), Sample):
        taken.append(found.speed_kmh)
    return [*taken, found]


def line(speed: float, **more: object) -> bytes:
    return json.dumps({"speed_kmh": speed, **more}).encode() + b"\n"


def test_never_blocks(pipe: Pipe) -> None:
    assert os.get_blocking(pipe.source.fileno() or 0)
    assert speeds(pipe.source) == [NoSample.NOT_YET]
    pipe.writer.write(line(1) + line(2)[:-3])
    assert speeds(pipe.source) == [1, NoSample.NOT_YET]
    pipe.writer.write(line(2)[-3:])
    assert speeds(pipe.source) == [2, NoSample.NOT_YET]


def test_last_line_without_newline(pipe: Pipe) -> None:
    pipe.writer.write(line(1) + line(2).rstrip())
    pipe.writer.close()
    assert speeds(pipe.source) == [1, 2, NoSample.ENDED]


def test_wrong_lines_are_left_out(pipe: Pipe) -> None:
    pipe.writer.write(b"hello\r\n\n" + line(1) + b"\xff\n{}\n" + line(2))
    assert speeds(pipe.source) == [1, 2, NoSample.NOT_YET]


@pytest.mark.parametrize("length", [LINE_BYTES_MAX + 1, 2 * LINE_BYTES_MAX, 60_000])
def test_too_long_line_is_left_out(pipe: Pipe, length: int) -> None:
    long = b'{"speed_kmh": 5, "extra": "' + b"a" * length
    pipe.writer.write(long)
    assert speeds(pipe.source) == [NoSample.NOT_YET]
    pipe.writer.write(b'"}\n' + line(1))
    assert speeds(pipe.source) == [1, NoSample.NOT_YET]


def test_any_program_is_a_bike(
    start_process: StartProcess, peers: Peers, free_port: Callable[[], int], tmp_path: Path
) -> None:
    fifo = tmp_path / "input"
    pub, replay = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    os.mkfifo(fifo)
    flags = ["--pub-bind", pub, "--replay-bind", replay]
    with fifo.open("r+b", buffering=0) as writer:
        shell = 'exec "$0" -m device --source stdin "$@" < input'
        device = start_process(["bash", "-c", shell, "python", *flags], {}, tmp_path)
        sub = peers.open(zmq.SUB, pub)
        hear_statuses(sub, 1)
        writer.write(line(12.5, ts_ms=1_700_000_000_000, battery_pct=80) + b"{}\n" + line(13))
        first, second = hear_readings(sub, 2)
        check = start_check(start_process, pub, replay)
        written = write_until_ended(writer, check)
        assert_right(check)
    assert (first.ts_ms, first.speed_kmh, first.values) == (
        1_700_000_000_000,
        12.5,
        {"battery_pct": 80},
    )
    assert (second.seq, second.speed_kmh) == (2, 13)
    assert hear_until(sub, is_stopping)[-1].cursor.seq == 2 + written
    device.wait_for_line("line_left_out.*the line needs speed_kmh")
    assert device.stop() == 0


def write_until_ended(writer: FileIO, process: RunningProcess) -> int:
    """Write lines for as long as a process runs; return their number."""
    written = count(1)

    def is_over() -> bool:
        writer.write(line(next(written) % 50))
        return process.process.poll() is not None

    eventually(is_over, what="the end of the process", timeout_s=30)
    return next(written) - 1


def test_input_that_cannot_be_read(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(SourceError, match="standard input cannot be read: Is a directory"):
            LineSource(descriptor).poll(0.0)
    finally:
        os.close(descriptor)


def test_closed_input_ends_the_ride(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> None:
    endpoints = [f"tcp://127.0.0.1:{free_port()}" for _ in range(2)]
    shell = 'exec "$0" -m device --source stdin --pub-bind $1 --replay-bind $2 <&-'
    device = start_process(["bash", "-c", shell, "python", *endpoints], {}, tmp_path)
    device.wait_for_line("ride_ended")
    assert device.stop() == 0


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--source", "stdin:x"], "the source stdin takes no argument"),
        (["--source", "stdin", "--fleet-size", "2"], "the source stdin feeds one bike"),
    ],
)
def test_refused_setting(start_process: StartProcess, flags: list[str], why: str) -> None:
    device = start_process(["python", "-m", "device", *flags], {})
    assert device.wait() == 2
    device.wait_for_line(why)
