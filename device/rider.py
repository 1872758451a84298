"""Who rides: how hard they pedal, in which gear, at which assist level, and when they brake.

Decides, once a step, the :class:`~device.ride.Inputs` of the physics. Pure: what is chance comes
from the stream passed in.
"""

from dataclasses import dataclass

from device.noise import Stream, drift
from device.ride import Inputs, State
from device.road import STEEPEST, Segment, gradient_at

ASSIST_FACTORS = (0.0, 0.6, 1.2, 2.0, 3.0)
"""Motor power per rider power at each of the levels a reading names, off to turbo."""

ASSIST_HOLD_S = 12.0
"""Nobody changes the level more often."""

SAVING_CHARGE = 0.15
"""Below this riders save: eco only."""

CLIMB_GRADIENTS = (0.02, 0.045)
"""Above each of these the rider takes one level more."""

DEVELOPMENTS_M = (1.9, 2.4, 3.0, 3.7, 4.6, 5.7, 7.0)
"""Way per turn of the cranks in each gear."""

CADENCE_COMFORT_RPM = (58.0, 84.0)
CADENCE_LEAST_RPM = 20.0
"""Pedals turn at least so fast when someone pushes them, also in the first metre."""

EFFORT_SPREAD = 0.22
EFFORT_MEMORY_S = 15.0
EFFORT_COASTS = -0.38
"""Effort below this is a rider who lets the bike roll for a while."""

COASTS_FROM_MPS = 3.0
"""Slower than this nobody lets a bike roll on the level."""

FULL_PUSH_FROM_MPS = 2.5
"""Legs that turn slowly give little power: it grows with the speed up to here."""

STAND_UP_BELOW_MPS = 1.5
STAND_UP_W = 160.0
LEVEL_SHARE = 0.3
"""Slower than that riders stand on the pedals, on the level with this share of the power: enough
to set off with 125 kg on the steepest road against the wind without a motor."""

CLIMB_EFFORT = 9.0
"""A slope of 1 % makes the rider push 9 % harder."""

SPINS_OUT_MPS = 9.5
"""Faster than this nobody pedals a city bike; pushing fades out over the last 1 m/s."""

BRAKE_COMFORT_MPS2 = 1.2
BRAKE_HARD_MPS2 = 2.5
LET_GO_MPS2 = 0.6
"""Riders stop pedalling when a stop ahead will take this much: before they brake."""

LINE_M = 3.0
"""Riders stop this far in front of a light."""

QUEUE_M = 12.0
"""Who stands within this of a red light stands at it, perhaps behind others."""

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
    """What a rider is at: effort about usual, gear, assist level and since when.

    ``waited_s`` is the time stood at the light of this segment.
    """

    effort: float = 0.0
    gear: int = 0
    level: int = 1
    level_held_s: float = 0.0
    waited_s: float = 0.0


def next_mood(
    rider: Rider, mood: Mood, state: State, segment: Segment, stream: Stream, dt_s: float
) -> Mood:
    """Let a rider's mind move on by one step."""
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
    """Turn a mood into what hands and feet do on this piece of road."""
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
    """Brake on a steep descent: within a second to the speed the rider dares, if that can be."""
    if gradient >= -rider.steep_gradient:
        return 0.0
    return min(BRAKE_HARD_MPS2, max(0.0, speed_mps - rider.descent_mps))


def brake_ahead(segment: Segment, mood: Mood, state: State) -> float:
    """Give the deceleration that leads to the segment's exit speed at its end; 0 for none."""
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
    """Give the rider's power: usual, more uphill, less at the start, none spun out."""
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
    """Shift by one gear when the cadence is no longer comfortable."""
    cadence_rpm = _cadence_rpm(gear, speed_mps)
    if cadence_rpm > CADENCE_COMFORT_RPM[1]:
        return min(gear + 1, len(DEVELOPMENTS_M) - 1)
    if cadence_rpm < CADENCE_COMFORT_RPM[0]:
        return max(gear - 1, 0)
    return gear


def _cadence_rpm(gear: int, speed_mps: float) -> float:
    return max(CADENCE_LEAST_RPM, 60 * speed_mps / DEVELOPMENTS_M[gear])
