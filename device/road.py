"""An endless road, drawn while it is ridden: hills, bends, traffic lights and wind.

It is a chain of segments. Within a segment the gradient changes linearly with the distance, and it
is continuous from one segment to the next. So the height has no steps and no kinks.
"""

from dataclasses import dataclass
from math import cos, pi

from device.noise import Stream

SEGMENT_M = (80.0, 480.0)
STEEPEST = 0.09
"""Few public roads are steeper."""

HILLS_M = 4_000.0
"""The gradient falls by 100 % for this height above home: keeps the road within 360 m of home."""

LIGHT_CHANCE = 0.2
LIGHT_RED_S = (6.0, 30.0)
"""How long a light stays red after the rider arrives."""

BEND_CHANCE = 0.25
BEND_MPS = (3.5, 7.0)
OPEN_MPS = 100.0
"""The exit speed of a segment without bend or light; no bike reaches it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The home of a bike: the height that the road returns to, and the wind's strength."""

    altitude_m: float = 120.0
    wind_mps: float = 3.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of road, by distance from the ride's start, and the speed at its end.

    A rider must not be faster than ``exit_mps`` at its end. 0 is a light that stays red for
    ``red_s`` after the rider stopped there.
    """

    start_m: float
    end_m: float
    altitude_m: float
    gradient_start: float
    gradient_end: float
    headwind_mps: float
    exit_mps: float = OPEN_MPS
    red_s: float = 0.0


def first_segment(place: Place) -> Segment:
    """Return the level street in front of the home."""
    return Segment(0.0, SEGMENT_M[0], place.altitude_m, 0.0, 0.0, 0.0)


def next_segment(stream: Stream, place: Place, last: Segment) -> Segment:
    """Draw the segment after ``last``."""
    length_m = stream.uniform(*SEGMENT_M)
    altitude_m = altitude_at(last, last.end_m)
    exit_mps, red_s = _exit(stream)
    return Segment(
        start_m=last.end_m,
        end_m=last.end_m + length_m,
        altitude_m=altitude_m,
        gradient_start=last.gradient_end,
        gradient_end=_gradient(stream, altitude_m - place.altitude_m),
        headwind_mps=place.wind_mps * cos(stream.uniform(0.0, 2 * pi)),
        exit_mps=exit_mps,
        red_s=red_s,
    )


def gradient_at(segment: Segment, distance_m: float) -> float:
    """Return the slope at a distance, as rise over run."""
    way = (distance_m - segment.start_m) / (segment.end_m - segment.start_m)
    return segment.gradient_start + way * (segment.gradient_end - segment.gradient_start)


def altitude_at(segment: Segment, distance_m: float) -> float:
    """Return the height at a distance: the slope integrated from the segment's start."""
    mean = (segment.gradient_start + gradient_at(segment, distance_m)) / 2
    return segment.altitude_m + mean * (distance_m - segment.start_m)


def _gradient(stream: Stream, above_home_m: float) -> float:
    """Draw a slope: mostly gentle, sometimes a hill, and back to home's height from far away."""
    drawn = stream.uniform(-1.0, 1.0) ** 3 * STEEPEST
    return min(STEEPEST, max(-STEEPEST, drawn - above_home_m / HILLS_M))


def _exit(stream: Stream) -> tuple[float, float]:
    """Draw how a segment ends: at a red light, in a bend, or straight on."""
    chance = stream.random()
    if chance < LIGHT_CHANCE:
        return 0.0, stream.uniform(*LIGHT_RED_S)
    if chance < LIGHT_CHANCE + BEND_CHANCE:
        return stream.uniform(*BEND_MPS), 0.0
    return OPEN_MPS, 0.0
