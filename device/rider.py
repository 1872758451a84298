"""The simulated rider: how hard it pedals, in which gear and assist level, and when it brakes.

How it works. Once a step, :func:`decide` turns the rider's mood and the road ahead into the
:class:`~device.ride.Inputs` of the physics, and :func:`next_mood` moves the mood on. Pure: all
randomness comes from the stream passed in.
"""

from dataclasses import dataclass

from device.noise import Stream, drift
from device.ride import Inputs, State
from device.road import STEEPEST, Segment, gradient_at

ASSIST_FACTORS = (0.0, 0.6, 1.2, 2.0, 3.0)
"""Motor power per rider power at each assist level of a reading, from off to turbo."""

ASSIST_HOLD_S = 12.0
"""The shortest time between two changes of the level."""

SAVING_CHARGE = 0.15
"""Below this charge riders use eco only."""

CLIMB_GRADIENTS = (0.02, 0.045)
"""The rider takes one level more above each of these."""

DEVELOPMENTS_M = (1.9, 2.4, 3.0, 3.7, 4.6, 5.7, 7.0)
"""Distance per turn of the cranks in each gear."""

CADENCE_COMFORT_RPM = (58.0, 84.0)
CADENCE_LEAST_RPM = 20.0
"""Pushed pedals turn at least this fast, also in the first metre."""

EFFORT_SPREAD = 0.22
EFFORT_MEMORY_S = 15.0
EFFORT_COASTS = -0.38
"""Below this effort the rider lets the bike roll."""

COASTS_FROM_MPS = 3.0
"""Below this speed the rider always pedals."""

FULL_PUSH_FROM_MPS = 2.5
"""Legs that turn slowly give little power: it grows with the speed up to this one."""

STAND_UP_BELOW_MPS = 1.5
STAND_UP_W = 160.0
LEVEL_SHARE = 0.3
"""Below this speed riders stand on the pedals, on a level road with this share of the power. That
starts 125 kg on the steepest road against the wind without a motor."""

CLIMB_EFFORT = 9.0
"""A slope of 1 % makes the rider push 9 % harder."""

SPINS_OUT_MPS = 9.5
"""Above this speed riders do not pedal a city bike; their power fades out over the last 1 m/s."""

BRAKE_COMFORT_MPS2 = 1.2
BRAKE_HARD_MPS2 = 2.5
LET_GO_MPS2 = 0.6
"""Riders stop pedalling when a stop ahead needs this deceleration, before they brake."""

LINE_M = 3.0
"""The distance from a light at which riders stop."""

QUEUE_M = 12.0
"""A rider that stands within this distance of a red light waits for it, perhaps behind others."""

STANDING_MPS = 0.3


@dataclass(frozen=True, slots=True)
class Rider:
    """A person: usual power, usual assist level, and how fast a steep descent may get.

    The last two are those fitted to a recorded ride, see ``docs/physics.md``.
    """

    power_w: float = 100.0
    favourite_level: int = 2
    steep_gradient: float = 0.075
    descent_mps: float = 10.0


@dataclass(frozen=True, slots=True)
class Mood:
    """The changing state of a rider: effort relative to usual, gear, assist level and its age.

    ``waited_s`` is the time waited at the light of this segment.
    """

    effort: float = 0.0
    gear: int = 0
    level: int = 1
    level_held_s: float = 0.0
    waited_s: float = 0.0


def next_mood(
    rider: Rider, mood: Mood, state: State, segment: Segment, stream: Stream, dt_s: float
) -> Mood:
    """Return the rider's mood after one step."""
    level = _wanted_level(rider, state, gradient_at(segment, state.distance_m))
    changes = level != mood.level and (mood.level_held_s >= ASSIST_HOLD_S or level == 0)
    return Mood(
        drift(stream, mood.effort, EFFORT_SPREAD, EFFORT_MEMORY_S, dt_s),
        _next_gear(mood.gear, state.speed_mps),
        level if changes else mood.level,
        0.0 if changes else mood.level_held_s + dt_s,
        mood.waited_s + dt_s if _stands_at_light(state, segment) else mood.waited_s,
    )


