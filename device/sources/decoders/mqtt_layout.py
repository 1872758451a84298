"""The home-made layout in which the emulator ``mqtt`` sends a ride. Pure.

Trackers have no common layout, so this one uses many forms: one topic with JSON in many levels, two
with plain numbers, and units that a reading does not have. ``examples/mqtt_map.toml`` maps it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from device.sample import Sample
from device.sources.decoders.units import UNITS
from shared.reading import ASSIST_LEVELS

SLOW_EVERY = 5
"""Battery, odometer and temperature come with every fifth message of the speed."""
RESOLUTIONS: Mapping[str, float] = {
    "speed_kmh": 0.0036,
    "cadence_rpm": 1,
    "power_w": 1,
    "motor_power_w": 1,
    "altitude_m": 0.03048,
    "gradient_pct": 0.1,
    "battery_pct": 0.1,
    "odometer_km": 0.0016093440,
    "temperature_c": 0.1,
}
"""The resolution of each value in this layout."""


class Sent(NamedTuple):
    """A message, and the values in it as a reading should show them."""

    topic: str
    payload: bytes
    truth: Mapping[str, Any]


def messages(number: int, sample: Sample, ts_ms: int, *, has_speed: bool = True) -> Iterator[Sent]:
    """Yield the messages of one moment; ``number`` counts the moments from 0."""
    if number % SLOW_EVERY == 0:
        yield from _slow(sample)
    values: Mapping[str, Any] = sample.values
    body = {
        "t": ts_ms / 1000,
        "vehicle": {
            "speed": _in("m/s", "speed_kmh", sample.speed_kmh, 3) if has_speed else None,
            "place": [_in("ft", "altitude_m", values["altitude_m"], 1), values["gradient_pct"]],
        },
        "rider": {"watts": values["power_w"], "cadence": str(values["cadence_rpm"])},
        "motor": {"kilowatts": values["motor_power_w"] / 1000, "mode": _mode(values["assist"])},
    }
    told = ("power_w", "cadence_rpm", "motor_power_w", "altitude_m", "gradient_pct", "assist")
    truth = {key: values[key] for key in told}
    if has_speed:
        truth |= {"ts_ms": ts_ms, "speed_kmh": sample.speed_kmh}
    yield Sent("telemetry", json.dumps(body).encode(), truth)


def _slow(sample: Sample) -> Iterator[Sent]:
    values: Mapping[str, Any] = sample.values
    share = _in("ratio", "battery_pct", values["battery_pct"], 3)
    yield Sent("battery", f"{share}".encode(), {"battery_pct": values["battery_pct"]})
    miles = _in("mi", "odometer_km", values["odometer_km"], 3)
    told = {"odometer_km": values["odometer_km"]}
    yield Sent("trip", json.dumps({"total": {"miles": miles}}).encode(), told)
    fahrenheit = _in("°F", "temperature_c", values["temperature_c"], 1)
    told = {"temperature_c": values["temperature_c"]}
    yield Sent("temperature", f"{fahrenheit}".encode(), told)


def _in(unit: str, key: str, value: float, decimals: int) -> float:
    """Convert a value of a reading to a unit."""
    factor, shift = UNITS[key][unit]
    return round((value - shift) / factor, decimals)


def _mode(assist: str) -> int:
    return ASSIST_LEVELS.index(assist)
