"""Several sensors of one bike: values by hand, and an hour of a speed sensor and a power meter."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from device.emulate.cycling_sensor import STEP_S, Delivery, Disturbances, Setup, disturb, records
from device.sample import Sample
from device.sources.decoders.cycling import Counter, Kind, Measurement, encode_csc, encode_power
from device.sources.decoders.cycling_bike import VALUE_AGE_MAX_S, CyclingBike
from device.sources.decoders.cycling_sensor import CyclingSensor
from device.sources.simulator import simulate
from tests.cycling_truth import is_near, is_true

HOUR_S = 3_600
WHEEL_M = 2.105
SPEED_KMH = 14.4
"""Four turns a second of a wheel of 1 m."""


class Sensors:
    """A speed sensor that turns four times a second, and another sensor, on one bike."""

    def __init__(self, speed: int = 0, other: int = 1) -> None:
        bike = CyclingBike()
        self.speed, self.other = CyclingSensor(1.0, bike, speed), CyclingSensor(1.0, bike, other)

    def turn(self, at_s: float) -> Sample | None:
        """Notify the speed."""
        data = encode_csc(Measurement(Counter(int(at_s * 4), int(at_s * 1024) % 2**16)))
        return self.speed.take(Kind.CSC, data, at_s)

    def power(self, at_s: float, watts: int, wheel: Counter | None = None) -> Sample | None:
        """Notify a power, and the wheel of the power meter if it has one."""
        data = encode_power(Measurement(wheel, power_w=watts))
        return self.other.take(Kind.POWER, data, at_s)


def test_power_meter_adds_power_to_speed() -> None:
    bike = Sensors()
    assert [bike.power(0.0, 150), bike.turn(0.5), bike.power(1.0, 160)] == [None] * 3
    assert bike.turn(1.5) == Sample(None, SPEED_KMH, {"power_w": 160})


def test_power_stays_until_it_is_old() -> None:
    bike = Sensors()
    bike.turn(0.0)
    bike.power(0.5, 150)
    power = [(bike.turn(float(at_s)) or Sample(None, 0)).values for at_s in range(1, 8)]
    assert power == [{"power_w": 150}] * 5 + [{}] * 2


def test_held_power_makes_no_reading() -> None:
    bike = Sensors()
    bike.turn(0.0)
    bike.power(0.5, 150)
    assert bike.turn(1.0) is not None
    same_turns = encode_csc(Measurement(Counter(4, 1024), Counter(1, 0)))
    assert bike.speed.take(Kind.CSC, same_turns, 1.2) is None  # no turn of the wheel ended
    bike.power(1.22, 170)
    still = encode_csc(Measurement(Counter(4, 1024), Counter(1, 1)))
    assert bike.speed.take(Kind.CSC, still, 1.24) == Sample(None, SPEED_KMH, {"power_w": 170})


def test_sensor_named_first_gives_speed() -> None:
    wheels = [Counter(8 * at_s, 2048 * at_s) for at_s in range(10)]
    for speed, other, expected in ((0, 1, SPEED_KMH), (1, 0, 2 * SPEED_KMH)):
        bike = Sensors(speed, other)
        samples = []
        for at_s in range(4):
            samples += [bike.power(float(at_s), at_s, wheels[at_s]), bike.turn(at_s + 0.5)]
        speeds = [sample.speed_kmh for sample in samples[3:] if sample is not None]
        assert speeds == [expected] * len(speeds)
        assert len(speeds) >= 2


def test_speed_of_another_sensor_after_silence() -> None:
    bike = Sensors()
    wheels = [Counter(8 * at_s, 2048 * at_s) for at_s in range(10)]
    bike.turn(0.0)
    assert bike.turn(1.0) is not None
    samples = [bike.power(float(at_s), at_s, wheels[at_s]) for at_s in range(2, 9)]
    assert samples[:5] == [None] * 5
    assert samples[5:] == [Sample(None, 2 * SPEED_KMH, {"power_w": at_s}) for at_s in (7, 8)]
    assert bike.turn(8.5) == Sample(None, SPEED_KMH)


class Arrived(NamedTuple):
    """A delivery of one of the two sensors, in the order of arrival."""

    at_s: float
    number: int
    delivery: Delivery


SETUPS = (
    Setup(Kind.CSC, 1.0, WHEEL_M, wraps_soon=True, reset_every_s=330, only="wheel"),
    Setup(Kind.POWER, 1.0, WHEEL_M, wraps_soon=True, offset_w=-60, only="crank"),
)
ROUGH = Disturbances(doubled=0.2, jitter_s=0.9, drop_every_s=400)


def arrivals(number: int, ride: Sequence[Sample]) -> Iterator[Arrived]:
    for delivery in disturb(records(SETUPS[number], ride), ROUGH, Random(number)):
        yield Arrived(delivery.at_s, number, delivery)


def test_hour_of_two_sensors_invents_nothing() -> None:
    ride = list(islice(simulate("7/0", STEP_S), int(HOUR_S / STEP_S)))
    bike = CyclingBike()
    sensors = [CyclingSensor(WHEEL_M, bike, number) for number in range(2)]
    powers: list[Arrived] = []
    with_power = 0
    for arrived in merge(arrivals(0, ride), arrivals(1, ride), key=lambda one: one.at_s):
        at_s, number, delivery = arrived
        if not delivery.notifications:
            sensors[number] = CyclingSensor(WHEEL_M, bike, number)
            continue
        if number == 1:
            powers.append(arrived)
        for data in delivery.notifications:
            sample = sensors[number].take(SETUPS[number].kind, data, at_s)
            if sample is not None:
                assert number == 0
                assert is_measured(sample, at_s, delivery, powers), (sample, arrived)
                with_power += "power_w" in sample.values
    assert with_power > HOUR_S / 2


def is_measured(sample: Sample, at_s: float, delivery: Delivery, powers: Sequence[Arrived]) -> bool:
    """Tell whether the speed is that of the delivery, and the rest of those that are not old."""
    current = [one.delivery.truth for one in powers[-9:] if at_s - one.at_s <= VALUE_AGE_MAX_S]
    values: dict[str, Any] = dict(sample.values)
    power_w, cadence_rpm = values.pop("power_w", None), values.pop("cadence_rpm", None)
    return (
        not values
        and is_true(Kind.CSC, WHEEL_M, {"speed_kmh": sample.speed_kmh}, delivery.truth)
        and (power_w is None or any(power_w == truth["power_w"] for truth in current))
        and (
            cadence_rpm is None
            or any(is_near("cadence_rpm", cadence_rpm, truth, 60) for truth in current)
        )
    )