def decide(rider: Rider, mood: Mood, state: State, segment: Segment, headwind_mps: float) -> Inputs:
    """Return the rider's pedalling and braking on this piece of road."""
    gradient = gradient_at(segment, state.distance_m)
    ahead_mps2 = brake_ahead(segment, mood, state)
    brake_mps2 = brake_on_descent(rider, state.speed_mps, gradient)
    if ahead_mps2 >= BRAKE_COMFORT_MPS2:
        brake_mps2 = max(brake_mps2, min(ahead_mps2, BRAKE_HARD_MPS2))
    rolls = brake_mps2 > 0 or ahead_mps2 >= LET_GO_MPS2
    power_w = 0.0 if rolls else _push_w(rider, mood, state.speed_mps, gradient)
    return Inputs(
        power_w,
        _cadence_rpm(mood.gear, state.speed_mps) if power_w > 0 else 0.0,
        gradient,
        headwind_mps,
        ASSIST_FACTORS[mood.level],
        brake_mps2,
    )


def brake_on_descent(rider: Rider, speed_mps: float, gradient: float) -> float:
    """Return the deceleration on a steep descent that reaches the rider's limit within a second."""
    if gradient >= -rider.steep_gradient:
        return 0.0
    return min(BRAKE_HARD_MPS2, max(0.0, speed_mps - rider.descent_mps))


def brake_ahead(segment: Segment, mood: Mood, state: State) -> float:
    """Return the deceleration that reaches the exit speed at the segment's end, or 0."""
    stops = segment.exit_mps == 0.0
    if stops and mood.waited_s >= segment.red_s:
        return 0.0
    left_m = segment.end_m - state.distance_m - (LINE_M if stops else 0.0)
    if stops and (left_m <= 0 or _stands_at_light(state, segment)):
        return BRAKE_HARD_MPS2
    too_fast = state.speed_mps * state.speed_mps - segment.exit_mps * segment.exit_mps
    return max(0.0, too_fast / (2 * max(left_m, 0.1)))


def _stands_at_light(state: State, segment: Segment) -> bool:
    near = segment.exit_mps == 0.0 and segment.end_m - state.distance_m <= QUEUE_M
    return near and state.speed_mps < STANDING_MPS


def _wanted_level(rider: Rider, state: State, gradient: float) -> int:
    if state.charge <= 0:
        return 0
    if state.charge < SAVING_CHARGE:
        return 1
    climb = (gradient > CLIMB_GRADIENTS[0]) + (gradient > CLIMB_GRADIENTS[1])
    return min(len(ASSIST_FACTORS) - 1, rider.favourite_level + climb)


def _push_w(rider: Rider, mood: Mood, speed_mps: float, gradient: float) -> float:
    """Return the rider's power: more uphill, less at the start, none when too fast."""
    if mood.effort < EFFORT_COASTS and speed_mps > COASTS_FROM_MPS:
        return 0.0
    wanted_w = rider.power_w * (1 + mood.effort + CLIMB_EFFORT * gradient)
    turning = min(1.0, speed_mps / FULL_PUSH_FROM_MPS, SPINS_OUT_MPS - speed_mps)
    return max(_stand_up_w(speed_mps, gradient), wanted_w * turning)


def _stand_up_w(speed_mps: float, gradient: float) -> float:
    if speed_mps >= STAND_UP_BELOW_MPS:
        return 0.0
    return STAND_UP_W * min(1.0, max(0.0, LEVEL_SHARE + gradient / STEEPEST))


def _next_gear(gear: int, speed_mps: float) -> int:
    """Shift by one gear if the cadence is not comfortable."""
    cadence_rpm = _cadence_rpm(gear, speed_mps)
    if cadence_rpm > CADENCE_COMFORT_RPM[1]:
        return min(gear + 1, len(DEVELOPMENTS_M) - 1)
    if cadence_rpm < CADENCE_COMFORT_RPM[0]:
        return max(gear - 1, 0)
    return gear


def _cadence_rpm(gear: int, speed_mps: float) -> float:
    return max(CADENCE_LEAST_RPM, 60 * speed_mps / DEVELOPMENTS_M[gear])
