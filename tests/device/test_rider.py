from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from device.ride import State, Vehicle, step
from device.rider import (
    ASSIST_HOLD_S,
    BRAKE_COMFORT_MPS2,
    BRAKE_HARD_MPS2,
    SAVING_CHARGE,
    Mood,
    Rider,
    brake_ahead,
    brake_on_descent,
    decide,
    next_mood,
)
from device.road import OPEN_MPS, STEEPEST, Segment

FLAT = Segment(0, 1000, 100, 0, 0, 0)
CLIMB = replace(FLAT, gradient_start=0.06, gradient_end=0.06)
LIGHT = Segment(0, 300, 100, 0, 0, 0, exit_mps=0, red_s=10)
BEND = Segment(0, 300, 100, 0, 0, 0, exit_mps=5)
DT_S = 0.25


def ride_over(segment: Segment, rider: Rider, for_s: float) -> list[tuple[State, Mood]]:
    stream, bike, state, mood = Random(5), Vehicle(), State(), Mood(level=2)
    course = [(state, mood)]
    for _ in range(round(for_s / DT_S)):
        state = step(bike, state, decide(rider, mood, state, segment, 0.0), DT_S)
        mood = next_mood(rider, mood, state, segment, stream, DT_S)
        course.append((state, mood))
    return course


def test_red_light() -> None:
    course = ride_over(LIGHT, Rider(), for_s=120)
    standing = [state for state, mood in course if mood.waited_s > 0 and state.speed_mps == 0]
    assert len(standing) * DT_S == pytest.approx(LIGHT.red_s, abs=2)
    assert all(LIGHT.end_m - 12 < state.distance_m <= LIGHT.end_m for state in standing)
    assert course[-1][0].distance_m > LIGHT.end_m


def test_a_rider_brakes_for_a_light_comfortably() -> None:
    speeds = [state.speed_mps for state, _ in ride_over(LIGHT, Rider(), for_s=120)]
    hardest = max((before - after) / DT_S for before, after in pairwise(speeds[:-1]))
    assert BRAKE_COMFORT_MPS2 <= hardest <= BRAKE_HARD_MPS2 + 0.5


def test_speed_in_bend() -> None:
    course = ride_over(BEND, Rider(), for_s=90)
    at_bend = min(course, key=lambda moment: abs(moment[0].distance_m - BEND.end_m))
    assert at_bend[0].speed_mps == pytest.approx(BEND.exit_mps, abs=0.6)


def test_nobody_brakes_on_an_open_road() -> None:
    assert FLAT.exit_mps == OPEN_MPS
    assert brake_ahead(FLAT, Mood(), State(speed_mps=12, distance_m=999)) == 0


@pytest.mark.parametrize(
    ("gradient", "speed_mps", "expected"),
    [(-0.05, 20, 0), (-0.09, 9, 0), (-0.09, 11, 1), (-0.09, 20, BRAKE_HARD_MPS2), (0.09, 20, 0)],
)
def test_brakes_on_steep_descents_only(gradient: float, speed_mps: float, expected: float) -> None:
    rider = Rider(steep_gradient=0.075, descent_mps=10)
    assert brake_on_descent(rider, speed_mps, gradient) == expected


@pytest.mark.parametrize("effort", [-0.5, 0.0])
def test_start_on_steep_road_without_motor(effort: float) -> None:
    wall = replace(FLAT, gradient_start=STEEPEST, gradient_end=STEEPEST)
    bike, weak, state = Vehicle(125, 0.58, 0.009), Rider(power_w=75), State(charge=0)
    for _ in range(240):
        inputs = decide(weak, Mood(effort, level=0), state, wall, headwind_mps=5)
        state = step(bike, state, inputs, DT_S)
    assert state.distance_m > 30


def test_who_brakes_does_not_pedal() -> None:
    downhill = replace(FLAT, gradient_start=-0.09, gradient_end=-0.09)
    inputs = decide(Rider(), Mood(), State(speed_mps=12), downhill, 0.0)
    assert inputs.brake_mps2 > 0
    assert inputs.rider_power_w == inputs.cadence_rpm == 0


def test_more_power_on_climbs() -> None:
    rider, state = Rider(favourite_level=2), State(speed_mps=5)
    mood = Mood(level=2, level_held_s=ASSIST_HOLD_S)
    flat = decide(rider, mood, state, FLAT, 0.0)
    uphill = decide(rider, next_mood(rider, mood, state, CLIMB, Random(1), DT_S), state, CLIMB, 0.0)
    assert uphill.rider_power_w > 1.2 * flat.rider_power_w
    assert uphill.assist > flat.assist


def test_assist_level_is_held() -> None:
    rider, mood = Rider(favourite_level=2), Mood(level=2, level_held_s=0)
    assert next_mood(rider, mood, State(), CLIMB, Random(1), DT_S).level == 2


@pytest.mark.parametrize(("charge", "level"), [(1.0, 3), (SAVING_CHARGE / 2, 1), (0.0, 0)])
def test_assist_level_at_low_charge(charge: float, level: int) -> None:
    mood = Mood(level=2, level_held_s=ASSIST_HOLD_S)
    later = next_mood(Rider(favourite_level=3), mood, State(charge=charge), FLAT, Random(1), DT_S)
    assert later.level == level


def test_gears_keep_the_cadence_comfortable() -> None:
    course = ride_over(FLAT, Rider(), for_s=60)
    cadences = [decide(Rider(), mood, state, FLAT, 0.0).cadence_rpm for state, mood in course]
    pedalled = [rpm for rpm in cadences[40:] if rpm > 0]
    assert pedalled
    assert all(50 <= rpm <= 95 for rpm in pedalled)
