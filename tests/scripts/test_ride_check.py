from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from device.ride import Inputs, State, Vehicle, step
from scripts.recorded_rides import LONG_RIDE, recorded_ride
from scripts.ride_check import (
    PARAMETERS,
    R2_LEAST,
    Ride,
    compare,
    fit,
    free_run,
    main,
    read_ride,
    report,
    slopes,
)
from scripts.ride_plot import draw_ride

COMMITTED = [parameter.fitted for parameter in PARAMETERS]
DOCUMENT = Path(__file__).parents[2] / "docs" / "physics.md"


@pytest.fixture(scope="module")
def ride() -> Ride:
    return read_ride(recorded_ride(LONG_RIDE))


def made_up_ride(parameters: Sequence[float]) -> Ride:
    """Let the physics itself make a ride over hills, to be found again by the fit."""
    power_w = tuple(120.0 + 60 * (second // 40 % 3) for second in range(600))
    gradient = tuple(0.03 * (second // 75 % 4) - 0.05 for second in range(600))
    shape = Ride(power_w, gradient, power_w, power_w)
    return Ride(power_w, gradient, power_w, free_run(shape, parameters))


def test_physics_matches_recorded_ride(ride: Ride) -> None:
    simulated = free_run(ride, COMMITTED)
    assert len(simulated) == len(ride.speed_mps) == 8357
    assert simulated[0] == 0
    assert compare(ride.speed_mps, simulated).r2 >= R2_LEAST


def test_physics_matches_unfitted_half(ride: Ride) -> None:
    half = len(ride.speed_mps) // 2
    assert compare(ride.speed_mps[half:], free_run(ride, COMMITTED)[half:]).r2 >= R2_LEAST


def test_free_run_ignores_recorded_speed(ride: Ride) -> None:
    blind = Ride(ride.power_w, ride.gradient, ride.altitude_m, ())
    assert free_run(blind, COMMITTED) == free_run(ride, COMMITTED)


def test_free_run_uses_simulator_step() -> None:
    ride = Ride((150.0,) * 60, (0.01,) * 60, (0.0,) * 60, ())
    mass_kg, drag_area_m2, rolling_resistance, *_ = COMMITTED
    state = State()
    for _ in range(59):
        inputs = Inputs(rider_power_w=150, gradient=0.01)
        state = step(Vehicle(mass_kg, drag_area_m2, rolling_resistance), state, inputs, 1.0)
    assert free_run(ride, COMMITTED)[-1] == state.speed_mps


def test_the_parameters_are_within_their_bounds() -> None:
    assert all(parameter.low <= parameter.fitted <= parameter.high for parameter in PARAMETERS)


def test_fit_uses_first_half_only() -> None:
    whole = made_up_ride(COMMITTED)
    half = len(whole.speed_mps) // 2
    spoilt = Ride(whole.power_w, whole.gradient, (), (*whole.speed_mps[:half], *[50.0] * half))
    assert fit(spoilt) == fit(whole)


def test_fit_recovers_parameters() -> None:
    made = made_up_ride([88.0, 0.45, 0.006, 0.075, 10.0])
    assert compare(made.speed_mps, free_run(made, fit(made))).rmse_kmh < 0.5


def test_slope_at_standstill() -> None:
    distance_m = tuple(float(metre) for metre in [*range(500), *[499] * 20, *range(500, 1000)])
    altitude_m = tuple(100 + metre / 20 for metre in distance_m)
    steady = slopes(distance_m, altitude_m)[60:-60]
    assert steady == pytest.approx([0.05] * len(steady))


def test_documented_figures_are_current(ride: Ride) -> None:
    for line in report(ride, COMMITTED).splitlines():
        assert line in DOCUMENT.read_text("utf-8")


def test_picture_shows_speeds_and_road(ride: Ride) -> None:
    picture = ET.fromstring(draw_ride(ride.speed_mps, ride.speed_mps, ride.altitude_m))  # noqa: S314  # drawn here
    names = [element.tag.rpartition("}")[2] for element in picture.iter()]
    assert names.count("polyline") == 2
    assert names.count("polygon") == 1


def test_the_command_draws_and_judges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "ride.svg"
    assert main(["--plot", str(plot)]) == 0
    assert plot.read_text("utf-8").startswith("<svg")
    assert "second half (not fitted)" in capsys.readouterr().out


def test_unusable_ride_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(recorded_ride("6471559601_ACTIVITY.fit"))]) == 2
    assert capsys.readouterr().err == "ride-check: a point of the ride has no altitude_m\n"
