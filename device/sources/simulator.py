"""``simulator``: a made-up rider on a made-up road, ridden by the physics of :mod:`device.ride`.

How it works. Each bike of a fleet has a rider, a road and a battery of its own. They are drawn from
random streams that are seeded with (seed, bike): the same seed gives the same ride, sample by
sample. The road has a stream of its own, so it is the same at any rate of samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from math import ceil
from random import Random
from secrets import randbits

from device.noise import Stream, drift
from device.ride import Inputs, State, Vehicle, motor_power_w, step
from device.rider import Mood, Rider, decide, next_mood
from device.road import Place, Segment, altitude_at, first_segment, next_segment
from device.sample import Sample
from device.sources import SOURCES, IteratorSource, Source
from shared.decorators import registered
from shared.errors import SourceError
from shared.reading import ASSIST_LEVELS
from shared.settings import Settings

MODEL = "Spoke simulated e-bike"
STEP_MAX_S = 0.5
"""Longer intervals between samples are split into such steps, so that riders brake in time."""

GUST_SPREAD = 0.35
GUST_MEMORY_S = 8.0
LAPSE_C_PER_M = 0.0065
"""The air is 6.5 degrees colder 1,000 m higher (standard atmosphere)."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The bike, the rider and the place, fixed for a ride; the temperature is that at sea level."""

    bike: Vehicle
    rider: Rider
    place: Place
    odometer_km: float
    temperature_c: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The state that changes during a ride; ``gust`` is the wind above its mean, as a fraction."""

    state: State
    mood: Mood
    segment: Segment
    gust: float
    inputs: Inputs


@registered(SOURCES, "simulator")
def open_simulator(settings: Settings, argument: str, bike: int) -> Source:
    """Start the ride of one bike; without a seed every ride is different."""
    if argument:
        raise SourceError("the source simulator takes no argument")
    seed = randbits(64) if settings.seed is None else settings.seed
    samples = simulate(f"{seed}/{bike}", 1 / settings.rate_hz)
    return IteratorSource(samples, max(1, round(1000 / settings.rate_hz)), MODEL)


def simulate(seed: str, interval_s: float) -> Iterator[Sample]:
    """Yield a sample every ``interval_s``, without end."""
    births, roads, moods = (_stream(seed, name) for name in ("birth", "road", "mood"))
    cast, moment = _born(births)
    steps = ceil(interval_s / STEP_MAX_S)
    for number in count():
        yield _sample(cast, moment, number * interval_s)
        for _ in range(steps):
            moment = advance(cast, moment, roads, moods, interval_s / steps)


def advance(cast: Cast, moment: Moment, roads: Stream, moods: Stream, dt_s: float) -> Moment:
    """Ride on by ``dt_s``; at the end of a segment the next one is drawn."""
    state = step(cast.bike, moment.state, moment.inputs, dt_s)
    mood, segment = moment.mood, moment.segment
    while state.distance_m >= segment.end_m:
        segment = next_segment(roads, cast.place, segment)
        mood = replace(mood, waited_s=0.0)
    mood = next_mood(cast.rider, mood, state, segment, moods, dt_s)
    gust = drift(moods, moment.gust, GUST_SPREAD, GUST_MEMORY_S, dt_s)
    inputs = decide(cast.rider, mood, state, segment, segment.headwind_mps * (1 + gust))
    return Moment(state, mood, segment, gust, inputs)


def _stream(seed: str, name: str) -> Random:
    return Random(f"{seed}/{name}")  # no secret, and must be repeatable


def _born(births: Stream) -> tuple[Cast, Moment]:
    """Draw a bike, its rider and its home, and the standing start of the ride."""
    between = births.uniform
    bike = Vehicle(between(80, 125), between(0.45, 0.58), between(0.005, 0.009))
    rider = Rider(between(75, 135), 1 + int(births.random() * 3), descent_mps=between(9, 12))
    place = Place(between(40, 600), between(0.5, 5))
    cast = Cast(bike, rider, place, between(20, 6000), between(8, 26))
    state, mood, segment = State(charge=between(0.55, 1.0)), Mood(), first_segment(place)
    return cast, Moment(state, mood, segment, 0.0, decide(rider, mood, state, segment, 0.0))


def _sample(cast: Cast, moment: Moment, due_s: float) -> Sample:
    """Round the values to the resolution of a bike's sensors."""
    state, inputs = moment.state, moment.inputs
    altitude_m = altitude_at(moment.segment, state.distance_m)
    return Sample(
        due_s,
        round(state.speed_mps * 3.6, 2),
        {
            "power_w": round(inputs.rider_power_w),
            "motor_power_w": round(motor_power_w(state, inputs)),
            "cadence_rpm": round(inputs.cadence_rpm),
            "battery_pct": round(state.charge * 100, 1),
            "odometer_km": round(cast.odometer_km + state.distance_m / 1000, 3),
            "gradient_pct": round(inputs.gradient * 100, 1) + 0.0,  # no -0.0
            "altitude_m": round(altitude_m, 1),
            "temperature_c": round(cast.temperature_c - LAPSE_C_PER_M * altitude_m, 1),
            "assist": ASSIST_LEVELS[moment.mood.level],
        },
    )
