"""The units of devices' values, and how to convert each to the unit of a reading. Pure.

A value ``v`` in a unit is ``v * factor + shift`` in the unit of the reading. The first unit of each
table is that of the reading itself.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias


class Unit(NamedTuple):
    """How to convert a value to the unit of the reading."""

    factor: float
    shift: float = 0.0

    def convert(self, value: float) -> float:
        return value * self.factor + self.shift


Units: TypeAlias = Mapping[str, Unit]

MILE_KM, KNOT_KMH, FOOT_M = 1.609344, 1.852, 0.3048

SPEED: Units = {
    "km/h": Unit(1),
    "m/s": Unit(3.6),
    "mph": Unit(MILE_KM),
    "knots": Unit(KNOT_KMH),
}
DISTANCE: Units = {"km": Unit(1), "m": Unit(0.001), "mi": Unit(MILE_KM)}
HEIGHT: Units = {"m": Unit(1), "ft": Unit(FOOT_M)}
POWER: Units = {"W": Unit(1), "kW": Unit(1000)}
CADENCE: Units = {"rpm": Unit(1), "1/s": Unit(60)}
PULSE: Units = {"bpm": Unit(1), "1/s": Unit(60)}
SHARE: Units = {"%": Unit(1), "ratio": Unit(100)}
ANGLE: Units = {"deg": Unit(1)}
TEMPERATURE: Units = {"°C": Unit(1), "°F": Unit(5 / 9, -32 * 5 / 9), "K": Unit(1, -273.15)}
TIME: Units = {"ms": Unit(1), "s": Unit(1000), "us": Unit(0.001)}

UNITS: Mapping[str, Units] = {
    "speed_kmh": SPEED,
    "power_w": POWER,
    "motor_power_w": POWER,
    "cadence_rpm": CADENCE,
    "heart_rate_bpm": PULSE,
    "battery_pct": SHARE,
    "odometer_km": DISTANCE,
    "gradient_pct": SHARE,
    "altitude_m": HEIGHT,
    "latitude_deg": ANGLE,
    "longitude_deg": ANGLE,
    "temperature_c": TEMPERATURE,
    "ts_ms": TIME,
}
"""The units of each number of a reading."""
