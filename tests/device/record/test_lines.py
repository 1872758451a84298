from itertools import islice
from pathlib import Path

import pytest

from device.record.fit import write_fit
from device.record.lines import (
    HEAD,
    LINE_BYTES_MAX,
    decode_line,
    encode_gap,
    encode_head,
    encode_line,
)
from device.record.load import Line, load_recording
from device.sources.recorded import USUAL_STEP_S, play
from shared.errors import BadMessage, SourceError

AT_MS = 1_700_000_000_000
CANONICAL = b'{"v":1,"device_id":"ebike-001","epoch":7,"seq":%d,"ts_ms":%d,"speed_kmh":21.50}'
GAP: dict[str, object] = {"device_id": "ebike-001", "after": "7-1", "before": "7-3", "lost": 1}


def reading(seq: int, ts_ms: int = AT_MS) -> bytes:
    return CANONICAL % (seq, ts_ms)


@pytest.mark.parametrize(
    "payload",
    [
        reading(1),
        b' {"speed_kmh":2.150e1, "v":1,"device_id":"ebike-001","epoch":7,"seq":1,"ts_ms":0} ',
        b'{\n"v":1,"device_id":"ebike-001","epoch":7,\r\n"seq":1,"ts_ms":5,"speed_kmh":0}\n',
        reading(1)[:-1] + b',"mine":"\xc3\xa9"}',
        reading(1)[:-1] + b',"extra":{"reading":"\\",\\"reading\\":"}}',
    ],
)
def test_line_keeps_every_byte(payload: bytes) -> None:
    line = encode_line(AT_MS, payload)
    assert line.count(b"\n") == 1
    found = decode_line(line.removesuffix(b"\n"))
    assert found is not None
    assert (found.at_ms, found.payload, found.reading.seq) == (AT_MS, payload, 1)
    assert found.measured_ms == (found.reading.ts_ms or AT_MS)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"7",
        b"[]",
        b'{"at_ms":1}',
        b'{"at_ms":"1","reading":%s}' % reading(1),
        b'{"reading":%s,"at_ms":1}' % reading(1),
        b'{"at_ms":1,"text":7}',
        b'{"at_ms":1,"reading":{"v":1,"device_id":7}}',
        b'{"at_ms":1,"reading":{"v":1,"device_id":"ebike-001","epoch":7}}',
        b'{"at_ms":1,"text":"%s"}' % (b"x" * LINE_BYTES_MAX),
    ],
)
def test_bad_line(line: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_line(line)


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(encode_head(AT_MS) + b"".join(lines))
    return path


def test_torn_and_bad_lines_are_left_out(tmp_path: Path) -> None:
    whole = [encode_line(AT_MS, reading(seq)) for seq in (1, 2, 3)]
    lines = [whole[0], b"\0\0\0\n", encode_gap(GAP), whole[1], whole[2][:-20]]
    bikes = load_recording(write(tmp_path / "torn.jsonl", *lines))
    assert [line.decode().reading.seq for line in bikes["ebike-001"]] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"7\n", HEAD, encode_head(AT_MS), encode_head(1) + b"{"])
def test_file_without_readings(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "none.jsonl"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=str(path)):
        load_recording(path)


def test_samples_are_due_as_far_apart_as_measured() -> None:
    times_ms = [AT_MS, AT_MS + 100, AT_MS + 100, AT_MS + 90_100, AT_MS + 90_000, AT_MS + 90_200]
    texts = [encode_line(AT_MS, reading(seq, ms))[:-1] for seq, ms in enumerate(times_ms, 1)]
    lines = [Line(ms, text) for ms, text in zip(times_ms, texts, strict=True)]
    assert [one.due_s for one in play(lines)] == pytest.approx([0, 0.1, 0.1, 90.1, 90.1, 90.3])
    assert [one.due_s for one in play(lines, pace=10)][-1] == pytest.approx(9.03)
    looped = play(lines, loop=True)
    rounds = [next(looped) for _ in range(2 * len(lines))]
    assert rounds[len(lines)].due_s == pytest.approx(90.4)  # one usual step later
    assert {one.speed_kmh for one in rounds} == {21.5}


def lines_of(*times_ms: tuple[int, int]) -> list[Line]:
    """Return lines of readings by the recorder's time and by the bike's, in ms."""
    found = [
        (at_ms, encode_line(at_ms, reading(seq, ts_ms)))
        for seq, (at_ms, ts_ms) in enumerate(times_ms, 1)
    ]
    return [
        Line(ts_ms or at_ms, line.removesuffix(b"\n"))
        for (at_ms, line), (_, ts_ms) in zip(found, times_ms, strict=True)
    ]


def test_bike_whose_clock_stood_still_plays_by_the_recorders() -> None:
    lines = lines_of((AT_MS, 5), (AT_MS + 200, 5), (AT_MS + 400, 5))
    assert [sample.due_s for sample in play(lines)] == pytest.approx([0, 0.2, 0.4])


def test_loop_takes_time_even_if_all_readings_have_one_time() -> None:
    lines = lines_of((AT_MS, 5), (AT_MS, 5))
    due_s = [sample.due_s for sample in islice(play(lines, loop=True), 6)]
    assert due_s[-1] == pytest.approx(2 * USUAL_STEP_S)


def test_fit_leaves_out_what_it_cannot_hold(tmp_path: Path) -> None:
    hot = reading(2)[:-1] + b',"temperature_c":140,"longitude_deg":180,"latitude_deg":90}'
    lines = [encode_line(AT_MS, reading(1, 5)), encode_line(AT_MS, hot)]
    recorded = [found for line in lines if (found := decode_line(line.removesuffix(b"\n")))]
    assert write_fit(tmp_path / "hot.fit", recorded) == 1  # the first time is before FIT's
