from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
from fitdecode import FIT_FRAME_DATA, FitReader  # type: ignore[import-untyped]  # has no types
from loguru import logger

from device.sample import Sample
from device.sources import open_source
from device.sources.recording import (
    BETWEEN_BIKES_S,
    load_recording,
    replay,
)
from shared.errors import SourceError
from shared.reading import check_reading
from shared.settings import load_settings
from tests.device.sources.polling import polled
from tests.device.sources.recordings import (
    LONG_RIDE,
    PAUSED_RIDE,
    clock,
    fit_bytes,
    gpx_text,
    recorded_ride,
    tcx_text,
)

STEADY_FIT = fit_bytes((second, 5_000 + second, 500 * second) for second in range(5))


def samples_of(path: Path) -> list[Sample]:
    return list(replay(load_recording(path)))


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def speeds(samples: list[Sample]) -> list[float]:
    return [sample.speed_kmh for sample in samples]


def dues(samples: list[Sample]) -> list[float | None]:
    return [sample.due_s for sample in samples]


def recorded_speeds(path: Path) -> Iterator[float]:
    with FitReader(path) as reader:
        for frame in reader:
            if frame.frame_type == FIT_FRAME_DATA and frame.name == "record":
                yield 3.6 * frame.get_value("enhanced_speed")


@pytest.fixture(scope="module")
def long_ride() -> list[Sample]:
    return samples_of(recorded_ride(LONG_RIDE))


def test_all_points_of_real_ride(
    long_ride: list[Sample],
) -> None:
    expected = list(recorded_speeds(recorded_ride(LONG_RIDE)))
    assert len(long_ride) == len(expected) == 8357
    assert all(abs(a - b) <= 0.01 for a, b in zip(speeds(long_ride), expected, strict=True))
    assert dues(long_ride) == list(range(8357))


def test_samples_are_valid_and_private(
    long_ride: list[Sample],
) -> None:
    allowed = {"power_w", "cadence_rpm", "odometer_km", "altitude_m", "temperature_c"}
    identity = {"v": 1, "device_id": "a", "epoch": 1, "seq": 1, "ts_ms": 1}
    for sample in long_ride:
        raw = {**identity, "speed_kmh": sample.speed_kmh, **sample.values}
        assert check_reading(raw, "a").dropped == ()
        assert set(sample.values) == allowed


def test_same_ride_in_tcx(long_ride: list[Sample]) -> None:
    tcx = samples_of(recorded_ride("activity_4078723797.tcx"))
    assert len(tcx) == len(long_ride)
    for one, other in zip(long_ride, tcx, strict=True):
        assert one.due_s == other.due_s
        assert one.speed_kmh == pytest.approx(other.speed_kmh, abs=0.011)


def test_speeds_from_positions(long_ride: list[Sample]) -> None:
    gpx = speeds(samples_of(recorded_ride("4078723797_strava.gpx")))
    apart = [(a - b) ** 2 for a, b in zip(speeds(long_ride), gpx, strict=True)]
    assert (sum(apart) / len(apart)) ** 0.5 < 1.2


def test_a_pause_keeps_its_time() -> None:
    samples = samples_of(recorded_ride(PAUSED_RIDE))
    assert len(samples) == 96
    gaps = [later - earlier for earlier, later in pairwise(due or 0 for due in dues(samples))]
    assert sorted(gaps)[-2:] == [1.0, 32.0]


def test_faster_pace(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, "a.fit", STEADY_FIT))
    assert dues(list(replay(recording, pace=200))) == [0, 0.005, 0.01, 0.015, 0.02]


def test_loop_continues_odometer(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, "a.fit", STEADY_FIT))
    samples = list(islice(replay(recording, loop=True), 12))
    assert dues(samples) == list(range(12))
    assert speeds(samples)[:5] == speeds(samples)[5:10]
    odometer = [sample.values["odometer_km"] for sample in samples]
    assert odometer[:7] == [0, 0.005, 0.01, 0.015, 0.02, 0.02, 0.025]
    assert odometer[10] == 0.04


def test_loop_of_one_point(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, "a.fit", fit_bytes([(0, 5_000, 0)])))
    assert dues(list(islice(replay(recording, loop=True), 3))) == [0, 1, 2]


