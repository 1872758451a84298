from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
from fitdecode import FIT_FRAME_DATA, FitReader  # type: ignore[import-untyped]  # has no types
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from device.sources import Sample, open_source
from device.sources.recording import (
    BETWEEN_BIKES_S,
    decode_ride,
    load_recording,
    replay,
    sample_points,
)
from shared.errors import SourceError
from shared.reading import check_reading
from shared.settings import load_settings
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


def test_every_point_of_a_recorded_ride_comes_in_order_with_its_speed(
    long_ride: list[Sample],
) -> None:
    expected = list(recorded_speeds(recorded_ride(LONG_RIDE)))
    assert len(long_ride) == len(expected) == 8357
    assert all(abs(a - b) <= 0.01 for a, b in zip(speeds(long_ride), expected, strict=True))
    assert dues(long_ride) == list(range(8357))


def test_every_sample_of_a_recorded_ride_is_a_valid_reading_without_place_or_heart(
    long_ride: list[Sample],
) -> None:
    allowed = {"power_w", "cadence_rpm", "odometer_km", "altitude_m"}
    identity = {"v": 1, "device_id": "a", "epoch": 1, "seq": 1, "ts_ms": 1}
    for sample in long_ride:
        raw = {**identity, "speed_kmh": sample.speed_kmh, **sample.values}
        assert check_reading(raw, "a").dropped == ()
        assert set(sample.values) == allowed


def test_the_same_ride_is_the_same_in_tcx(long_ride: list[Sample]) -> None:
    tcx = samples_of(recorded_ride("activity_4078723797.tcx"))
    assert len(tcx) == len(long_ride)
    for one, other in zip(long_ride, tcx, strict=True):
        assert one.due_s == other.due_s
        assert one.speed_kmh == pytest.approx(other.speed_kmh, abs=0.011)


def test_speeds_from_the_positions_of_the_same_ride_come_close(long_ride: list[Sample]) -> None:
    gpx = speeds(samples_of(recorded_ride("4078723797_strava.gpx")))
    apart = [(a - b) ** 2 for a, b in zip(speeds(long_ride), gpx, strict=True)]
    assert (sum(apart) / len(apart)) ** 0.5 < 1.2


def test_a_pause_keeps_its_time() -> None:
    samples = samples_of(recorded_ride(PAUSED_RIDE))
    assert len(samples) == 96
    gaps = [later - earlier for earlier, later in pairwise(due or 0 for due in dues(samples))]
    assert sorted(gaps)[-2:] == [1.0, 32.0]


def test_a_ride_is_replayed_faster_at_a_pace(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, "a.fit", STEADY_FIT))
    assert dues(list(replay(recording, pace=200))) == [0, 0.005, 0.01, 0.015, 0.02]


def test_a_loop_goes_on_in_time_and_on_the_odometer(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, "a.fit", STEADY_FIT))
    samples = list(islice(replay(recording, loop=True), 12))
    assert dues(samples) == list(range(12))
    assert speeds(samples)[:5] == speeds(samples)[5:10]
    odometer = [sample.values["odometer_km"] for sample in samples]
    assert odometer[:7] == [0, 0.005, 0.01, 0.015, 0.02, 0.02, 0.025]
    assert odometer[10] == 0.04


def test_a_loop_of_one_point_does_not_run_away(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, "a.fit", fit_bytes([(0, 5_000, 0)])))
    assert dues(list(islice(replay(recording, loop=True), 3))) == [0, 1, 2]


