"""The comparison finds each value that is not true, and no other."""

from typing import Any

import pytest

from tests.truth import rules
from tests.truth.comparison import Findings, Rule, compare

SENSOR = rules.revolutions(2.0)


def line(at_s: float, **values: Any) -> dict[str, Any]:
    return {"at_s": at_s, "sent_ms": round(at_s * 1000), **values}


def reading(at_s: float, **values: Any) -> dict[str, Any]:
    named = {"v": 1, "device_id": "a", "epoch": 1, "seq": 1, "ts_ms": round(at_s * 1000)}
    return named | values


def counts(found: Findings) -> tuple[int, int, int, int]:
    return found.readings, found.values, found.wrong, found.invented


def find(rule: Rule, told: list[Any], readings: list[Any]) -> tuple[int, int, int, int]:
    return counts(compare(readings, rule.rows(told), rule))


RIDE = [line(n, speed_kmh=10.0 + n, battery_pct=80.0) for n in range(10)]


def test_true_readings_may_skip_rows() -> None:
    seen = [reading(n + 0.2, speed_kmh=10.0 + n, battery_pct=80) for n in (0, 1, 4, 9)]
    assert find(rules.VESC, RIDE, seen) == (4, 8, 0, 0)


@pytest.mark.parametrize(
    ("change", "wrong", "invented"),
    [
        ({"speed_kmh": 13.02}, 1, 0),
        ({"speed_kmh": 13.005}, 0, 0),
        ({"speed_kmh": 0.0}, 1, 0),
        ({"battery_pct": 0}, 1, 0),
        ({"power_w": 0}, 0, 1),
        ({"extra": {"motor_c": 48.7}}, 0, 1),
        ({"speed_kmh": 1.0, "power_w": 0}, 1, 1),
    ],
)
def test_one_false_value(change: dict[str, Any], wrong: int, invented: int) -> None:
    seen = [reading(n, speed_kmh=10.0 + n, battery_pct=80) for n in range(10)]
    seen[3] |= change
    found = compare(seen, rules.VESC.rows(RIDE), rules.VESC)
    assert (found.readings, found.wrong, found.invented) == (10, wrong, invented)
    assert len(found.examples) == (1 if wrong or invented else 0)


@pytest.mark.parametrize(
    ("seen", "wrong", "invented"),
    [
        ([(3, 13.0), (3.1, 13.0)], 1, 0),  # one measurement as two
        ([(3, 13.0), (4, 12.0)], 1, 0),  # in another order
        ([(9, 10.0)], 1, 0),  # much older than it says
        ([(1, 15.0)], 1, 0),  # before it was measured
        ([(30, 15.0)], 0, 1),  # when nobody measured
    ],
)
def test_true_values_at_a_false_time(
    seen: list[tuple[float, float]], wrong: int, invented: int
) -> None:
    readings = [reading(at_s, speed_kmh=speed_kmh) for at_s, speed_kmh in seen]
    assert find(rules.VESC, RIDE, readings)[2:] == (wrong, invented)


def test_value_of_an_earlier_message() -> None:
    told = [line(0, battery_pct=71.4), *[line(n, speed_kmh=9.0 + n) for n in range(1, 9)]]
    for at_s, invented in ((1, 0), (4, 0), (6, 1)):
        seen = [reading(at_s + 0.2, speed_kmh=9.0 + at_s, battery_pct=71)]
        assert find(rules.BAFANG, told, seen) == (1, 2, 0, invented)
    wrong = [reading(1.2, speed_kmh=10.0, battery_pct=72)]
    assert find(rules.BAFANG, told, wrong) == (1, 2, 1, 0)


def test_limits_of_a_counter() -> None:
    told = [
        line(1, speed_kmh=7.2),
        line(2, speed_kmh_max=7.2, cadence_rpm_max=60.0),
        line(3, speed_kmh_max=2.4),
        line(4),  # the counters were reset
        line(5, speed_kmh=14.4, cadence_rpm=61.2),
    ]
    right = [(1, {"speed_kmh": 7.21}), (2, {"speed_kmh": 7.2}), (3, {"speed_kmh": 0.0})]
    right += [(5, {"speed_kmh": 14.4, "cadence_rpm": 61.2})]
    seen = [reading(at_s, **values) for at_s, values in right]
    assert find(SENSOR, told, seen) == (4, 5, 0, 0)
    assert find(SENSOR, told[:3], [reading(3, speed_kmh=8.0)])[2:] == (1, 0)
    assert find(SENSOR, told[3:4], [reading(4, speed_kmh=7.2)])[2:] == (0, 1)
    assert find(SENSOR, told[4:], [reading(5, speed_kmh=14.4, power_w=0)])[2:] == (0, 1)


def test_bike_on_a_link_that_cuts() -> None:
    values = {"speed_kmh": 8.5, "cadence_rpm": -8, "light": "on"}
    told = [line(0, link="paired", mtu=517), line(1, **values, power_w=90)]
    told += [line(2, **values), line(3, link="bonded", mtu=23), line(4, **values)]
    true = {"speed_kmh": 8.5, "extra": {"backpedal_rpm": 8, "light": "on"}}
    assert find(rules.BOSCH, told, [reading(1, **true), reading(2, **true)]) == (2, 6, 0, 0)
    assert find(rules.BOSCH, told, [reading(2, **true, power_w=90)]) == (1, 4, 0, 0)
    dark = true | {"extra": {"backpedal_rpm": 8, "light": "off"}}
    assert find(rules.BOSCH, told, [reading(2, **dark)])[2:] == (1, 0)
    assert find(rules.BOSCH, told[3:], [reading(4, **true)])[2:] == (0, 3)


def test_tracker_is_found_by_its_time() -> None:
    told = [line(0, battery_pct=80.0), line(0, ts_ms=1_000, speed_kmh=20.0, assist="eco")]
    told += [line(1, ts_ms=2_000, speed_kmh=21.0, assist="tour")]
    told += [line(40, ts_ms=41_000, speed_kmh=21.0, assist="tour")]
    first = reading(1, speed_kmh=20.001, assist="eco", battery_pct=80.04)
    assert find(rules.MQTT, told, [first, reading(2, speed_kmh=21.0)]) == (2, 4, 0, 0)
    assert find(rules.MQTT, told, [reading(2, speed_kmh=21.0, assist="eco")])[2:] == (1, 0)
    assert find(rules.MQTT, told, [reading(3, speed_kmh=21.0)])[2:] == (0, 1)
    assert find(rules.MQTT, told, [first, first])[2:] == (0, 3)
    assert find(rules.MQTT, told, [reading(41, speed_kmh=21.0, battery_pct=80)])[2:] == (0, 1)
