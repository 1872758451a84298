import json
from collections.abc import Mapping
from math import inf, nan

import pytest

from device.fleet import FAULT_KINDS_MAX, OTHER_FAULTS, Bike, fleet_ids
from device.journal import Numbered
from device.sample import Sample
from device.sources import IteratorSource
from shared.cursor import Cursor
from shared.reading import OPTIONAL_KEYS, Value
from shared.wire import READING_BYTES_MAX, decode_reading, decode_status

EPOCH = 1_700_000_000_000
NOW_MS = EPOCH + 5


def make_bike(model: str | None = "test bike") -> Bike:
    return Bike("ebike-001", EPOCH, IteratorSource(iter(()), 100, model))


def number(bike: Bike, speed_kmh: object, values: Mapping[str, object] | None = None) -> Numbered:
    numbered = bike.number(sample(speed_kmh, values), NOW_MS)
    assert numbered is not None
    return numbered


def sample(speed_kmh: object, values: Mapping[str, object] | None = None) -> Sample:
    wrong: Mapping[str, Value] = values or {}  # type: ignore[assignment]  # also what is no Value
    return Sample(0.0, speed_kmh, wrong)  # type: ignore[arg-type]  # also what is no number


def test_numbers_grow_by_one() -> None:
    bike = make_bike()
    cursors = [number(bike, 20.0).cursor for _ in range(3)]
    assert cursors == [Cursor(EPOCH, 1), Cursor(EPOCH, 2), Cursor(EPOCH, 3)]


def test_encoded_reading() -> None:
    payload = number(make_bike(), 24.5, {"power_w": 120, "extra": {"tyre_bar": 4.5}}).payload
    assert payload == (
        b'{"v":1,"device_id":"ebike-001","epoch":1700000000000,"seq":1,"ts_ms":1700000000005,'
        b'"speed_kmh":24.5,"power_w":120,"extra":{"tyre_bar":4.5}}'
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"power_w": 120, "battery_pct": 81.5, "assist": "tour"},
        {"assist": "tour", "power_w": 120},
        {"gradient_pct": -0.0, "odometer_km": 0.00001, "altitude_m": -499},
        {"latitude_deg": 1e-9, "extra": {"tyre_bar": 4.5}},
    ],
)
def test_value_is_unchanged(values: Mapping[str, object]) -> None:
    checked = decode_reading(number(make_bike(), 24.5, values).payload, "ebike-001")
    assert (checked.reading.speed_kmh, checked.reading.values) == (24.5, values)
    assert (checked.dropped, checked.unknown) == ((), ())
    assert list(checked.reading.values) == sorted(values, key=OPTIONAL_KEYS.index)


@pytest.mark.parametrize("speed_kmh", [-0.1, 200.1, nan, inf, -inf, True, "20", None])
def test_invalid_speed_takes_no_number(speed_kmh: object) -> None:
    bike = make_bike()
    assert bike.number(sample(speed_kmh), NOW_MS) is None
    assert bike.faults == {"speed_kmh": 1}
    assert number(bike, 20.0).cursor == Cursor(EPOCH, 1)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"power_w": 3001}, "power_w"),
        ({"altitude_m": nan}, "altitude_m"),
        ({"cadence_rpm": "60"}, "cadence_rpm"),
        ({"assist": "warp"}, "assist"),
        ({"extra": {"Bad Key": 1}}, "extra.Bad Key"),
        ({"extra": {"x": inf}}, "extra.x"),
        ({"extra": {f"k{n}": n for n in range(17)}}, "extra"),
        ({"wheel": 29}, "wheel"),
    ],
)
def test_bad_value_is_left_out(values: Mapping[str, object], fault: str) -> None:
    bike = make_bike()
    payload = number(bike, 20.0, {"battery_pct": 50, **values}).payload
    assert decode_reading(payload, "ebike-001").reading.values == {"battery_pct": 50}
    assert bike.faults == {fault: 1}


def test_a_source_cannot_choose_its_identity() -> None:
    payload = number(make_bike(), 20.0, {"seq": 99, "epoch": 1, "device_id": "x", "v": 2}).payload
    reading = decode_reading(payload, "ebike-001").reading
    assert (reading.device_id, reading.cursor) == ("ebike-001", Cursor(EPOCH, 1))


def test_too_large_extra_is_left_out() -> None:
    bike = make_bike()
    extra = {f"{number:032d}": "\x01" * 64 for number in range(16)}
    payload = number(bike, 20.0, {"power_w": 1, "extra": extra}).payload
    assert len(payload) <= READING_BYTES_MAX
    assert decode_reading(payload, "ebike-001").reading.values == {"power_w": 1}
    assert bike.faults == {"extra": 1}


def test_each_fault_is_news_once() -> None:
    bike = make_bike()
    for _ in range(3):
        number(bike, 20.0, {"power_w": 9999})
        bike.number(sample(-1.0), NOW_MS)
    assert bike.new_faults == ["power_w", "speed_kmh"]
    assert bike.faults == {"power_w": 3, "speed_kmh": 3}


def test_endless_keys_in_bounded_memory() -> None:
    bike = make_bike()
    for key in range(1000):
        number(bike, 20.0, {f"key_{key}": 1})
    assert len(bike.faults) == FAULT_KINDS_MAX + 1
    assert bike.faults[OTHER_FAULTS] == 1000 - FAULT_KINDS_MAX


def test_status_content() -> None:
    bike = make_bike()
    number(bike, 20.0)
    status = decode_status(bike.status(NOW_MS), "ebike-001")
    assert status.cursor == Cursor(EPOCH, 1)
    assert (status.state, status.interval_ms, status.model) == ("online", 100, "test bike")


def test_a_bike_that_ended_says_stopping() -> None:
    bike = make_bike(model=None)
    bike.state = "stopping"
    assert json.loads(bike.status(NOW_MS)) == {
        "v": 1,
        "device_id": "ebike-001",
        "epoch": EPOCH,
        "last_seq": 0,
        "ts_ms": NOW_MS,
        "state": "stopping",
        "interval_ms": 100,
    }


def test_id_of_single_bike() -> None:
    assert fleet_ids("my-bike", 1) == ["my-bike"]


def test_a_fleet_is_numbered_from_one() -> None:
    ids = fleet_ids("ebike-001", 1000)
    assert ids[:2] == ["ebike-001", "ebike-002"]
    assert ids[-1] == "ebike-1000"
    assert len(set(ids)) == 1000


def test_number_again_in_new_epoch() -> None:
    bike = make_bike()
    number(bike, 20.0)
    first = number(bike, 24.5, {"power_w": 120, "extra": {"tyre_bar": 4.5}})
    bike.begin(EPOCH + 9)
    again = bike.number_again(first.payload)
    assert again.cursor == Cursor(EPOCH + 9, 1)
    before = decode_reading(first.payload, "ebike-001").reading
    after = decode_reading(again.payload, "ebike-001").reading
    assert (after.epoch, after.seq) == (EPOCH + 9, 1)
    assert (after.ts_ms, after.speed_kmh, after.values) == (
        before.ts_ms,
        before.speed_kmh,
        before.values,
    )
    assert number(bike, 20.0).cursor == Cursor(EPOCH + 9, 2)
