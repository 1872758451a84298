from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.ride import (
    CUT_OFF_MPS,
    ELECTRONICS_W,
    GRAVITY_MPS2,
    LAUNCH_SPEED_MPS,
    MOTOR_EFFICIENCY,
    MOTOR_LIMIT_W,
    PACK_EMPTY_V,
    PACK_FULL_V,
    PACK_OHM,
    Inputs,
    State,
    Vehicle,
    motor_power_w,
    pack_current_a,
    resistance_n,
    step,
    taper,
)
from shared.reading import SPEED_RANGE_KMH

KMH = 1 / 3.6
CHECK_BIKE = Vehicle(mass_kg=100, drag_area_m2=0.55, rolling_resistance=0.006)

steps_s = st.floats(0.01, 1.0)
bikes = st.builds(
    Vehicle,
    mass_kg=st.floats(60, 150),
    drag_area_m2=st.floats(0.27, 0.58),
    rolling_resistance=st.floats(0.004, 0.012),
    drivetrain_efficiency=st.just(0.98),
    capacity_as=st.floats(20_000, 100_000),
)
states = st.builds(
    State,
    speed_mps=st.floats(0, 25),
    distance_m=st.floats(0, 1e5),
    charge=st.floats(0, 1),
)
inputs = st.builds(
    Inputs,
    rider_power_w=st.floats(0, 1500),
    cadence_rpm=st.floats(0, 200),
    gradient=st.floats(-0.25, 0.25),
    headwind_mps=st.floats(-15, 15),
    assist=st.floats(0, 4),
    brake_mps2=st.floats(0, 5),
)


def ride_on(bike: Vehicle, state: State, doing: Inputs, dt_s: float, for_s: float) -> State:
    for _ in range(round(for_s / dt_s)):
        state = step(bike, state, doing, dt_s)
    return state


def test_resistance_at_25_kmh() -> None:
    speed_mps = 25 * KMH
    rolling_w = resistance_n(CHECK_BIKE, 0, 0, 0) * speed_mps
    drag_w = resistance_n(CHECK_BIKE, speed_mps, 0, 0) * speed_mps - rolling_w
    assert drag_w == pytest.approx(113, abs=0.5)
    assert rolling_w == pytest.approx(41, abs=0.5)


def test_157_w_lead_to_25_kmh() -> None:
    rider = Inputs(rider_power_w=157, cadence_rpm=70)
    end = ride_on(CHECK_BIKE, State(), rider, dt_s=0.5, for_s=600)
    assert end.speed_mps / KMH == pytest.approx(25, abs=0.05)


def test_without_drive_or_losses_height_becomes_speed() -> None:
    smooth = Vehicle(mass_kg=100, drag_area_m2=0, rolling_resistance=0)
    end = ride_on(smooth, State(), Inputs(gradient=-0.05), dt_s=0.1, for_s=20)
    fallen_m = end.distance_m * 0.05 / (1 + 0.05**2) ** 0.5
    assert end.speed_mps**2 / 2 == pytest.approx(GRAVITY_MPS2 * fallen_m)


@settings(deadline=None)
@given(bikes, states, inputs, steps_s)
def test_energy_is_conserved(bike: Vehicle, start: State, doing: Inputs, dt_s: float) -> None:
    end = step(bike, start, doing, dt_s)
    way_m = end.distance_m - start.distance_m
    drive_w = bike.drivetrain_efficiency * doing.rider_power_w + motor_power_w(start, doing)
    drive_j = drive_w * dt_s
    if start.speed_mps < LAUNCH_SPEED_MPS:  # the launch force gives less, until power is the limit
        drive_j = min(drive_j, drive_w / LAUNCH_SPEED_MPS * way_m)
    against_n = resistance_n(bike, start.speed_mps, doing.gradient, doing.headwind_mps)
    lost_j = (against_n + bike.mass_kg * doing.brake_mps2) * way_m
    gained_j = bike.mass_kg * (end.speed_mps**2 - start.speed_mps**2) / 2
    if end.speed_mps > 0:
        assert gained_j + lost_j == pytest.approx(drive_j, abs=1e-3, rel=1e-6)
    else:  # it came to rest within the step: the losses would have taken even more
        assert gained_j + lost_j >= drive_j - 1e-3


@settings(deadline=None)
@given(bikes, states, inputs, steps_s)
def test_step_never_reverses_or_charges(
    bike: Vehicle, start: State, doing: Inputs, dt_s: float
) -> None:
    end = step(bike, start, doing, dt_s)
    assert end.speed_mps >= 0
    assert end.distance_m >= start.distance_m
    assert 0 <= end.charge <= start.charge
    assert end.charge < start.charge or start.charge < 1e-6


