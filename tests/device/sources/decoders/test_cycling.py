"""Notifications of sensors for cycling, as bytes and during a ride of an hour."""

from collections.abc import Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.emulate.cycling_sensor import STEP_S, Delivery, Disturbances, Setup, disturb, records
from device.sample import Sample
from device.sources.decoders.cycling import (
    Counter,
    Kind,
    Measurement,
    decode,
    encode_csc,
    encode_ftms,
    encode_power,
)
from device.sources.decoders.cycling_sensor import CyclingSensor
from device.sources.decoders.revolutions import Rate, Revolutions
from device.sources.simulator import simulate
from shared.errors import BadMessage, SourceError
from tests.cycling_truth import INTERVAL_S, is_true

HOUR_S = 3_600
WHEEL_M = 2.105


@pytest.mark.parametrize(
    ("kind", "data", "measurement"),
    [
        (Kind.CSC, "01 0400 0000 0008", Measurement(Counter(4, 2048))),
        (Kind.CSC, "02 0300 0004", Measurement(crank=Counter(3, 1024))),
        (
            Kind.CSC,
            "03 ffff ffff ffff 0100 0200",
            Measurement(Counter(0xFFFFFFFF, 0xFFFF), Counter(1, 2)),
        ),
        (Kind.POWER, "0000 9cff", Measurement(power_w=-100)),
        (
            Kind.POWER,  # with the balance and the torque, which are skipped
            "3500 fa00 32 1027 0700 0000 0010 0900 0002",
            Measurement(Counter(7, 4096), Counter(9, 512), power_w=250),
        ),
        (Kind.FTMS, "0000 c409", Measurement(speed_kmh=25.0)),
        (Kind.FTMS, "0100", Measurement()),
        (
            Kind.FTMS,  # all that the specification has
            "fe1f c409 0100 a100 0200 010203 0500 e6ff 0600 0100 0200 03 78 09 0a00 0b00",
            Measurement(speed_kmh=25.0, cadence_rpm=80.5, power_w=-26, heart_rate_bpm=120),
        ),
        (Kind.FTMS, "0002 0000 00", Measurement(speed_kmh=0.0)),  # a belt that nobody wears
        (Kind.CSC, "03 0400 0000 0008 01", Measurement(Counter(4, 2048), is_cut=True)),
        (Kind.POWER, "1000 fa00 0700", Measurement(power_w=250, is_cut=True)),
        (Kind.FTMS, "4400 c409 a1", Measurement(speed_kmh=25.0, is_cut=True)),
    ],
)
def test_decode(kind: Kind, data: str, measurement: Measurement) -> None:
    assert decode(kind, bytes.fromhex(data)) == measurement


@pytest.mark.parametrize(("kind", "data"), [(Kind.CSC, b""), (Kind.POWER, b"1"), (Kind.FTMS, b"1")])
def test_notification_without_flags(kind: Kind, data: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(kind, data)


@given(st.sampled_from(Kind), st.binary(min_size=2, max_size=40))
def test_any_bytes_are_decoded(kind: Kind, data: bytes) -> None:
    assert isinstance(decode(kind, data), Measurement)


COUNTERS = st.builds(Counter, st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))


@given(COUNTERS | st.none(), COUNTERS | st.none(), st.integers(-(2**15), 2**15 - 1))
def test_counters_come_back(wheel: Counter | None, crank: Counter | None, power_w: int) -> None:
    counted = Measurement(wheel, crank)
    assert decode(Kind.CSC, encode_csc(counted)) == counted
    powered = Measurement(wheel, crank, power_w=power_w)
    assert decode(Kind.POWER, encode_power(powered)) == powered


def test_record_in_pieces() -> None:
    whole = Measurement(speed_kmh=25.0, cadence_rpm=80.5, power_w=200, heart_rate_bpm=120)
    assert [decode(Kind.FTMS, data) for data in encode_ftms(whole)] == [whole]
    pieces = [decode(Kind.FTMS, data) for data in encode_ftms(whole, 5)]
    assert pieces == [
        Measurement(cadence_rpm=80.5),
        Measurement(power_w=200, heart_rate_bpm=120),
        Measurement(speed_kmh=25.0),
    ]


def rates(*heard: tuple[int, int, float], ticks_per_s: int = 1024) -> list[Rate]:
    """Feed (turns, ticks, arrival in s) to a wheel."""
    wheel = Revolutions(32, ticks_per_s, 15.0)
    return [wheel.take(Counter(turns, ticks), at_s) for turns, ticks, at_s in heard]


