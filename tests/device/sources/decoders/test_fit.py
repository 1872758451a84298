import struct
from collections.abc import Iterator

import fitdecode  # type: ignore[import-untyped]  # has no types
import pytest

from device.sources.decoders.course import plan_course
from device.sources.decoders.fit_messages import checksum
from device.sources.decoders.ride import read_ride
from scripts.recorded_rides import PAUSED_RIDE, recorded_ride
from shared.errors import SourceError
from tests.device.sources.recordings import fit_file, fit_group

T0 = 1_083_200_000
NAMES = ("timestamp", "distance", "speed")
ROWS = [{"timestamp": T0 + t, "distance": 500 * t, "speed": 5_000} for t in range(20)]
BODY = fit_group(NAMES, ROWS)
WHOLE = fit_file(BODY)


def times(data: bytes) -> list[float]:
    return [point.time_s for point in read_ride(data).points]


def damage(data: bytes) -> tuple[str, ...]:
    return read_ride(data).damage


@pytest.mark.parametrize("name", [PAUSED_RIDE, "6449921903_ACTIVITY.fit"])
def test_the_same_as_fitdecode(name: str) -> None:
    path = recorded_ride(name)
    ours = {point.time_s: point for point in read_ride(path.read_bytes()).points}
    count = 0
    for time_s, record in records_of(path.read_bytes()):
        point = ours[time_s]
        count += 1
        for value, *names in (
            (point.speed_mps, "enhanced_speed", "speed"),
            (point.distance_m, "distance"),
            (point.altitude_m, "enhanced_altitude", "altitude"),
            (point.power_w, "power"),
            (point.cadence_rpm, "cadence"),
            (point.temperature_c, "temperature"),
        ):
            theirs = [record.get_value(one, fallback=None) for one in names]
            assert value == next((one for one in theirs if one is not None), None)
    assert count == len(ours) > 50


def records_of(data: bytes) -> Iterator[tuple[int, fitdecode.FitDataMessage]]:
    for frame in fitdecode.FitReader(data):
        if frame.frame_type == fitdecode.FIT_FRAME_DATA and frame.name == "record":
            yield frame.get_raw_value("timestamp"), frame


def test_checksum_of_the_usual_check_text() -> None:
    assert checksum(b"123456789") == 0xBB3D


@pytest.mark.parametrize("header", [12, 14, 20])
def test_header_of_any_size(header: int) -> None:
    padding = bytes(max(0, header - 14))
    start = struct.pack("<BBHI4s", header, 0x20, 2132, len(BODY), b".FIT")
    start += bytes(2 if header > 12 else 0) + padding
    data = start + BODY
    data += struct.pack("<H", checksum(data))
    assert (len(times(data)), damage(data)) == (20, ())


def test_big_endian() -> None:
    assert read_ride(fit_file(fit_group(NAMES, ROWS, order=">"))) == read_ride(WHOLE)


def test_system_time() -> None:
    rows = [row | {"timestamp": 5_000 + t} for t, row in enumerate(ROWS)]
    assert times(fit_file(fit_group(NAMES, rows))) == list(range(5_000, 5_020))


def test_compressed_timestamps() -> None:
    first = fit_group(("timestamp", "speed"), [{"timestamp": T0 + 30, "speed": 5_000}], local=1)
    body = first + fit_group(("speed",), [], local=2)
    for second in (31, 32, 33, 62, 64):
        body += bytes((0x80 | 2 << 5 | (T0 + second) & 0x1F,)) + struct.pack("<H", 5_000)
    assert times(fit_file(body)) == [T0 + t for t in (30, 31, 32, 33, 62, 64)]


def test_compressed_timestamp_before_any_full_one() -> None:
    body = fit_group(("speed",), [], local=2) + b"\xc5\x00\x10" + BODY
    ride = read_ride(fit_file(body))
    assert (len(ride.points), ride.left_out) == (20, {"no_time": 1})


def test_unknown_messages_are_passed_over() -> None:
    unknown = fit_group(("timestamp", "power"), [{"timestamp": T0, "power": 7}], kind=0xFF00)
    events = fit_group(("timestamp",), [{"timestamp": T0 + 9}], kind=21, local=3)
    ride = read_ride(fit_file(unknown, events, BODY, unknown))
    assert (len(ride.points), ride.points[0].power_w, ride.damage) == (20, None, ())


def test_several_sessions() -> None:
    session = fit_group(("timestamp",), [{"timestamp": T0 + 19}], kind=18, local=4)
    later = [row | {"timestamp": T0 + 30 + t} for t, row in enumerate(ROWS)]
    moments = plan_course(
        read_ride(fit_file(BODY, session, fit_group(NAMES, later), session)).points
    ).moments
    assert len(moments) == 40
    odometer = [moment.values["odometer_km"] for moment in moments]
    assert odometer == sorted(odometer)
    assert odometer[-1] == 0.19


def test_chained_files() -> None:
    later = [row | {"timestamp": T0 + 30 + t} for t, row in enumerate(ROWS)]
    data = WHOLE + fit_file(fit_group(NAMES, later, local=5, order=">"))
    assert (len(times(data)), damage(data)) == (40, ())


