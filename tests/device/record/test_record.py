"""Record bikes over a link that loses messages, and play the recording back."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zmq
from garmin_fit_sdk import Decoder, Stream

from device.record.lines import RecordedReading
from device.record.load import load_recording
from shared.contexts import open_context
from shared.cursor import Cursor
from shared.reading import Reading
from shared.wire import ReplayRequest, decode_answer_header, encode_request
from tests.conftest import StartProcess
from tests.faults.lossy import Harm, LossyLink
from tests.processes import RunningProcess
from tests.publisher_check import assert_right, start_check
from tests.timing import eventually, scaled_s

BIKES = ("ebike-001", "ebike-002")
RATE_HZ = 40
ENOUGH = 60
"""Readings of each bike: 1.5 s."""
ENVIRON = {"SPOKE_ENV": "test", "SPOKE_LOG_LEVEL": "INFO"}
HARM = Harm(lost=0.1, repeated=0.1, swapped=0.1)
SPACING_MAX_S = 0.15
"""How far a pause of the playback may differ, besides the load of the machine."""
FIT_KMH_MAX = 0.02


@pytest.fixture
def start_recorder(start_process: StartProcess, tmp_path: Path) -> Callable[..., RunningProcess]:
    def start(name: str, *flags: str) -> RunningProcess:
        argv = ["python", "-m", "device.record", str(tmp_path / name), *flags]
        process = start_process(argv, ENVIRON)
        process.wait_for_line("recording")
        return process

    return start


def test_recording_is_whole_and_plays_back_identically(
    start_process: StartProcess,
    start_recorder: Callable[..., RunningProcess],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    ride, again, fit = (tmp_path / name for name in ("ride.jsonl", "again.jsonl", "ride.fit"))
    live, replay = free_port(), free_port()
    fleet = {"SPOKE_FLEET_SIZE": str(len(BIKES)), "SPOKE_RATE_HZ": str(RATE_HZ)}
    device = start_device(start_process, live, replay, fleet)
    with closing(LossyLink(free_port(), live, HARM, seed=5)) as link:
        ends = ["--device-connect", at(link.port), "--replay-connect", at(replay)]
        recorder = start_recorder(ride.name, *ends, "--fit", str(fit))
        eventually(lambda: has(ride, ENOUGH), what="a recording")
        assert recorder.stop() == 0, recorder.output
        assert link.done["lost"] > 0
    recorded = {bike: decoded(ride, bike) for bike in BIKES}
    for bike, readings in recorded.items():
        published = dict(published_by(replay, bike))
        assert all(published[one.reading.cursor] == one.payload for one in readings)
        assert_no_hole(readings)
    assert_fit(fit, recorded[BIKES[0]])
    device.stop()

    live, replay = free_port(), free_port()
    recorder = start_recorder(again.name, "--device-bind", at(live), "--replay-bind", at(replay))
    source = {"SPOKE_SOURCE": f"recorded:{ride}", "SPOKE_FLEET_SIZE": str(len(BIKES))}
    start_process(
        ["python", "-m", "device"],
        {
            **ENVIRON,
            **source,
            "SPOKE_PUB_CONNECT": at(live),
            "SPOKE_REPLAY_CONNECT": at(replay),
        },
    )
    last = {bike: len(readings) for bike, readings in recorded.items()}
    eventually(lambda: reaches(again, last), what="the end of the playback")
    assert recorder.stop() == 0
    for bike, readings in recorded.items():
        assert_identical(readings, decoded(again, bike))
    assert_right_playback(start_process, free_port(), free_port(), source)


def test_existing_file_is_kept(start_process: StartProcess, tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text("mine")
    process = start_process(["python", "-m", "device.record", str(path)], {"SPOKE_ENV": "test"})
    assert process.wait() == 2
    assert "exists" in process.output
    assert path.read_text() == "mine"


def test_full_disk_keeps_what_was_written(
    start_process: StartProcess, free_port: Callable[[], int], tmp_path: Path
) -> None:
    live, path = free_port(), tmp_path / "full.jsonl"
    start_device(start_process, live, free_port(), {"SPOKE_RATE_HZ": "500"})
    command = f'ulimit -f 64; exec "$0" -m device.record {path} --device-connect {at(live)}'
    recorder = start_process(["sh", "-c", command, "python"], {"SPOKE_ENV": "test"})
    assert recorder.wait(timeout_s=20) == 2
    assert "cannot be written any more" in recorder.output
    assert len(decoded(path, BIKES[0])) > 50
    assert_no_hole(decoded(path, BIKES[0]))


def start_device(
    start_process: StartProcess, live: int, replay: int, more: dict[str, str]
) -> RunningProcess:
    ends = {"SPOKE_PUB_BIND": at(live), "SPOKE_REPLAY_BIND": at(replay)}
    process = start_process(["python", "-m", "device"], {**ENVIRON, **ends, **more})
    process.wait_for_line("started")
    return process


def assert_right_playback(
    start_process: StartProcess, live: int, replay: int, source: dict[str, str]
) -> None:
    """Assert that a recording that is played again and again keeps the protocol."""
    start_device(start_process, live, replay, {**source, "SPOKE_RIDE_LOOP": "yes"})
    assert_right(start_check(start_process, at(live), at(replay)))


def published_by(port: int, bike: str) -> Iterator[tuple[Cursor, bytes]]:
    """Ask a device for all that it published of a bike."""
    with open_context() as context, closing(context.socket(zmq.DEALER)) as dealer:
        dealer.linger = 0
        dealer.rcvtimeo = int(scaled_s(5) * 1000)
        dealer.connect(at(port))
        dealer.send(encode_request(ReplayRequest("all", bike, None, 1_000)))
        frames = dealer.recv_multipart()
    decode_answer_header(frames)
    for payload in frames[1:]:
        raw = json.loads(payload)
        yield Cursor(raw["epoch"], raw["seq"]), payload


def assert_fit(path: Path, readings: list[RecordedReading]) -> None:
    """Assert that another library reads the recorded speeds from a FIT file, one a second."""
    messages, errors = Decoder(Stream.from_file(str(path))).read()
    assert errors == []
    records = messages["record_mesgs"]
    by_second = {one.measured_ms // 1000: one.reading for one in reversed(readings)}
    assert len(records) == len(by_second)
    for record in records:
        time: Any = record["timestamp"]
        reading = by_second[int(time.timestamp())]
        assert record["enhanced_speed"] * 3.6 == pytest.approx(reading.speed_kmh, abs=FIT_KMH_MAX)
        assert record["power"] == reading.values["power_w"]


def assert_no_hole(readings: list[RecordedReading]) -> None:
    seqs = [one.reading.seq for one in readings]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def assert_identical(readings: list[RecordedReading], again: list[RecordedReading]) -> None:
    """Assert that the values are equal; the first readings came before the subscription."""
    assert len(again) > len(readings) / 2
    originals = [readings[one.reading.seq - 1] for one in again]
    assert [values(one.reading) for one in again] == [values(it.reading) for it in originals]
    assert_same_spacing(originals, again)


def assert_same_spacing(originals: list[RecordedReading], again: list[RecordedReading]) -> None:
    """Assert that the pauses are those of the original, and do not add up to a drift."""
    late_s = [(b.measured_ms - a.measured_ms) / 1000 for a, b in zip(originals, again, strict=True)]
    least = min(late_s)
    assert max(late_s) - least < scaled_s(SPACING_MAX_S), late_s
    assert all(b.measured_ms >= a.measured_ms for a, b in pairwise(again))


def decoded(path: Path, bike: str) -> list[RecordedReading]:
    return [line.decode() for line in load_recording(path).get(bike, [])]


def has(path: Path, readings: int) -> bool:
    return path.read_bytes().count(b'"seq":') >= readings * len(BIKES)


def reaches(path: Path, ends: dict[str, int]) -> bool:
    content = path.read_bytes()
    return all(b'"%s","epoch":' % bike.encode() in content for bike in ends) and all(
        decoded(path, bike)[-1].reading.seq == last for bike, last in ends.items()
    )


def values(reading: Reading) -> tuple[float, dict[str, object]]:
    return reading.speed_kmh, dict(reading.values)


def at(port: int) -> str:
    return f"tcp://127.0.0.1:{port}"
