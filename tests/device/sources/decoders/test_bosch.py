"""The messages of Bosch's Live Data Interface: decoded, merged, and cut."""

from contextlib import suppress
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.emulate.bosch_bike import INTERVAL_S, Moment, Setup, Speaker, moments
from device.sample import Sample
from device.sources.decoders.bosch import (
    AGE_MAX_S,
    CUT_BYTES,
    FIELDS,
    IN_EXTRA,
    PRESENT_S,
    Known,
    LiveBike,
    decode_message,
    encode_message,
)
from device.sources.decoders.protobuf import decode_varints
from device.sources.simulator import simulate
from shared.errors import BadMessage
from shared.reading import NUMBER_RANGES

ALL: dict[str, Known] = {
    "speed_kmh": 21.53,
    "cadence_rpm": 71,
    "power_w": 140,
    "ambient_lux": 1.5,
    "battery_pct": 80,
    "time_s": 1_780_000_000,
    "odometer_km": 1234.567,
    "light": "on",
    "locked": False,
    "charger_connected": False,
    "light_reserve": True,
    "diagnosis": False,
    "standing": False,
}
LATE_S = 0.4


def test_golden_message() -> None:
    assert decode_message(bytes.fromhex("08e910 10f8ffffffffffffffff01 28f402 c80100 8801 02")) == {
        "speed_kmh": 21.53,
        "cadence_rpm": -8,
        "power_w": 372,
        "standing": False,
        "light": "on",
    }


def test_encoder_mirrors_decoder() -> None:
    assert decode_message(encode_message(ALL)) == ALL


@given(
    st.integers(0, 20_000),
    st.integers(-300, 300),
    st.integers(0, 3000),
    st.permutations(list(ALL)),
    st.sets(st.sampled_from(list(ALL))),
)
def test_any_values_in_any_order(
    speed: int, cadence: int, power: int, order: list[str], absent: set[str]
) -> None:
    values = {**ALL, "speed_kmh": speed / 100, "cadence_rpm": cadence, "power_w": power}
    values = {name: value for name, value in values.items() if name not in absent}
    assert decode_message(encode_message(values, order)) == values


@given(st.binary(max_size=80))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    with suppress(BadMessage):
        assert decode_message(data).keys() <= FIELDS.keys()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("08", "cut"),
        ("08e9", "cut"),
        ("3a05aabb", "cut"),
        ("3d0102", "cut"),
        ("390102030405", "cut"),
        ("3b0801", "cut"),
        ("3c", "malformed"),
        ("3b44", "malformed"),
        ("0001", "malformed"),
        ("0f01", "malformed"),
        ("08ffffffffffffffffffff01", "malformed"),
    ],
)
def test_refused_messages(message: str, reason: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_varints(bytes.fromhex(message))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "message",
    [
        "88 01 02",
        "8a0102 0801",
        "8d01 01020304",
        "8901 0102030405060708",
        "8b01 0863 13 0863 14 8c01",
    ],
)
def test_other_fields_are_skipped(message: str) -> None:
    others = bytes.fromhex(message)
    assert decode_varints(others + encode_message(ALL))[1] == 2153


@pytest.mark.parametrize("message", ["08a19c01", "50e507", "288080808010", "8801 00", "880107"])
def test_a_value_that_means_nothing_is_left_out(message: str) -> None:
    bike = LiveBike()
    bike.take(encode_message(ALL), 0.0)
    after = bike.take(bytes.fromhex(message), 0.8)
    before = LiveBike().take(encode_message(ALL), 0.8)
    assert after != before


def test_absent_is_unchanged() -> None:
    bike = LiveBike()
    first = bike.take(encode_message(ALL), 0.0)
    assert bike.take(encode_message({"time_s": 1_780_000_001}), 0.8) == first
    later = bike.take(encode_message({"speed_kmh": 22.0}), 1.6)
    assert later is not None
    assert first is not None
    assert later == Sample(None, 22.0, first.values)


def test_each_value_has_an_age_of_its_own() -> None:
    bike = LiveBike()
    bike.take(encode_message(ALL), 0.0)
    seen: dict[str, float] = {}
    for number in range(1, 800):
        sample = bike.take(encode_message({"speed_kmh": number / 100}), number * 0.8)
        assert sample is not None
        seen |= dict.fromkeys(sample.values, number * 0.8)
    slowest_spacing_s = 4.8
    for key, at_s in seen.items():
        if key != "extra":
            assert AGE_MAX_S[key] - 0.8 < at_s <= AGE_MAX_S[key]
    assert min(seen["power_w"], seen["cadence_rpm"]) > slowest_spacing_s


def test_no_speed_no_sample() -> None:
    bike = LiveBike()
    assert bike.take(encode_message({"power_w": 90}), 0.0) is None
    assert bike.take(encode_message({"speed_kmh": 9.0}), 1.0) == Sample(None, 9.0, {"power_w": 90})
    assert bike.take(encode_message({"power_w": 91}), 6.5) is None


def test_standstill_is_field_25() -> None:
    bike = LiveBike()
    bike.take(encode_message({"speed_kmh": 0.0, "standing": True}), 0.0)
    for number in range(1, 100):
        sample = bike.take(encode_message({"time_s": number}), number * 5.0)
        assert sample == Sample(None, 0.0)
    assert bike.take(encode_message({"standing": False}), 500.0) is None


def test_silence_forgets_everything() -> None:
    bike = LiveBike()
    bike.take(encode_message(ALL), 0.0)
    assert bike.is_there(PRESENT_S)
    assert not bike.is_there(PRESENT_S + 0.1)
    assert bike.take(encode_message({"speed_kmh": 5.0}), 9.0) == Sample(None, 5.0)


