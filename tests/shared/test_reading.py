from typing import Any

import pytest

from shared.cursor import INTEGER_LIMIT, Cursor
from shared.errors import BadMessage
from shared.reading import (
    EXTRA_KEYS_MAX,
    NUMBER_RANGES,
    CheckedReading,
    Reading,
    Status,
    check_reading,
    check_status,
    is_device_id,
)

READING = {"v": 1, "device_id": "a", "epoch": 7, "seq": 3, "ts_ms": 1_000, "speed_kmh": 21.5}
STATUS = {
    "v": 1,
    "device_id": "a",
    "epoch": 7,
    "last_seq": 3,
    "ts_ms": 1_000,
    "state": "online",
    "interval_ms": 100,
}
NAN, INFINITY = float("nan"), float("inf")
NO_INTEGERS = [None, "1", 1.0, True, -1, INTEGER_LIMIT, [1]]


def refusal(raw: dict[str, Any]) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        check_reading(raw, "a")
    return caught.value


@pytest.mark.parametrize("name", ["a", "0", "ebike-001", "A.b_c-d", "x" * 64])
def test_a_device_id_is_a_device_id(name: str) -> None:
    assert is_device_id(name)


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "_a", "a b", "a/b", "a\n", "x" * 65, "\xe9", "*", None, 1]
)
def test_what_is_no_device_id_is_none(name: object) -> None:
    assert not is_device_id(name)


def test_a_reading_is_read() -> None:
    checked = check_reading({**READING, "power_w": 120, "assist": "eco"}, "a")
    expected = Reading("a", 7, 3, 1_000, 21.5, {"power_w": 120, "assist": "eco"})
    assert checked == CheckedReading(expected, (), ())
    assert checked.reading.cursor == Cursor(7, 3)


@pytest.mark.parametrize("speed", [0, 200, 0.0, 200.0, 1e-9])
def test_speeds_up_to_the_limits_are_taken(speed: float) -> None:
    assert check_reading({**READING, "speed_kmh": speed}, "a").reading.speed_kmh == speed


@pytest.mark.parametrize("speed", [None, "21", True, -0.1, 200.1, NAN, INFINITY, [21]])
def test_wrong_speed_keeps_position(speed: object) -> None:
    error = refusal({**READING, "speed_kmh": speed})
    assert (error.reason, error.device_id, error.position) == ("invalid", "a", Cursor(7, 3))


@pytest.mark.parametrize("ts_ms", NO_INTEGERS)
def test_wrong_time_keeps_position(ts_ms: object) -> None:
    error = refusal({**READING, "ts_ms": ts_ms})
    assert (error.reason, error.position) == ("invalid", Cursor(7, 3))


@pytest.mark.parametrize("key", ["epoch", "seq"])
@pytest.mark.parametrize("value", NO_INTEGERS)
def test_wrong_seq_has_no_position(key: str, value: object) -> None:
    error = refusal({**READING, key: value})
    assert (error.reason, error.device_id, error.position) == ("invalid", "a", None)


def test_smallest_seq_and_epoch() -> None:
    assert refusal({**READING, "seq": 0}).reason == "invalid"
    assert check_reading({**READING, "epoch": 0, "seq": 1}, "a").reading.cursor == Cursor(0, 1)


@pytest.mark.parametrize("version", [None, 0, 2, "1", 1.0, True])
def test_another_version_is_refused(version: object) -> None:
    error = refusal({**READING, "v": version})
    assert (error.reason, error.device_id) == ("unsupported_version", "a")


@pytest.mark.parametrize("name", ["b", "", None, 1])
def test_id_mismatch_blames_no_device(name: object) -> None:
    error = refusal({**READING, "device_id": name})
    assert (error.reason, error.device_id) == ("id_mismatch", None)


