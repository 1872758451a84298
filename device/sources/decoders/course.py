"""Turns the points of a ride into readings and the times at which they are due.

Invariants: due times never fall; the odometer never falls; each point becomes a reading, is merged
with another of the same moment, or is counted in ``left_out``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from device.sources.decoders.chains import Step, believed_speeds, has_position, steps_of
from device.sources.decoders.point import Point
from device.sources.decoders.timeline import drop_wrong_times, lay_out, merge_moments, put_in_order
from shared.reading import NUMBER_RANGES, SPEED_RANGE_KMH

_VALUES: Mapping[str, tuple[int | None, tuple[float, ...]]] = {
    "power_w": (None, (-1, 65_535)),
    "motor_power_w": (None, (-1, 65_535)),
    "cadence_rpm": (None, (-1, 255)),
    "battery_pct": (1, (-1, 255)),
    "odometer_km": (3, ()),
    "gradient_pct": (1, ()),
    "altitude_m": (1, ()),
    "temperature_c": (1, (127,)),
}
"""In a reading's order: the digits to keep, and the numbers that recorders use for "not known"."""


class Moment(NamedTuple):
    """A future reading, due ``due_s`` after the start."""

    due_s: float
    speed_kmh: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Course:
    """A ride that can be replayed, and counts of the points that are left out.

    ``pauses_s`` are the original lengths of the pauses that were shortened. ``clock_back`` counts
    how often the recorder's clock went back.
    """

    moments: list[Moment]
    left_out: Counter[str]
    merged: int
    pauses_s: list[float]
    clock_back: int


def plan_course(points: Sequence[Point]) -> Course:
    """Order, merge and judge the points of a ride."""
    merged = merge_moments(put_in_order(points))
    kept = drop_wrong_times(merged)
    line = lay_out(kept)
    steps, start_m = steps_of(line.points)
    speeds = believed_speeds(line.points, sum(step.way_m for step in steps.values()))
    left_out = Counter({"wrong_time": len(merged) - len(kept)})
    moments: list[Moment] = []
    odometer_m = start_m
    for index, point in enumerate(line.points):
        step = steps.get(index)
        odometer_m += step.way_m if step else 0.0
        speed_kmh = _speed_kmh(speeds.get(index), step)
        if speed_kmh is None:
            left_out[_why_no_speed(point)] += 1
        else:
            values = _values(point, odometer_m / 1000 if step else None)
            moments.append(Moment(line.due_s[index], speed_kmh, values))
    return Course(
        [one._replace(due_s=one.due_s - moments[0].due_s) for one in moments],
        +left_out,
        len(points) - len(merged),
        line.pauses_s,
        line.back,
    )


def _speed_kmh(own_mps: float | None, step: Step | None) -> float | None:
    """Return a point's own speed, else the mean since the last point; a part starts at 0."""
    if own_mps is not None:
        return round(3.6 * own_mps, 2)
    if step is None or (step.since is None and not step.begins_part):
        return None
    if step.since is None:
        return 0.0
    speed_kmh = 3.6 * step.way_m / step.elapsed_s if step.elapsed_s > 0 else SPEED_RANGE_KMH[1] + 1
    return round(speed_kmh, 2) if speed_kmh <= SPEED_RANGE_KMH[1] else None


def _why_no_speed(point: Point) -> str:
    """Return the reason for leaving a point out."""
    if point.speed_mps is not None and point.speed_mps != -1:
        return "impossible_speed"
    known = has_position(point) or point.distance_m is not None
    return "impossible_jump" if known else "no_speed"


def _values(point: Point, odometer_km: float | None) -> dict[str, float]:
    """Round the other values, and drop those beyond the limits of a reading."""
    values: dict[str, float] = {}
    for key, (digits, unknown) in _VALUES.items():
        value = odometer_km if key == "odometer_km" else getattr(point, key)
        if value is None or value in unknown:
            continue
        low, high = NUMBER_RANGES[key]
        if low <= value <= high:
            values[key] = round(value, digits)
    return values