def test_the_settings_choose_file_pace_and_loop(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fit", STEADY_FIT)
    flags = ["--source", f"ride:{path}", "--ride-pace", "2", "--ride-loop"]
    source = open_source(load_settings("device", flags, {}, tmp_path), 0)
    assert (source.interval_ms, source.model) == (500, "recorded ride a.fit")
    assert dues(list(islice(polled(source), 6))) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_fleet_starts_one_by_one(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fit", STEADY_FIT)
    chosen = load_settings("device", ["--source", f"ride:{path}"], {}, tmp_path)
    first, third = (list(polled(open_source(chosen, bike))) for bike in (0, 2))
    assert third[0].due_s == 2 * BETWEEN_BIKES_S
    assert speeds(first) == speeds(third)


def test_irregular_ride_has_no_interval(tmp_path: Path) -> None:
    moments = [(0, 0), (3, 9), (4, 18), (11, 36), (19, 50), (20, 60)]
    path = written(tmp_path, "a.gpx", gpx_text(moments))
    chosen = load_settings("device", ["--source", f"ride:{path}"], {}, tmp_path)
    assert open_source(chosen, 0).interval_ms == 0


def test_speed_from_distance_and_time(tmp_path: Path) -> None:
    gpx = gpx_text([(0, 0), (1, 5), (3, 17), (4, 17)])
    expected = pytest.approx([0, 18, 21.6, 0], abs=0.05)
    assert speeds(samples_of(written(tmp_path, "a.gpx", gpx))) == expected
    ways = ((0, 0), (1, 5), (3, 17), (4, 17))
    tcx = tcx_text(f"<Time>{clock(t)}</Time><DistanceMeters>{m}</DistanceMeters>" for t, m in ways)
    assert speeds(samples_of(written(tmp_path, "b.tcx", tcx))) == expected
    fit = fit_bytes((t, None, 100 * m) for t, m in ways)
    assert speeds(samples_of(written(tmp_path, "c.fit", fit))) == expected


def test_no_distance_during_gpx_pause(tmp_path: Path) -> None:
    gpx = gpx_text([(0, 0), (1, 5)], [(60, 300), (61, 306)])
    samples = samples_of(written(tmp_path, "a.gpx", gpx))
    assert speeds(samples) == pytest.approx([0, 18, 0, 21.6], abs=0.05)
    assert [sample.values["odometer_km"] for sample in samples] == [0, 0.005, 0.005, 0.011]


def test_what_gpx_extensions_measured_is_taken(tmp_path: Path) -> None:
    inside = (
        "<extensions><power>231</power><x:TrackPointExtension><x:cad>88</x:cad><x:hr>150</x:hr>"
        "<x:speed>4.5</x:speed></x:TrackPointExtension></extensions>"
    )
    (sample,) = samples_of(written(tmp_path, "a.gpx", gpx_text([(0, 0)], inside=inside)))
    assert sample == Sample(
        0.0, 16.2, {"power_w": 231, "cadence_rpm": 88, "odometer_km": 0.0, "altitude_m": 120.2}
    )


def test_what_tcx_extensions_measured_is_taken(tmp_path: Path) -> None:
    inside = (
        f"<Time>{clock(0)}</Time><Cadence>70</Cadence><Extensions><e:TPX><e:Speed>4.5</e:Speed>"
        "<e:Watts>199</e:Watts></e:TPX></Extensions>"
    )
    (sample,) = samples_of(written(tmp_path, "a.tcx", tcx_text([inside])))
    assert sample == Sample(0.0, 16.2, {"power_w": 199, "cadence_rpm": 70})


def test_values_beyond_limits(tmp_path: Path) -> None:
    inside = "<extensions><power>9000</power><x:cad>nonsense</x:cad></extensions>"
    (sample,) = samples_of(written(tmp_path, "a.gpx", gpx_text([(0, 0)], inside=inside)))
    assert sample.values == {"odometer_km": 0.0, "altitude_m": 120.2}


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, object]]]]:
    """Collect what is logged: the event and its values, without the file."""
    records: list[tuple[str, dict[str, object]]] = []
    sink = logger.add(
        lambda line: records.append(
            (
                line.record["message"],
                {key: value for key, value in line.record["extra"].items() if key != "file"},
            )
        )
    )
    yield records
    logger.remove(sink)