def test_the_settings_choose_file_pace_and_loop(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fit", STEADY_FIT)
    flags = ["--source", f"ride:{path}", "--ride-pace", "2", "--ride-loop"]
    source = open_source(load_settings("device", flags, {}, tmp_path), 0)
    assert (source.interval_ms, source.model) == (500, "recorded ride (FIT)")
    assert dues(list(islice(source.samples, 6))) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_each_bike_of_a_fleet_starts_a_little_later(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fit", STEADY_FIT)
    chosen = load_settings("device", ["--source", f"ride:{path}"], {}, tmp_path)
    first, third = (list(open_source(chosen, bike).samples) for bike in (0, 2))
    assert third[0].due_s == 2 * BETWEEN_BIKES_S
    assert speeds(first) == speeds(third)


def test_a_ride_with_points_now_and_then_has_no_interval(tmp_path: Path) -> None:
    moments = [(0, 0), (3, 9), (4, 18), (11, 36), (19, 50), (20, 60)]
    path = written(tmp_path, "a.gpx", gpx_text(moments))
    chosen = load_settings("device", ["--source", f"ride:{path}"], {}, tmp_path)
    assert open_source(chosen, 0).interval_ms == 0


def test_speed_is_way_over_time_where_a_file_has_none(tmp_path: Path) -> None:
    gpx = gpx_text([(0, 0), (1, 5), (3, 17), (4, 17)])
    expected = pytest.approx([0, 18, 21.6, 0], abs=0.05)
    assert speeds(samples_of(written(tmp_path, "a.gpx", gpx))) == expected
    ways = ((0, 0), (1, 5), (3, 17), (4, 17))
    tcx = tcx_text(f"<Time>{clock(t)}</Time><DistanceMeters>{m}</DistanceMeters>" for t, m in ways)
    assert speeds(samples_of(written(tmp_path, "b.tcx", tcx))) == expected
    fit = fit_bytes((t, None, 100 * m) for t, m in ways)
    assert speeds(samples_of(written(tmp_path, "c.fit", fit))) == expected


def test_no_way_is_counted_during_a_pause_of_a_gpx_track(tmp_path: Path) -> None:
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


def test_values_beyond_the_limits_of_a_reading_are_left_out(tmp_path: Path) -> None:
    inside = "<extensions><power>9000</power><x:cad>nonsense</x:cad></extensions>"
    (sample,) = samples_of(written(tmp_path, "a.gpx", gpx_text([(0, 0)], inside=inside)))
    assert sample.values == {"odometer_km": 0.0, "altitude_m": 120.2}


def test_points_without_a_speed_are_left_out_and_counted(tmp_path: Path) -> None:
    told: list[tuple[str, dict[object, object]]] = []
    sink = logger.add(lambda line: told.append((line.record["message"], line.record["extra"])))
    try:
        records = [(0, 5_000, None), (1, None, None), (2, 64_000, None), (3, 5_100, None)]
        path = written(tmp_path, "a.fit", fit_bytes(records))
        samples = samples_of(path)
    finally:
        logger.remove(sink)
    assert [(sample.due_s, sample.speed_kmh) for sample in samples] == [(0, 18), (3, 18.36)]
    assert told == [("ride_read", {"file": path, "points": 2, "skipped": 2})]


def test_a_clock_that_went_back_holds_nothing_up(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fit", fit_bytes([(9, 1, 0), (10, 2, 0), (3, 3, 0), (4, 4, 0)]))
    assert dues(samples_of(path)) == [0, 1, 1, 2]


NOT_A_RIDE: list[tuple[str, str | bytes, str]] = [
    ("empty.fit", b"", "is empty"),
    ("blank.gpx", "  \n", "is empty"),
    ("text.fit", "speed;time\n", "no FIT file, or damaged"),
    ("cut.fit", STEADY_FIT[:-9], "no FIT file, or damaged"),
    ("flipped.fit", STEADY_FIT[:40] + b"\xff" + STEADY_FIT[41:], "no FIT file, or damaged"),
    ("fit.gpx", STEADY_FIT, "no GPX file, or damaged"),
    ("cut.gpx", gpx_text([(0, 0), (1, 5)])[:-20], "no GPX file, or damaged"),
    ("fit.tcx", STEADY_FIT, "no TCX file, or damaged"),
    ("cut.tcx", tcx_text(["<Time>2024-05-01T07:00:00Z</Time>"])[:-20], "no TCX file, or damaged"),
    ("time.tcx", tcx_text(["<Time>soon</Time>"]), "no TCX file, or damaged"),
    ("notimes.gpx", gpx_text([(None, 0), (None, 5)]), "no point with a time"),
    ("notimes.tcx", tcx_text(["<Cadence>1</Cadence>"]), "no point with a time"),
    ("other.tcx", "<a></a>", "no point with a time"),
    ("norecords.fit", fit_bytes([]), "no point with a time"),
    ("nospeed.fit", fit_bytes([(0, None, None), (1, None, None)]), "neither speeds nor distances"),
    ("ride.csv", "1;2", "a file .fit, .gpx or .tcx"),
]


@pytest.mark.parametrize(("name", "content", "said"), NOT_A_RIDE)
def test_a_file_that_is_no_ride_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(SourceError) as refusal:
        load_recording(path)
    assert said in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.fit").mkdir()
    with pytest.raises(SourceError, match=r"missing\.gpx cannot be read: No such file"):
        load_recording(tmp_path / "missing.gpx")
    with pytest.raises(SourceError, match=r"folder\.fit cannot be read: Is a directory"):
        load_recording(tmp_path / "folder.fit")


def test_a_file_too_large_for_a_ride_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.fit"
    with path.open("wb") as file:
        file.truncate(200_000_000)  # takes no space on the disk
    with pytest.raises(SourceError, match="too large for a ride"):
        load_recording(path)


def test_the_source_ride_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="needs a file"):
        open_source(load_settings("device", ["--source", "ride"], {}, tmp_path), 0)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["fit", "gpx", "tcx"]),
    st.integers(0, 400),
    st.binary(min_size=1, max_size=6),
)
def test_damage_anywhere_is_a_ride_or_one_sentence(form: str, at: int, damage: bytes) -> None:
    whole = {
        "fit": STEADY_FIT,
        "gpx": gpx_text([(0, 0), (1, 5)]).encode(),
        "tcx": tcx_text([f"<Time>{clock(0)}</Time><DistanceMeters>0</DistanceMeters>"]).encode(),
    }[form]
    at %= len(whole)
    damaged, refusal, samples = whole[:at] + damage + whole[at + len(damage) :], "", []
    try:
        samples = list(sample_points(decode_ride(Path(f"a.{form}"), form, damaged)))
    except SourceError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert all(0 <= sample.speed_kmh <= 200 for sample in samples)