def test_first_pair_gives_no_rate() -> None:
    assert rates((500, 700, 0.0)) == [Rate(None, is_new=False)]


def test_counters_wrap_independently() -> None:
    assert rates((1, 65_024, 0), (5, 512, 1))[1] == Rate(4.0, is_new=True)
    assert rates((2**32 - 2, 0, 0), (2, 1024, 1))[1] == Rate(4.0, is_new=True)
    assert rates((2**32 - 2, 65_024, 0), (2, 512, 1))[1] == Rate(4.0, is_new=True)


def test_wheel_of_power_meter_counts_in_other_ticks() -> None:
    assert rates((1, 0, 0), (5, 2048, 1), ticks_per_s=2048)[1] == Rate(4.0, is_new=True)


def test_rate_falls_and_ends_at_standstill() -> None:
    still = [(5, 1024, float(at_s)) for at_s in (1.1, 1.5, 2, 3, 3.5, 4)]
    hz = [rate.hz for rate in rates((1, 0, 0), (5, 1024, 1), *still)[1:]]
    assert hz == [4.0, 4.0, 2.0, 1.0, 0.5, 0.0, 0.0]


def test_bike_that_stands_from_the_start() -> None:
    heard = rates((7, 9, 0), (7, 9, 1), (7, 9, 2), (7, 9, 3))
    assert heard == [*[Rate(None, is_new=False)] * 3, Rate(0.0, is_new=True)]


def test_silence_longer_than_the_clock_lasts() -> None:
    silent = rates((1, 0, 0), (5, 1024, 1), (305, 512, 66), (309, 1536, 67))
    assert silent[2:] == [Rate(None, is_new=False), Rate(4.0, is_new=True)]
    stood = rates((1, 0, 0), *[(1, 0, at_s) for at_s in range(1, 70)], (2, 1024, 70))
    assert stood[-2:] == [Rate(0.0, is_new=True), Rate(None, is_new=False)]


@pytest.mark.parametrize("turns", [0, 100_000])
def test_reset_of_counter_gives_no_rate(turns: int) -> None:
    heard = rates((1000, 0, 0), (1004, 1024, 1), (turns, 2048, 2), (turns + 3, 3072, 3))
    assert [rate.hz for rate in heard[1:]] == [4.0, None, 3.0]


def test_turns_without_time_give_no_rate() -> None:
    assert rates((1, 0, 0), (5, 0, 1))[1].hz is None


def csc(turns: int, ticks: int) -> bytes:
    return encode_csc(Measurement(Counter(turns, ticks)))


def test_doubled_notification_is_dropped() -> None:
    sensor = CyclingSensor(1.0)
    heard = [(0.0, 1, 0), (0.01, 1, 0), (1, 5, 1024), (1.01, 5, 1024), (3.9, 5, 1024), (4, 9, 2048)]
    samples = [sensor.take(Kind.CSC, csc(turns, ticks), at_s) for at_s, turns, ticks in heard]
    assert samples == [None, None, Sample(None, 14.4), None, None, Sample(None, 14.4)]


def test_missing_size_of_wheel_is_asked_for() -> None:
    with pytest.raises(SourceError, match="SPOKE_WHEEL_M"):
        CyclingSensor(None).take(Kind.CSC, csc(1, 0), 0.0)
    ftms = CyclingSensor(None).take(Kind.FTMS, bytes.fromhex("0000 c409"), 0.0)
    assert ftms == Sample(None, 25.0)


def test_power_without_speed_makes_no_reading() -> None:
    sensor = CyclingSensor(None)
    power = [encode_power(Measurement(power_w=watts)) for watts in range(100, 110)]
    assert [sensor.take(Kind.POWER, data, at_s) for at_s, data in enumerate(power)] == [None] * 10


def test_two_services_of_one_sensor() -> None:
    sensor = CyclingSensor(1.0)
    both = Measurement(Counter(1, 0), Counter(1, 0), power_w=150)
    sensor.take(Kind.CSC, csc(1, 0), 0.0)
    assert sensor.take(Kind.POWER, encode_power(both), 0.1) is None
    later = Measurement(Counter(9, 2048), Counter(2, 1024), power_w=-20)
    assert sensor.take(Kind.POWER, encode_power(later), 1.0) is None
    first = sensor.take(Kind.CSC, csc(5, 1024), 1.1)
    assert first == Sample(None, 14.4, {"power_w": -20, "cadence_rpm": 60.0})
    assert sensor.take(Kind.CSC, csc(9, 2048), 2.1) == Sample(None, 14.4)  # no new power


