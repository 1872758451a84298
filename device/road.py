"""A road without an end, made up as it is ridden: hills, bends, traffic lights, wind.

It is a chain of segments. Within one the gradient changes evenly with the distance, so the height
has no steps and no kinks.
"""

from dataclasses import dataclass
from math import cos, pi

from device.noise import Stream

SEGMENT_M = (80.0, 480.0)
STEEPEST = 0.09
"""Few public roads are steeper."""

HILLS_M = 4_000.0
"""A road this far above home falls by 100 % more: keeps the height within 360 m of home."""

LIGHT_CHANCE = 0.2
LIGHT_RED_S = (6.0, 30.0)
"""What is left of the red when the rider gets there."""

BEND_CHANCE = 0.25
BEND_MPS = (3.5, 7.0)
OPEN_MPS = 100.0
"""Exit speed of a segment that runs straight on: never reached."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bike lives: the height the road keeps coming back to, and the wind's strength."""

    altitude_m: float = 120.0
    wind_mps: float = 3.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of road, by distance from the ride's start, and how it may be left.

    A rider must not be faster than ``exit_mps`` at its end; 0 is a light that stays red for
    ``red_s`` more once the rider stands there.
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
    """Give the level street in front of the house."""
    return Segment(0.0, SEGMENT_M[0], place.altitude_m, 0.0, 0.0, 0.0)


def next_segment(stream: Stream, place: Place, last: Segment) -> Segment:
    """Make up the segment that follows ``last``."""
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
    """Give the slope at a distance, as rise over run."""
    way = (distance_m - segment.start_m) / (segment.end_m - segment.start_m)
    return segment.gradient_start + way * (segment.gradient_end - segment.gradient_start)


def altitude_at(segment: Segment, distance_m: float) -> float:
    """Give the height at a distance: the slope summed up from the segment's start."""
    mean = (segment.gradient_start + gradient_at(segment, distance_m)) / 2
    return segment.altitude_m + mean * (distance_m - segment.start_m)


def _gradient(stream: Stream, above_home_m: float) -> float:
    """Draw a slope: mostly gentle, now and then a hill, back towards home from far above it."""
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
