"""The rule for each kind of hardware: its resolution, and how its truth is read. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from device.sample import Sample
from device.sources.decoders.bafang import CHARGE_AGE_MAX_S
from device.sources.decoders.bosch import AGE_MAX_S, MTU_MIN
from device.sources.decoders.mqtt_layout import RESOLUTIONS
from device.sources.decoders.nmea import ALTITUDE_AGE_MAX_S
from tests.cycling_truth import ROUNDED, TICKS, is_near
from tests.truth.comparison import Json, Judge, Row, Rule

TURN_S = 1.0
"""From the message of a value to the reading that has it, beside the age that its source allows."""
SLOW_AGE_S = 35.0
"""``examples/mqtt_map.toml`` uses a value of another message for 30 s."""
OTHER_LIMIT = 0.06
NO_LIMITS: Mapping[str, float] = {}


def near(limits: Mapping[str, float], other_limit: float = 0.0) -> Judge:
    """Compare numbers within a limit, and all others exactly."""

    def judge(key: str, value: Any, told: Mapping[str, Any]) -> bool | None:
        if key not in told:
            return None
        if isinstance(value, bool | str):
            return bool(value == told[key])
        return bool(abs(value - told[key]) <= limits.get(key, other_limit))

    return judge


def counted(wheel_m: float) -> Judge:
    """Compare what a source derived from counters of revolutions; the power is exact."""
    per_hz = {"speed_kmh": wheel_m * 3.6, "cadence_rpm": 60.0}
    exact = near(NO_LIMITS)

    def judge(key: str, value: Any, told: Mapping[str, Any]) -> bool | None:
        if key not in per_hz:
            return exact(key, value, told)
        if key in told:
            return is_near(key, value, told, per_hz[key])
        if f"{key}_max" not in told:
            return None
        last = told.get(f"{key}_last", 0.0)
        return value <= last * (1 + TICKS) + ROUNDED and is_near(key, value, told, per_hz[key])

    return judge


def each_line(lines: Iterable[Json]) -> Iterator[Row]:
    """Make a row of each line."""
    for line in lines:
        yield Row(line["sent_ms"], line | line.get("extra", {}))


def with_last_rates(lines: Iterable[Json]) -> Iterator[Row]:
    """Add the last rate to lines without a revolution: a source can only keep or lower it."""
    last: dict[str, float] = {}
    for line in lines:
        for key in ("speed_kmh", "cadence_rpm"):
            if key in line:
                last[key] = line[key]
            elif f"{key}_max" not in line:  # the counter was reset
                last.pop(key, None)
        yield Row(line["sent_ms"], line | {f"{key}_last": rate for key, rate in last.items()})


def whole_messages(lines: Iterable[Json]) -> Iterator[Row]:
    """Make rows of what a Bosch bike said on links that did not cut its messages."""
    mtu, link = 0, 0
    for line in lines:
        if "link" in line:
            mtu, link = line["mtu"], link + 1
        elif mtu >= MTU_MIN:
            yield Row(line["sent_ms"], line, link)


def newest(lines: Iterable[Json]) -> Iterator[Row]:
    """Make a row of each message of a tracker with a speed, with the newest of its other values."""
    held: dict[str, tuple[Any, float]] = {}
    for line in lines:
        at_s = line["at_s"]
        held |= {key: (value, at_s) for key, value in line.items()}
        if "speed_kmh" in line:
            now = {key: value for key, (value, since) in held.items() if at_s - since <= SLOW_AGE_S}
            yield Row(line["sent_ms"], now)


def numbered(ride: Iterable[Sample]) -> Iterator[Row]:
    """Make rows of the samples of a ride; a reading has the number of its sample."""
    for seq, sample in zip(count(1), ride, strict=False):
        yield Row(0, {"seq": seq, "speed_kmh": sample.speed_kmh, **sample.values})


def serial(speed_kmh: float, **ages_s: float) -> Rule:
    """Return the rule for hardware at a serial port with this resolution of the speed."""
    limits = {
        "speed_kmh": speed_kmh,
        "motor_power_w": 1.0,
        "battery_pct": 0.51,
        "latitude_deg": 1e-6,
        "longitude_deg": 1e-6,
    }
    ages_s = {key: age_s + TURN_S for key, age_s in ages_s.items()}
    return Rule(each_line, near(limits, OTHER_LIMIT), ages_s)


BOSCH = Rule(
    whole_messages,
    near(NO_LIMITS),
    {key: age_s + TURN_S for key, age_s in AGE_MAX_S.items() if key != "speed_kmh"},
)
FTMS = Rule(each_line, near(NO_LIMITS))
VESC = serial(0.01)
BAFANG = serial(0.07, battery_pct=CHARGE_AGE_MAX_S)
NMEA = serial(0.01, altitude_m=ALTITUDE_AGE_MAX_S)
MQTT = Rule(
    newest,
    near({key: resolution / 2 + 1e-9 for key, resolution in RESOLUTIONS.items()}),
    identity="ts_ms",
)


def revolutions(wheel_m: float) -> Rule:
    """Return the rule for a sensor that counts the turns of this wheel."""
    return Rule(with_last_rates, counted(wheel_m))