def test_cadence_without_new_turn_is_left_out() -> None:
    sensor = CyclingSensor(1.0)
    wheels = Counter(1, 0), Counter(5, 1024), Counter(9, 2048)
    cranks = Counter(1, 0), Counter(2, 1024), Counter(2, 1024)
    heard = [encode_csc(Measurement(*both)) for both in zip(wheels, cranks, strict=True)]
    samples = [sensor.take(Kind.CSC, data, float(at_s)) for at_s, data in enumerate(heard)]
    assert samples == [None, Sample(None, 14.4, {"cadence_rpm": 60.0}), Sample(None, 14.4)]


def test_old_power_is_left_out() -> None:
    sensor = CyclingSensor(1.0)
    sensor.take(Kind.CSC, csc(1, 0), 0.0)
    sensor.take(Kind.POWER, encode_power(Measurement(power_w=150)), 0.1)
    assert sensor.take(Kind.CSC, csc(25, 6144), 6.0) == Sample(None, 14.4)


def test_cut_notification_is_noticed() -> None:
    sensor = CyclingSensor(None)
    assert sensor.take(Kind.FTMS, bytes.fromhex("0400 c409 a100"), 0.0) is not None
    assert not sensor.is_cut
    cut = sensor.take(Kind.FTMS, bytes.fromhex("0400 ca08 a1"), 1.0)
    assert (cut, sensor.is_cut) == (Sample(None, 22.5), True)


@pytest.fixture(scope="module")
def ride() -> Sequence[Sample]:
    return list(islice(simulate("7/0", STEP_S), int(HOUR_S / STEP_S)))


ROUGH = Disturbances(doubled=0.2, jitter_s=0.9, drop_every_s=400)
SETUPS = [
    Setup(Kind.CSC, INTERVAL_S, WHEEL_M, wraps_soon=True, reset_every_s=330),
    Setup(Kind.POWER, INTERVAL_S, WHEEL_M, wraps_soon=True, reset_every_s=170, offset_w=-60),
    Setup(Kind.FTMS, INTERVAL_S, in_pieces=True, offset_w=-60),
    Setup(Kind.FTMS, INTERVAL_S),
]


class Heard(NamedTuple):
    """What came of one delivery: the samples, and whether a new connection began with it."""

    delivery: Delivery
    samples: list[Sample]
    is_first: bool


def hear(setup: Setup, ride: Sequence[Sample], disturbances: Disturbances) -> list[Heard]:
    """Feed an hour to the source's decoder, on the clock of the deliveries."""
    heard, sensor, is_first = [], CyclingSensor(setup.wheel_m), True
    for delivery in disturb(records(setup, ride), disturbances, Random(3)):
        if not delivery.notifications:
            sensor, is_first = CyclingSensor(setup.wheel_m), True
            continue
        taken = [sensor.take(setup.kind, data, delivery.at_s) for data in delivery.notifications]
        heard.append(Heard(delivery, [one for one in taken if one is not None], is_first))
        is_first = False
    return heard


@pytest.mark.parametrize("disturbances", [Disturbances(), ROUGH], ids=["calm", "rough"])
@pytest.mark.parametrize("setup", SETUPS, ids=["csc", "power", "ftms-pieces", "ftms"])
def test_hour_invents_nothing(
    setup: Setup, disturbances: Disturbances, ride: Sequence[Sample]
) -> None:
    heard = hear(setup, ride, disturbances)
    assert len(heard) == HOUR_S / INTERVAL_S
    wrong = [one for one in heard for sample in one.samples if not is_measured(setup, sample, one)]
    assert wrong == []
    assert max(len(one.samples) for one in heard) == 1


@pytest.mark.parametrize("setup", SETUPS, ids=["csc", "power", "ftms-pieces", "ftms"])
def test_hour_loses_no_revolution(setup: Setup, ride: Sequence[Sample]) -> None:
    heard = hear(setup, ride, ROUGH)
    told = [one for one in heard if "speed_kmh" in one.delivery.truth and not one.is_first]
    silent = [one for one in told if not one.samples]
    repeated = sum(len(set(one.delivery.notifications)) == 1 for one in silent)
    assert len(told) > HOUR_S / 2
    assert len(silent) <= (repeated if setup.kind is Kind.FTMS else 0) + 2
    assert any(sample.speed_kmh == 0 for one in heard for sample in one.samples)
    assert any(sample.speed_kmh > 30 for one in heard for sample in one.samples)


def is_measured(setup: Setup, sample: Sample, heard: Heard) -> bool:
    values = {"speed_kmh": sample.speed_kmh, **sample.values}
    return is_true(setup.kind, setup.wheel_m, values, heard.delivery.truth)
