"""The messages of an MQTT tracker become samples; nothing is invented and nothing repeated."""

import tomllib
from collections.abc import Iterator, Mapping
from itertools import count, islice
from random import Random
from typing import Any

import pytest

from device.emulate.mqtt import Disturbances, disturbed
from device.sample import Sample
from device.sources.decoders.mqtt_layout import RESOLUTIONS
from device.sources.decoders.mqtt_map import parse_map
from device.sources.decoders.mqtt_tracker import Message, Tracker
from device.sources.simulator import simulate
from shared.errors import BadMessage
from tests.processes import ROOT

MAP = parse_map(
    {
        "ts_ms": {"topic": "b/speed", "path": "t"},
        "speed_kmh": {"topic": "b/speed", "path": "v"},
        "power_w": {"topic": "b/speed", "path": "p"},
        "battery_pct": {"topic": "b/battery", "max_age_s": 60},
        "extra": {"tyre_bar": {"topic": "b/tyre"}},
    }
)
EXAMPLE = tomllib.loads((ROOT / "examples" / "mqtt_map.toml").read_text(encoding="utf-8"))
HOUR_S = 3600
BEGIN_MS = 1_700_000_000_000
Truth = Mapping[str, Any]


def speed(text: str, **flags: bool) -> Message:
    return Message("b/speed", text.encode(), **flags)


def battery(text: str, **flags: bool) -> Message:
    return Message("b/battery", text.encode(), **flags)


def test_values_of_several_topics_are_merged_until_they_are_too_old() -> None:
    tracker = Tracker(MAP)
    assert tracker.take(battery("80"), 0.0) is None
    assert tracker.take(Message("b/tyre", b"3.1"), 0.0) is None
    taken = tracker.take(speed('{"v": 20, "p": 150, "t": 1700000000000}'), 5.0)
    values: dict[str, Any] = {"power_w": 150, "battery_pct": 80, "extra": {"tyre_bar": 3.1}}
    assert taken == Sample(None, 20, values, 1_700_000_000_000)
    assert tracker.take(speed('{"v": 21}'), 14.0) == Sample(
        None, 21, {"power_w": 150, "battery_pct": 80}
    )
    assert tracker.take(speed('{"v": 22}'), 16.0) == Sample(None, 22, {"battery_pct": 80})
    assert tracker.take(speed('{"v": 23}'), 61.0) == Sample(None, 23)


def test_value_that_becomes_unknown_is_not_used_again() -> None:
    tracker = Tracker(MAP)
    tracker.take(battery("80"), 0.0)
    tracker.take(battery("unavailable"), 1.0)
    assert tracker.take(speed('{"v": 20}'), 2.0) == Sample(None, 20)
    assert tracker.take(speed('{"v": null, "p": 100}'), 3.0) is None


def test_retained_message_is_no_measurement() -> None:
    tracker = Tracker(MAP)
    assert tracker.take(speed('{"v": 99}', retain=True), 0.0) is None
    assert tracker.take(battery("1", retain=True), 0.0) is None
    assert tracker.take(speed('{"v": 20}'), 1.0) == Sample(None, 20)


def test_repetitions() -> None:
    tracker = Tracker(MAP)
    timed = [speed(f'{{"v": 20, "t": {BEGIN_MS + number}}}') for number in range(3)]
    taken = [tracker.take(message, 0.0) for message in (*timed, *timed)]
    assert [sample is not None for sample in taken] == [True] * 3 + [False] * 3
    same = [tracker.take(message, 0.0) for message in [speed('{"v": 0}')] * 2]
    assert same == [Sample(None, 0)] * 2  # without a time, a bike that stands twice
    assert tracker.take(speed('{"v": 0}', dup=True), 0.0) is None
    assert tracker.take(speed('{"v": 1}', dup=True), 0.0) == Sample(None, 1)  # the first was lost


@pytest.mark.parametrize("uptime_ms", [12_000, 946_684_799_999])
def test_clock_that_is_not_set(uptime_ms: int) -> None:
    tracker, message = Tracker(MAP), speed(f'{{"v": 20, "t": {uptime_ms}}}')
    assert tracker.take(message, 0.0) == Sample(None, 20)
    assert tracker.take(message, 0.0) is None


def test_tracker_without_a_clock_never_falls_silent() -> None:
    tracker, message = Tracker(MAP), speed('{"v": 20, "t": 0}')
    assert [tracker.take(message, 0.0) for _ in range(3)] == [Sample(None, 20)] * 3


@pytest.mark.parametrize("kmh", [-1, 201])
def test_impossible_speed(kmh: int) -> None:
    with pytest.raises(BadMessage, match="is it the unit"):
        Tracker(MAP).take(speed(f'{{"v": {kmh}}}'), 0.0)


def test_without_a_map_messages_are_those_of_stdin() -> None:
    tracker = Tracker()
    message = speed('{"speed_kmh": 7, "power_w": 9, "ts_ms": 1700000000000}')
    assert tracker.take(message, 0.0) == Sample(None, 7, {"power_w": 9}, BEGIN_MS)
    assert tracker.take(message, 0.0) is None
    with pytest.raises(BadMessage):
        tracker.take(speed('{"v": 7}'), 0.0)


def rides_messages(chance: Random) -> Iterator[tuple[float, Message, Truth]]:
    """Yield what arrives in an hour, when, and its truth: with every disturbance.

    Once in a while the link drops: messages wait up to 20 s, and up to 20 of them come again.
    """
    often = Disturbances(doubled=0.1, broken=0.05, no_speed=0.05)
    waiting: list[tuple[Message, Truth]] = []
    sent: list[Message] = []
    back_s = 0.0
    yield 0.0, Message("bikes/7/telemetry", b'{"t": 1, "vehicle": {"speed": 9}}', retain=True), {}
    for number, sample in zip(count(), islice(simulate("1/0", 1.0), HOUR_S), strict=False):
        if back_s <= number and chance.random() < 0.01:
            back_s = number + chance.uniform(1, 20)
            waiting += [(Message(one.topic, one.payload, dup=True), {}) for one in sent[-20:]]
        for one in disturbed(number, sample, BEGIN_MS + number * 1000, often, chance):
            waiting.append((Message(f"bikes/7/{one.topic}", one.payload), one.truth))
        if number >= back_s:
            yield from ((float(number), *one) for one in waiting)
            sent = [*sent, *(message for message, _truth in waiting)][-20:]
            waiting.clear()


def test_an_hour_with_every_disturbance() -> None:
    tracker = Tracker(parse_map(EXAMPLE))
    latest: dict[str, Any] = {}
    pairs: list[tuple[Sample, dict[str, Any]]] = []
    broken = missed = 0
    for now_s, message, truth in rides_messages(Random(7)):
        latest |= truth
        try:
            sample = tracker.take(message, now_s)
        except BadMessage:
            broken += 1
            continue
        missed += sample is None and "speed_kmh" in truth
        if sample is not None:
            assert "speed_kmh" in truth, f"invented: {sample}"
            pairs.append((sample, dict(latest)))
    assert missed == 0
    assert broken > 100
    assert len(pairs) > 3300
    for sample, truth in pairs:
        assert sample.ts_ms == truth["ts_ms"]
        values = {"speed_kmh": sample.speed_kmh, **sample.values}
        assert values.pop("assist") == truth["assist"]
        assert len(values) >= 6
        for key, value in values.items():
            assert value == pytest.approx(truth[key], abs=RESOLUTIONS[key] / 2 + 1e-9), key
    assert sum("battery_pct" in sample.values for sample, _truth in pairs) > 3000
