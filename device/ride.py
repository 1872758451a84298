"""A bike on a road as physics: ``step(bike, state, inputs, dt_s) -> state``.

The power balance is that of Martin et al. 1998 (J. Appl. Biomech. 14:276-291)::

    m dv/dt = (eta P_rider + P_motor) / v - m g sin(a) - Crr m g cos(a) - rho CdA (v+w)|v+w| / 2

How it works. A step does not add up ``dv/dt``. It solves the energy balance of the step for the
last speed, with the mean of the first and last speed. So energy is conserved exactly: the work of
the drive equals the gain of kinetic and potential energy plus the losses to rolling, air and
brakes. See ``docs/physics.md``.
"""

from dataclasses import dataclass
from math import sqrt

GRAVITY_MPS2 = 9.81
AIR_DENSITY_KG_M3 = 1.226
"""At sea level and 15 °C."""

LAUNCH_SPEED_MPS = 1.0
"""Below this the drive is a constant force: power over speed has no limit at standstill."""

MOTOR_LIMIT_W = 250.0
"""Continuous rated power of Reg. (EU) 168/2013 art. 2(2)(h); here a limit at every moment."""

CUT_OFF_MPS = 25 / 3.6
"""The same article: no assistance at this speed and above."""

TAPER_FROM_MPS = 23.5 / 3.6
"""Real drives begin to fade out here; the article asks for "progressively reduced" assistance."""

MOTOR_EFFICIENCY = 0.8
ELECTRONICS_W = 3.0
"""Display, controller and lights, also while the bike stands."""

PACK_FULL_V = 42.0
PACK_EMPTY_V = 30.0
PACK_OHM = 0.1
"""Ten lithium cells in series, 3.0 to 4.2 V each; the resistance includes the wires."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Bike, rider and luggage as one body, and the battery's capacity in ampere-seconds.

    50,000 As at 36 V, the mean of full and empty, are 500 Wh.
    """

    mass_kg: float = 100.0
    drag_area_m2: float = 0.55
    rolling_resistance: float = 0.006
    drivetrain_efficiency: float = 0.98
    capacity_as: float = 50_000.0


@dataclass(frozen=True, slots=True)
class State:
    """Speed, distance travelled, and charge of a bike; a charge of 1 is full, 0 is empty."""

    speed_mps: float = 0.0
    distance_m: float = 0.0
    charge: float = 1.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """The forces on a bike during one step, and the rider's cadence.

    ``gradient`` is rise over run, ``headwind_mps`` is negative from behind, ``assist`` is motor
    power per rider power, ``brake_mps2`` the deceleration the brakes alone would give.
    """

    rider_power_w: float = 0.0
    cadence_rpm: float = 0.0
    gradient: float = 0.0
    headwind_mps: float = 0.0
    assist: float = 0.0
    brake_mps2: float = 0.0


def step(bike: Vehicle, state: State, inputs: Inputs, dt_s: float) -> State:
    """Move a bike on by ``dt_s``, up to 1 s; it never rolls backwards."""
    motor_w = motor_power_w(state, inputs)
    drive_w = bike.drivetrain_efficiency * inputs.rider_power_w + motor_w
    against_n = resistance_n(bike, state.speed_mps, inputs.gradient, inputs.headwind_mps)
    against_n += bike.mass_kg * inputs.brake_mps2
    speed_mps = _next_speed(bike.mass_kg, state.speed_mps, drive_w, against_n, dt_s)
    return State(
        speed_mps,
        state.distance_m + (state.speed_mps + speed_mps) / 2 * dt_s,
        _next_charge(bike, state.charge, motor_w, dt_s),
    )


def resistance_n(bike: Vehicle, speed_mps: float, gradient: float, headwind_mps: float) -> float:
    """Return the sum of slope, rolling and air resistance; negative if it drives the bike on."""
    weight_n = bike.mass_kg * GRAVITY_MPS2 / sqrt(1 + gradient * gradient)
    air_mps = speed_mps + headwind_mps
    drag_n = AIR_DENSITY_KG_M3 / 2 * bike.drag_area_m2 * air_mps * abs(air_mps)
    return weight_n * (gradient + bike.rolling_resistance) + drag_n


def motor_power_w(state: State, inputs: Inputs) -> float:
    """Return the motor's power at its shaft: only while the rider pedals, 0 from 25 km/h on."""
    if inputs.cadence_rpm <= 0 or inputs.rider_power_w <= 0 or state.charge <= 0:
        return 0.0
    return min(inputs.assist * inputs.rider_power_w, MOTOR_LIMIT_W) * taper(state.speed_mps)


def taper(speed_mps: float) -> float:
    """Return the share of assistance: 1 below 23.5 km/h, falling to 0 at 25 km/h."""
    left_mps = CUT_OFF_MPS - speed_mps
    return min(1.0, max(0.0, left_mps / (CUT_OFF_MPS - TAPER_FROM_MPS)))


def pack_current_a(charge: float, power_w: float) -> float:
    """Solve power = (open-circuit voltage - current * resistance) * current for the current."""
    open_v = PACK_EMPTY_V + (PACK_FULL_V - PACK_EMPTY_V) * charge
    # never negative: the pack can give open_v ** 2 / (4 * PACK_OHM), 2,250 W when empty
    return (open_v - sqrt(open_v * open_v - 4 * PACK_OHM * power_w)) / (2 * PACK_OHM)


def _next_charge(bike: Vehicle, charge: float, motor_w: float, dt_s: float) -> float:
    """Count coulombs: subtract the current of motor and electronics from the charge."""
    current_a = pack_current_a(charge, motor_w / MOTOR_EFFICIENCY + ELECTRONICS_W)
    return max(0.0, charge - current_a * dt_s / bike.capacity_as)


def _next_speed(
    mass_kg: float, speed_mps: float, drive_w: float, against_n: float, dt_s: float
) -> float:
    """Return the speed after a step: driven by power, at launch by at most a constant force."""
    driven_mps = _solve(mass_kg, speed_mps, drive_w * dt_s, against_n * dt_s / 2)
    if speed_mps >= LAUNCH_SPEED_MPS:
        return driven_mps
    pushed_n_s = (against_n - drive_w / LAUNCH_SPEED_MPS) * dt_s / 2
    return min(driven_mps, _solve(mass_kg, speed_mps, 0.0, pushed_n_s))


def _solve(mass_kg: float, speed_mps: float, drive_j: float, half_loss_n_s: float) -> float:
    """Solve a step's energy balance ``m (u² - v²) / 2 = P dt - F dt (v + u) / 2`` for ``u``.

    This quadratic is stable for any length of the step. Adding up ``dv/dt`` would need short steps
    where ``P / v`` is steep.
    """
    kept_j = speed_mps * (mass_kg * speed_mps / 2 - half_loss_n_s) + drive_j
    if kept_j <= 0 and half_loss_n_s >= 0:
        return 0.0
    root = sqrt(half_loss_n_s * half_loss_n_s + 2 * mass_kg * kept_j)
    return (root - half_loss_n_s) / mass_kg
