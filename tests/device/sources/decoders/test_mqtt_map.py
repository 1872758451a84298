"""The map from MQTT messages to the keys of a reading: what it may say, and what it finds."""

import json
import tomllib
from typing import Any

import pytest

from device.sources.decoders.mqtt_map import parse_map
from device.sources.decoders.mqtt_message import MESSAGE_BYTES_MAX, matches, read_message
from device.sources.decoders.units import UNITS
from shared.errors import BadMessage, SourceError
from shared.reading import NUMBER_RANGES
from tests.processes import ROOT

SPEED = {"path": "speed"}
CONVERTED = [
    ("speed_kmh", "km/h", 25, 25),
    ("speed_kmh", "m/s", 10, 36),
    ("speed_kmh", "mph", 10, 16.09344),
    ("speed_kmh", "knots", 10, 18.52),
    ("odometer_km", "km", 5, 5),
    ("odometer_km", "m", 1234, 1.234),
    ("odometer_km", "mi", 100, 160.9344),
    ("altitude_m", "m", -5, -5),
    ("altitude_m", "ft", 1000, 304.8),
    ("temperature_c", "°C", 21, 21),
    ("temperature_c", "°F", -40, -40),
    ("temperature_c", "°F", 68, 20),
    ("temperature_c", "K", 273.15, 0),
    ("power_w", "W", 250, 250),
    ("power_w", "kW", 0.25, 250),
    ("motor_power_w", "W", -20, -20),
    ("motor_power_w", "kW", 1.5, 1500),
    ("cadence_rpm", "rpm", 80, 80),
    ("cadence_rpm", "1/s", 1.5, 90),
    ("heart_rate_bpm", "bpm", 120, 120),
    ("heart_rate_bpm", "1/s", 2, 120),
    ("battery_pct", "%", 83, 83),
    ("battery_pct", "ratio", 0.83, 83),
    ("gradient_pct", "%", -3, -3),
    ("gradient_pct", "ratio", 0.07, 7),
    ("latitude_deg", "deg", 48.1234567, 48.1234567),
    ("longitude_deg", "deg", -11.5, -11.5),
    ("ts_ms", "ms", 1_700_000_000_123, 1_700_000_000_123),
    ("ts_ms", "s", 1_700_000_000.123, 1_700_000_000_123),
    ("ts_ms", "us", 1_700_000_000_123_000, 1_700_000_000_123),
]


def found_in(table: dict[str, Any], body: object, key: str = "speed_kmh") -> Any:
    """Map one key, and return what a message holds for it."""
    fields = parse_map({"speed_kmh": SPEED, key: table})
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_message(fields, "t", payload).get(key, "not there")


@pytest.mark.parametrize(("key", "unit", "given", "wanted"), CONVERTED)
def test_unit(key: str, unit: str, given: float, wanted: float) -> None:
    assert found_in({"path": "a", "unit": unit}, {"a": given}, key) == wanted


def test_every_unit_of_every_number_is_tried() -> None:
    assert set(UNITS) == {*NUMBER_RANGES, "speed_kmh", "ts_ms"}
    assert {(key, unit) for key, units in UNITS.items() for unit in units} == {
        (key, unit) for key, unit, _given, _wanted in CONVERTED
    }


@pytest.mark.parametrize(
    ("table", "body", "wanted"),
    [
        ({"path": "a.b"}, {"a": {"b": 7}}, 7),
        ({"path": "a.1.b"}, {"a": [0, {"b": 7}]}, 7),
        ({"path": ["a.b", "c"]}, {"a.b": {"c": 7}}, 7),
        ({"path": "a", "scale": 0.1}, {"a": 215}, 21.5),
        ({"path": "a", "scale": 0.1, "offset": -1, "unit": "m/s"}, {"a": 110}, 36),
        ({"path": "a"}, {"a": "21.5"}, 21.5),
        ({"path": "a"}, {"a": None}, None),
        ({"path": "a"}, {"a": "unavailable"}, None),
        ({"path": "a"}, {"b": 1}, "not there"),
        ({"path": "a.b.c"}, {"a": 1}, "not there"),
        ({"path": "a.3"}, {"a": [1]}, "not there"),
        ({}, b" 21.5\n", 21.5),
        ({}, b'"21.5"', 21.5),
        ({}, b"", None),
        ({}, b"unknown", None),
    ],
)
def test_place_of_value(table: dict[str, Any], body: object, wanted: object) -> None:
    assert found_in(table, body) == wanted


@pytest.mark.parametrize(
    ("key", "table", "body", "wanted"),
    [
        ("assist", {"path": "a", "words": {"2": "tour"}}, {"a": 2}, "tour"),
        ("assist", {"path": "a"}, {"a": "eco"}, "eco"),
        ("ts_ms", {"path": "a"}, {"a": "2024-05-01T08:00:00.250Z"}, 1_714_550_400_250),
    ],
)
def test_words_and_times(key: str, table: dict[str, Any], body: object, wanted: object) -> None:
    assert found_in(table, body, key) == wanted