def test_left_out_points_are_counted_by_reason(
    tmp_path: Path, told: list[tuple[str, dict[str, object]]]
) -> None:
    records = [(0, 5_000, None), (1, None, None), (2, 64_000, None), (3, 5_100, None)]
    samples = samples_of(written(tmp_path, "a.fit", fit_bytes(records)))
    assert [(sample.due_s, sample.speed_kmh) for sample in samples] == [(0, 18), (3, 18.36)]
    reasons = {"no_speed": 1, "impossible_speed": 1}
    counts = {"form": "FIT", "points": 2, "skipped": 2, "merged": 0}
    assert told == [("ride_read", counts | reasons)]


def test_pauses_clock_and_damage_are_told(
    tmp_path: Path, told: list[tuple[str, dict[str, object]]]
) -> None:
    records = [(0, 5_000, 0), (1, 5_000, 500), (7201, 5_000, 900), (7202, 5_000, 1400)]
    data = bytearray(fit_bytes([*records, (100, 5_000, 1800), (101, 5_000, 2300)]))
    data[-1] ^= 0xFF
    samples = samples_of(written(tmp_path, "a.fit", bytes(data)))
    assert dues(samples) == [0, 1, 11, 12, 12, 13]
    assert [name for name, _ in told] == [
        "ride_damaged",
        "ride_clock_went_back",
        "ride_pauses_shortened",
        "ride_read",
    ]
    assert told[0][1]["why"] == "its checksum is wrong"
    assert told[2][1] == {"pauses": 1, "longest_s": 7200, "to_s": 10.0}


def test_clock_went_back(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fit", fit_bytes([(9, 1, 0), (10, 2, 0), (3, 3, 0), (4, 4, 0)]))
    assert dues(samples_of(path)) == [0, 1, 1, 2]


NOT_A_RIDE: list[tuple[str, str | bytes, str]] = [
    ("empty.fit", b"", "is empty"),
    ("blank.gpx", "  \n", "is empty but for blanks"),
    ("zeros.fit", bytes(300), "is empty but for blanks and zeros"),
    ("text.fit", "speed;time\n", "it is a text file with columns (CSV)"),
    ("time.tcx", tcx_text(["<Time>soon</Time>"]), "no track point has a time that can be read"),
    ("notimes.gpx", gpx_text([(None, 0), (None, 5)]), "no track point has a time (2 track points)"),
    ("notimes.tcx", tcx_text(["<Cadence>1</Cadence>"]), "no track point has a time"),
    ("other.tcx", "<a></a>", "it is XML that begins with <a>"),
    ("norecords.fit", fit_bytes([]), "it holds no record of a ride"),
    ("nospeed.fit", fit_bytes([(0, None, None), (1, None, None)]), "neither speeds nor distances"),
    ("fast.fit", fit_bytes([(0, 60_000, None)]), "none of its speeds"),
    ("moment.gpx", gpx_text([(3, 0), (3, 50), (3, 99)]), "all 3 points have the same time"),
]


@pytest.mark.parametrize(("name", "content", "said"), NOT_A_RIDE)
def test_files_that_are_no_rides(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(SourceError) as refusal:
        load_recording(path)
    assert said in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.fit").mkdir()
    with pytest.raises(SourceError, match=r"missing\.gpx cannot be read: No such file"):
        load_recording(tmp_path / "missing.gpx")
    with pytest.raises(SourceError, match=r"folder\.fit cannot be read: Is a directory"):
        load_recording(tmp_path / "folder.fit")


def test_too_large_file(tmp_path: Path) -> None:
    path = tmp_path / "huge.fit"
    with path.open("wb") as file:
        file.truncate(200_000_000)  # takes no space on the disk
    with pytest.raises(SourceError, match="too large for a ride"):
        load_recording(path)


def test_the_source_ride_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="needs a file"):
        open_source(load_settings("device", ["--source", "ride"], {}, tmp_path), 0)