@settings(deadline=None, max_examples=50)
@given(bikes, st.lists(st.tuples(inputs, steps_s), min_size=20, max_size=60))
def test_speed_stays_within_reading_limit(
    bike: Vehicle, doings: list[tuple[Inputs, float]]
) -> None:
    state = State()
    for doing, dt_s in doings * 3:
        state = step(bike, state, doing, dt_s)
        assert 0 <= state.speed_mps / KMH <= SPEED_RANGE_KMH[1]


@given(states, inputs)
def test_the_motor_stays_within_the_law(state: State, doing: Inputs) -> None:
    power_w = motor_power_w(state, doing)
    assert 0 <= power_w <= MOTOR_LIMIT_W
    if state.speed_mps >= CUT_OFF_MPS or doing.cadence_rpm == 0 or doing.rider_power_w == 0:
        assert power_w == 0


@pytest.mark.parametrize(
    ("speed_kmh", "share"), [(0, 1), (23.5, 1), (24.25, 0.5), (25, 0), (25.1, 0), (60, 0)]
)
def test_assistance_fades_out_before_25_kmh(speed_kmh: float, share: float) -> None:
    assert taper(speed_kmh * KMH) == pytest.approx(share)


def test_motor_limit_of_250_w() -> None:
    slow = State(speed_mps=3)
    assert motor_power_w(slow, Inputs(rider_power_w=100, cadence_rpm=60, assist=1.2)) == 120
    assert motor_power_w(slow, Inputs(rider_power_w=150, cadence_rpm=60, assist=3)) == 250


def test_empty_battery_gives_no_power() -> None:
    rider = Inputs(rider_power_w=120, cadence_rpm=60, assist=2)
    empty = State(charge=0)
    end = ride_on(CHECK_BIKE, empty, rider, dt_s=1, for_s=120)
    assert motor_power_w(empty, rider) == 0
    assert end.speed_mps / KMH == pytest.approx(22, abs=1)


@given(st.floats(0, 1), st.floats(0, 400))
def test_pack_power_is_voltage_times_current(charge: float, power_w: float) -> None:
    current_a = pack_current_a(charge, power_w)
    open_v = PACK_EMPTY_V + charge * (PACK_FULL_V - PACK_EMPTY_V)
    assert (open_v - current_a * PACK_OHM) * current_a == pytest.approx(power_w, abs=1e-6)


def test_energy_of_full_battery() -> None:
    climb = Inputs(rider_power_w=100, cadence_rpm=60, gradient=0.06, assist=2)
    drawn_w = 200 / MOTOR_EFFICIENCY + ELECTRONICS_W
    state, seconds = State(), 0
    while state.charge > 0:
        state = step(CHECK_BIKE, state, climb, dt_s=1)
        seconds += 1
    lost_wh = (drawn_w / 36) ** 2 * PACK_OHM * seconds / 3600
    assert drawn_w * seconds / 3600 + lost_wh == pytest.approx(500, rel=0.01)


@settings(deadline=None, max_examples=30)
@given(
    bikes,
    st.floats(40, 400),
    st.floats(-0.06, 0.12),
    st.floats(-5, 5),
    st.sampled_from([0.1, 0.25, 0.5, 1.0]),
)
def test_final_speed_at_any_step(
    bike: Vehicle, power_w: float, gradient: float, wind_mps: float, dt_s: float
) -> None:
    doing = Inputs(power_w, 60, gradient, wind_mps, assist=1)
    coarse = ride_on(bike, State(), doing, dt_s, for_s=240)
    fine = ride_on(bike, State(), doing, 0.05, for_s=240)
    assert coarse.speed_mps == pytest.approx(fine.speed_mps, rel=0.02, abs=0.02)


@settings(deadline=None, max_examples=50)
@given(bikes, st.floats(40, 400), st.floats(0, 0.12), steps_s)
def test_a_start_picks_up_speed_without_oscillating(
    bike: Vehicle, power_w: float, gradient: float, dt_s: float
) -> None:
    doing, state, speeds = Inputs(power_w, 60, gradient), State(), [-inf]
    for _ in range(100):
        speeds.append(state.speed_mps)
        state = step(bike, state, doing, dt_s)
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(speeds))


def test_brakes_stop_and_hold() -> None:
    brakes = Inputs(gradient=-0.08, brake_mps2=2)
    end = ride_on(CHECK_BIKE, State(speed_mps=7), brakes, dt_s=0.25, for_s=30)
    assert end.speed_mps == 0
    assert end.distance_m == pytest.approx(7**2 / (2 * 1.4), rel=0.1)