def test_extra() -> None:
    tables = {"tyre_bar": {"path": "t", "scale": 0.01}, "gear": {"path": "g"}, "lit": {"path": "l"}}
    fields = parse_map({"speed_kmh": SPEED, "extra": tables})
    found = read_message(fields, "t", b'{"t": 320, "g": "low", "l": true}')
    assert found == {"extra.tyre_bar": 3.2, "extra.gear": "low", "extra.lit": True}


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("speed_kmh", b'{"a": 1', "bad_json"),
        ("speed_kmh", b"[1]", "bad_json"),
        ("speed_kmh", b'{"a": ' + b" " * MESSAGE_BYTES_MAX + b"1}", "too_large"),
        ("speed_kmh", b'{"a": "fast"}', "speed_kmh"),
        ("speed_kmh", b'{"a": true}', "speed_kmh"),
        ("speed_kmh", b'{"a": [1]}', "speed_kmh"),
        ("speed_kmh", b'{"a": 1e400}', "speed_kmh"),
        ("power_w", b'{"a": "1e99999"}', "power_w"),
        ("ts_ms", b'{"a": "yesterday"}', "ts_ms"),
        ("ts_ms", b'{"a": -5}', "ts_ms"),
        ("ts_ms", b'{"a": 1e300}', "ts_ms"),
    ],
)
def test_wrong_message(key: str, body: bytes, reason: str) -> None:
    with pytest.raises(BadMessage) as refused:
        found_in({"path": "a"}, body, key)
    assert refused.value.reason == reason


def test_plain_number_may_not_be_long_or_wrong() -> None:
    for payload in (b"1" * (MESSAGE_BYTES_MAX + 1), b"21.5 km/h", b"\xff"):
        with pytest.raises(BadMessage):
            found_in({}, payload)


def test_unmapped_topic() -> None:
    fields = parse_map({"speed_kmh": {"topic": "a/speed"}})
    with pytest.raises(BadMessage, match="names no field for the topic 'a/log'"):
        read_message(fields, "a/log", b"1")


@pytest.mark.parametrize(
    ("topic_filter", "topic", "wanted"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("+/+/c", "a//c", True),
        ("b/#", "a/b", False),
    ],
)
def test_topic_filter(topic_filter: str, topic: str, wanted: bool) -> None:
    assert matches(topic_filter, topic) is wanted


def test_all_errors_at_once() -> None:
    raw = {
        "speed": {"path": "v"},
        "power_w": {"path": "p", "unit": "kw", "scale": "2", "ofset": 1},
        "battery_pct": {"path": "", "max_age_s": -1},
        "cadence_rpm": 5,
        "heart_rate_bpm": {"topic": "a/b+", "words": {"a": "eco"}},
        "odometer_km": {"topic": "a/#/b", "scale": 0},
        "assist": {"path": "a", "unit": "W", "words": {"1": "fast"}},
        "altitude_m": {"topic": "", "path": ["a", 1], "offset": float("nan")},
        "extra": {"Tyre": {"path": "t", "unit": "bar"}},
    }
    with pytest.raises(SourceError) as refused:
        parse_map(raw)
    lines = str(refused.value).splitlines()
    wanted = [
        "speed_kmh is missing: a reading needs a speed",
        "speed: is no key of a reading, only .*did you mean speed_kmh?",
        "power_w.unit = 'kw': is no unit of power_w, only W, kW",
        "power_w.scale = '2': must be a number",
        "power_w.ofset = 1: is no option, only .*; did you mean offset?",
        "battery_pct.path = '': must be a path such as",
        "battery_pct.max_age_s = -1: must be a number of seconds from 0 to 86,400",
        "cadence_rpm: must be a table",
        "heart_rate_bpm.topic = 'a/b+': + stands for a whole level",
        "heart_rate_bpm.words = .*: only assist has words",
        "odometer_km.topic = 'a/#/b': # stands at the end",
        "odometer_km.scale = 0: must not be 0",
        "assist.unit = 'W': assist has no unit: leave it out",
        "assist.words = .*: must be a table whose values are off, eco",
        "altitude_m.topic = '': must be a topic",
        "altitude_m.path = .*: must be a path",
        "altitude_m.offset = nan: must be a number",
        "extra.Tyre: a name has 1 to 32",
        "extra.Tyre.unit = 'bar': extra.Tyre has no unit",
    ]
    assert len(lines) == len(wanted)
    for line, start in zip(lines, wanted, strict=True):
        head, _, tail = start.partition(".*")
        assert line.startswith(head)
        assert tail in line


def test_extra_must_hold_tables() -> None:
    with pytest.raises(SourceError, match="extra: must hold at most 16 tables"):
        parse_map({"speed_kmh": SPEED, "extra": {f"n{number}": {} for number in range(17)}})


def test_the_example_is_valid() -> None:
    raw = tomllib.loads((ROOT / "examples" / "mqtt_map.toml").read_text(encoding="utf-8"))
    keys = {one.key for one in parse_map(raw)}
    assert {"ts_ms", "speed_kmh", "battery_pct", "assist"} < keys