def test_backpedalling_is_no_cadence() -> None:
    sample = LiveBike().take(encode_message({"speed_kmh": 5.0, "cadence_rpm": -8}), 0.0)
    assert sample == Sample(None, 5.0, {"extra": {"backpedal_rpm": 8}})


def test_doubled_notification_is_dropped() -> None:
    bike, message = LiveBike(), encode_message(ALL)
    assert bike.take(message, 0.0) is not None
    assert bike.take(message, 0.01) is None
    assert bike.take(message, 0.8) is not None


@pytest.mark.parametrize("room", [None, 244, 20])
def test_cut_message_is_refused_and_forgets(room: int | None) -> None:
    bike = LiveBike(room)
    bike.take(encode_message(ALL), 0.0)
    with pytest.raises(BadMessage, match="cut to 20 bytes") as caught:
        bike.take(encode_message({**ALL, "power_w": 300})[:CUT_BYTES], 0.8)
    assert caught.value.reason == "cut_to_20"
    assert bike.take(encode_message({"speed_kmh": 5.0}), 1.6) == Sample(None, 5.0)


def test_cut_between_two_fields_is_found() -> None:
    whole = encode_message({"speed_kmh": 20.0, "cadence_rpm": -3, "power_w": 100, "battery_pct": 5})
    looks_whole = next(
        encode_message({"time_s": 1 << bits}) + whole
        for bits in range(60)
        if len(encode_message({"time_s": 1 << bits}) + whole) == CUT_BYTES
    )
    decode_message(looks_whole)
    with pytest.raises(BadMessage, match="cut to 20 bytes"):
        LiveBike().take(looks_whole, 0.0)
    used = LiveBike()
    used.take(encode_message(ALL), 0.0)
    assert used.take(looks_whole, 0.8) is not None


def test_unchanged_values_make_few_samples() -> None:
    bike, message = LiveBike(), encode_message({"odometer_km": 1.0})
    assert bike.take(encode_message({"speed_kmh": 9.0, "odometer_km": 1.0}), 0.0) is not None
    taken = [bike.take(message, number / 5) is not None for number in range(1, 9)]
    assert taken == [False, False, False, True, False, False, False, True]
    assert bike.take(encode_message({"odometer_km": 1.001}), 1.8) is not None
    assert bike.take(encode_message({"speed_kmh": 9.0}), 2.0) is not None


@pytest.mark.parametrize(("interval_s", "minutes"), [(INTERVAL_S, 60), (0.2, 10)])
def test_an_hour_with_every_disturbance(interval_s: float, minutes: int) -> None:
    setup = Setup(interval_s, repeated=0.2, backpedalled=0.4, others=0.3, vanish_every_s=300.0)
    stream = Random(1)
    ride = islice(simulate("1/0", interval_s), int(minutes * 60 / interval_s))
    air = Air(setup, stream)
    last_s: dict[str, float] = {}
    checked = 0
    for moment in moments(setup, ride, stream, 1_780_000_000):
        last_s |= dict.fromkeys(moment.values, moment.at_s)
        air.last |= moment.values
        for sample in air.carry(moment):
            checked += check(sample, moment, air.last, last_s)
    assert air.cut > 100
    assert air.doubled > 100
    assert air.links > 20
    assert checked > 25_000


class Air:
    """The way of the notifications to the receiver: doubled, cut, delayed, dropped links."""

    def __init__(self, setup: Setup, stream: Random) -> None:
        self.last: dict[str, Known] = {}
        self.cut = self.doubled = self.links = 0
        self._setup, self._stream = setup, stream
        self._connect()

    def carry(self, moment: Moment) -> list[Sample]:
        """Return the samples that the receiver makes of a moment."""
        if self._stream.random() < 0.01:
            self._connect()
        message = self._speaker.say(moment)[: self._room]
        at_s = moment.at_s + self._stream.uniform(0, min(LATE_S, self._setup.interval_s / 2))
        taken = [self._take(message, at_s)]
        if self._stream.random() < 0.1:
            self.doubled += 1
            taken.append(self._take(message, at_s + 0.02))
            assert taken[1] is None
        return [sample for sample in taken if sample is not None]

    def _connect(self) -> None:
        self.links += 1
        self._room = CUT_BYTES if self._stream.random() < 0.2 else 244
        told = self._room if self._stream.random() < 0.5 else 244
        self._bike, self._speaker = LiveBike(told), Speaker(self._setup, self._stream)

    def _take(self, message: bytes, at_s: float) -> Sample | None:
        try:
            return self._bike.take(message, at_s)
        except BadMessage as error:
            self.cut += error.reason == "cut_to_20"
            return None


def check(sample: Sample, moment: Moment, last: dict[str, Known], last_s: dict[str, float]) -> int:
    """Compare every value of a sample with the truth, and count them."""
    assert sample.speed_kmh == moment.values["speed_kmh"]
    extra = sample.values.get("extra", {})
    assert isinstance(extra, dict)
    assert extra.keys() <= {*IN_EXTRA, "backpedal_rpm"}
    assert sample.values.keys() <= {*NUMBER_RANGES, "extra"}
    found = {key: value for key, value in {**sample.values, **extra}.items() if key != "extra"}
    if "backpedal_rpm" in found:
        assert "cadence_rpm" not in found
        found["cadence_rpm"] = -found.pop("backpedal_rpm")
    for key, value in found.items():
        assert value == last[key]
        assert moment.at_s - last_s[key] <= AGE_MAX_S.get(key, 0.0) + LATE_S
    return len(found) + 1
