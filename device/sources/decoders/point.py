"""The result of a decoder: points, counts of points left out, and the damage of the file."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    """One point of a recorded ride; None means that the file does not have the value.

    ``time_s`` counts from any fixed moment, ``distance_m`` from the ride's start. ``part`` grows
    where the file begins a new segment, track or activity. The position is used to
    measure the distance and is never published.
    """

    time_s: float
    part: int = 0
    speed_mps: float | None = None
    distance_m: float | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    power_w: float | None = None
    motor_power_w: float | None = None
    cadence_rpm: float | None = None
    battery_pct: float | None = None
    gradient_pct: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class Ride:
    """The contents of a file. ``left_out`` counts points by reason; ``damage`` is for people."""

    form: str
    points: list[Point]
    left_out: Counter[str] = field(default_factory=Counter)
    damage: tuple[str, ...] = ()