@pytest.mark.parametrize(("key", "limits"), NUMBER_RANGES.items())
def test_optional_number_limits(key: str, limits: tuple[float, float]) -> None:
    low, high = limits
    for value in (low, high, float(low)):
        checked = check_reading({**READING, key: value}, "a")
        assert (checked.reading.values, checked.dropped) == ({key: value}, ())
    for wrong in (low - 1, high + 1, NAN, INFINITY, None, "1", True):
        checked = check_reading({**READING, key: wrong}, "a")
        assert (checked.reading.values, checked.dropped) == ({}, (key,))


@pytest.mark.parametrize("level", ["", "Eco", "max", 1, None, ["eco"]])
def test_an_unknown_assist_level_is_left_out(level: object) -> None:
    assert check_reading({**READING, "assist": level}, "a").dropped == ("assist",)


def test_unknown_keys_are_left_out_and_named() -> None:
    checked = check_reading({**READING, "speed": 3, "__proto__": 1}, "a")
    assert (checked.reading.values, checked.dropped) == ({}, ())
    assert checked.unknown == ("speed", "__proto__")


def test_optional_values_are_ordered() -> None:
    checked = check_reading({"extra": {"a": 1}, "battery_pct": 5, "power_w": 1, **READING}, "a")
    assert list(checked.reading.values) == ["power_w", "battery_pct", "extra"]


@pytest.mark.parametrize("value", [0, -1, 1.5, True, False, "", "x" * 64, INTEGER_LIMIT - 1])
def test_a_users_own_value_is_kept(value: object) -> None:
    checked = check_reading({**READING, "extra": {"own_1": value}}, "a")
    assert (checked.reading.values, checked.dropped) == ({"extra": {"own_1": value}}, ())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("Own", 1), ("", 1), ("x" * 33, 1), ("a-b", 1)),
        *(("own", None), ("own", [1]), ("own", {}), ("own", "x" * 65), ("own", "\ud800")),
        *(("own", NAN), ("own", INFINITY), ("own", INTEGER_LIMIT), ("own", -INTEGER_LIMIT)),
    ],
)
def test_wrong_extra_entry_is_dropped(key: str, value: object) -> None:
    checked = check_reading({**READING, "extra": {"good": 1, key: value}}, "a")
    assert checked.reading.values == {"extra": {"good": 1}}
    assert checked.dropped == (f"extra.{key}",)


@pytest.mark.parametrize("extra", [None, [], "x", {f"k{n}": n for n in range(EXTRA_KEYS_MAX + 1)}])
def test_wrong_extra_is_dropped(extra: object) -> None:
    checked = check_reading({**READING, "extra": extra}, "a")
    assert (checked.reading.values, checked.dropped) == ({}, ("extra",))


def test_a_status_is_read() -> None:
    status = check_status({**STATUS, "model": "City 3"}, "a")
    assert status == Status("a", 7, 3, 1_000, "online", 100, "City 3")
    assert status.cursor == Cursor(7, 3)
    assert check_status({**STATUS, "last_seq": 0, "state": "stopping"}, "a").last_seq == 0


@pytest.mark.parametrize("key", ["epoch", "last_seq", "ts_ms", "interval_ms"])
@pytest.mark.parametrize("value", NO_INTEGERS)
def test_status_with_wrong_number(key: str, value: object) -> None:
    with pytest.raises(BadMessage, match=key) as caught:
        check_status({**STATUS, key: value}, "a")
    assert (caught.value.reason, caught.value.position) == ("invalid", None)


@pytest.mark.parametrize("state", [None, "", "offline", "ONLINE", 1, ["online"]])
def test_a_status_of_another_state_is_refused(state: object) -> None:
    with pytest.raises(BadMessage, match="online or stopping"):
        check_status({**STATUS, "state": state}, "a")


@pytest.mark.parametrize("model", [None, "", "x" * 65, "a\nb", "\x1b[0m", 3])
def test_unprintable_model_is_dropped(model: object) -> None:
    assert check_status({**STATUS, "model": model}, "a").model is None