def test_enhanced_values_count_before_short_ones() -> None:
    names = ("timestamp", "speed", "enhanced_speed", "altitude", "enhanced_altitude")
    short = {"speed": 5_000, "altitude": 3_000}
    long = {"enhanced_speed": 6_000, "enhanced_altitude": 3_100}
    rows = [{"timestamp": T0, **short, **long}, {"timestamp": T0 + 1, **short}]
    first, second = read_ride(fit_file(fit_group(names, rows))).points
    assert (first.speed_mps, first.altitude_m) == (6, 120)
    assert (second.speed_mps, second.altitude_m) == (5, 100)


def test_invalid_values_are_unknown() -> None:
    names = ("timestamp", "speed", "distance", "power", "cadence", "lat", "temperature")
    (point,) = read_ride(fit_file(fit_group(names, [{"timestamp": T0}]))).points
    assert [value for value in point[2:] if value is not None] == []


def test_values_of_an_e_bike() -> None:
    names = ("timestamp", "speed", "motor_power", "ebike_battery_level", "battery_soc")
    row = {"timestamp": T0, "speed": 5_000, "motor_power": 180, "battery_soc": 99}
    rows = [row | {"ebike_battery_level": 64}, row | {"timestamp": T0 + 1}]
    moments = plan_course(read_ride(fit_file(fit_group(names, rows))).points).moments
    assert [moment.values["battery_pct"] for moment in moments] == [64, 49.5]
    assert moments[0].values["motor_power_w"] == 180


DESCRIPTION = {"developer_index": 0, "developer_number": 3, "developer_type": 0x88}


def described(**more: int) -> bytes:
    return fit_group(
        (*DESCRIPTION, "native_message", "native_field"), [DESCRIPTION | more], kind=206, local=1
    )


def test_developer_field_that_stands_for_power() -> None:
    rows = [{**row, "3": 231.5} for row in ROWS]
    body = described(native_field=7) + fit_group(NAMES, rows, developed=[(0, 3, 4, "f")])
    ride = read_ride(fit_file(body))
    assert [point.power_w for point in ride.points] == [231.5] * 20
    assert ride.damage == ()


@pytest.mark.parametrize("description", [b"", described(), described(native_message=19)])
def test_other_developer_field_is_passed_over(description: bytes) -> None:
    rows = [{**row, "3": 9.0} for row in ROWS]
    body = description + fit_group(NAMES, rows, developed=[(0, 3, 4, "f")])
    ride = read_ride(fit_file(body))
    assert [point.power_w for point in ride.points] == [None] * 20
    assert (ride.points[5].speed_mps, ride.damage) == (5, ())


def test_record_without_a_time_is_counted() -> None:
    rows = [{**row, "timestamp": None if t % 2 else T0 + t} for t, row in enumerate(ROWS)]
    ride = read_ride(fit_file(fit_group(NAMES, rows)))
    assert (len(ride.points), ride.left_out) == (10, {"no_time": 10})


@pytest.mark.parametrize(
    ("data", "points", "said"),
    [
        (WHOLE[:-2] + b"\0\0", 20, "its checksum is wrong"),
        (WHOLE[:-2], 20, "its end is missing"),
        (WHOLE[:-1], 20, "its end is missing"),
        (WHOLE[:-60], 14, "its end is missing"),
        (fit_file(BODY, size=0), 20, "its header gives no length"),
        (fit_file(BODY, size=0, checked=False), 20, "its header gives no length"),
        (fit_file(BODY, size=0)[:-40], 16, "its header gives no length"),
        (fit_file(BODY, size=0xFFFFFFFF), 20, "its end is missing"),
        (fit_file(BODY, size=60), 20, "its header gives 76 bytes"),
        (WHOLE + b"junk behind the end", 20, "19 bytes behind its end are no FIT"),
        (fit_file(BODY, b"\x0d" * 40), 20, "it cannot be read from byte"),
        (fit_file(BODY, b"\x00\x01"), 20, "its last message is cut off"),
        (fit_file(BODY, b"\x40\x00"), 20, "its last message is cut off"),
        (fit_file(BODY, b"\x60\0\0\x14\0\x01\xfd\x04\x86\x09"), 20, "its last message is cut off"),
    ],
)
def test_damaged_file_plays_what_it_holds(data: bytes, points: int, said: str) -> None:
    ride = read_ride(data)
    assert len(ride.points) == points
    assert len(ride.damage) == 1
    assert said in ride.damage[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (fit_file(), "it holds no record of a ride"),
        (fit_file(fit_group(("type",), [{"type": 6}], kind=0)), "FIT file of a course"),
        (fit_file(fit_group(NAMES, [{}, {}])), "no record has a time (2 records)"),
        (WHOLE[:12], "its end is missing"),
        (WHOLE[:30], "its end is missing"),
        (fit_file(fit_group(NAMES, [{"timestamp": T0}]).replace(b"\xfd\x04", b"\xfd\x03")), "time"),
    ],
)
def test_nothing_to_play(data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=r"^i|^no") as refusal:
        read_ride(data)
    assert said in str(refusal.value)


def test_damage_notes_are_bounded() -> None:
    empty = bytearray(fit_file(header=12))
    empty[-1] ^= 1
    assert damage(bytes(empty) * 1_000 + WHOLE) == ("its checksum is wrong",)
