"""Compare the physics of :mod:`device.ride` with a recorded ride.

How it works. The simulated bike starts from standstill and gets the recorded power and the slope of
the recorded road, but never the recorded speed. Its parameters were fitted to the first half of the
ride, so the second half is an independent test.
"""

import argparse
import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import fmean

from device.ride import Inputs, State, Vehicle, step
from device.rider import Rider, brake_on_descent
from device.sources.decoders.point import Point
from device.sources.decoders.ride import read_ride as read_file
from scripts.recorded_rides import LONG_RIDE, recorded_ride
from scripts.ride_plot import draw_ride
from shared.console import tell
from shared.errors import SourceError
from shared.program import run

R2_LEAST = 0.75
SLOPE_WITHIN_M = 60.0
"""The slope is averaged over this distance to both sides; the altimeter resolves 0.2 m."""

PLOT = Path("docs/images/ride-check.svg")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A fitted parameter: its name, its current value and its bounds."""

    name: str
    fitted: float
    low: float
    high: float


PARAMETERS = (
    Parameter("mass_kg", 96.0, 70.0, 110.0),
    Parameter("drag_area_m2", 0.41, 0.27, 0.58),
    Parameter("rolling_resistance", 0.0064, 0.004, 0.012),
    Parameter("steep_gradient", 0.075, 0.03, 0.12),
    Parameter("descent_mps", 10.0, 5.0, 20.0),
)
"""``fitted`` is the result of ``--fit`` for the first half. docs/physics.md explains the bounds."""

HALVINGS = 6
"""The steps of the search begin at a quarter of the range and end at a 128th."""

Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ride:
    """A recorded ride with one entry per second: the forces on the bike and its speed."""

    power_w: Values
    gradient: Values
    altitude_m: Values
    speed_mps: Values


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two series of speeds agree."""

    r2: float
    rmse_kmh: float


def read_ride(path: Path) -> Ride:
    """Read a ride. Raises ValueError if a value is missing in any second."""
    points = read_file(path.read_bytes()).points
    steps_s = {b.time_s - a.time_s for a, b in pairwise(points)}
    if steps_s != {1.0}:
        raise ValueError(f"{path} does not have one point every second")
    distance_m, altitude_m = _column(points, "distance_m"), _column(points, "altitude_m")
    return Ride(
        power_w=_column(points, "power_w"),
        gradient=tuple(slopes(distance_m, altitude_m)),
        altitude_m=altitude_m,
        speed_mps=_column(points, "speed_mps"),
    )


def slopes(distance_m: Values, altitude_m: Values) -> list[float]:
    """Return the slope of the road at each point: rise over run between two points around it."""
    around = ((m - SLOPE_WITHIN_M, m + SLOPE_WITHIN_M) for m in distance_m)
    return [
        (_height(distance_m, altitude_m, ahead) - _height(distance_m, altitude_m, behind))
        / (ahead - behind)
        for behind, ahead in around
    ]


def free_run(ride: Ride, parameters: Sequence[float], *, brakes: bool = True) -> Values:
    """Simulate the ride without correction. Return one speed in m/s for each recorded one."""
    mass_kg, drag_area_m2, rolling_resistance, steep_gradient, descent_mps = parameters
    bike = Vehicle(mass_kg, drag_area_m2, rolling_resistance)
    rider = Rider(steep_gradient=steep_gradient, descent_mps=descent_mps)
    state, speeds = State(), []
    for power_w, gradient in zip(ride.power_w, ride.gradient, strict=True):
        speeds.append(state.speed_mps)
        brake_mps2 = brake_on_descent(rider, state.speed_mps, gradient) if brakes else 0.0
        inputs = Inputs(power_w, gradient=gradient, brake_mps2=brake_mps2)
        state = step(bike, state, inputs, dt_s=1.0)
    return tuple(speeds)


def compare(recorded: Sequence[float], simulated: Sequence[float]) -> Agreement:
    """Return R² and the root mean square of the differences."""
    mean = fmean(recorded)
    apart = sum((a - b) ** 2 for a, b in zip(recorded, simulated, strict=True))
    r2 = 1 - apart / sum((speed - mean) ** 2 for speed in recorded)
    return Agreement(r2, 3.6 * sqrt(apart / len(recorded)))


def fit(ride: Ride) -> Values:
    """Fit the parameters to the first half: try a step in both directions, halve the steps."""
    half = len(ride.speed_mps) // 2
    first = Ride(ride.power_w[:half], ride.gradient[:half], (), ride.speed_mps[:half])

    def badness(values: Sequence[float]) -> float:
        return compare(first.speed_mps, free_run(first, values)).rmse_kmh

    best = tuple((p.low + p.high) / 2 for p in PARAMETERS)
    for halving in range(2, 2 + HALVINGS):
        best = _descend(badness, best, [(p.high - p.low) / 2**halving for p in PARAMETERS])
    return best


def _descend(badness: Callable[[Values], float], best: Values, steps: Sequence[float]) -> Values:
    """Change one parameter at a time while the error decreases."""
    least, moved = badness(best), True
    while moved:
        moved = False
        for index, move in ((i, sign * size) for i, size in enumerate(steps) for sign in (1, -1)):
            tried = tuple(
                _within(PARAMETERS[i], value + move) if i == index else value
                for i, value in enumerate(best)
            )
            if (found := badness(tried)) < least:
                best, least, moved = tried, found, True
    return best


def _within(parameter: Parameter, value: float) -> float:
    return min(parameter.high, max(parameter.low, value))


def _column(points: Sequence[Point], name: str) -> Values:
    values = [getattr(point, name) for point in points]
    if None in values:
        raise ValueError(f"a point of the ride has no {name}")
    return tuple(values)


def _height(distance_m: Values, altitude_m: Values, here_m: float) -> float:
    """Return the height at a distance, interpolated between two points."""
    after = min(max(1, bisect_right(distance_m, here_m)), len(distance_m) - 1)
    way_m = distance_m[after] - distance_m[after - 1]
    if way_m <= 0:
        return altitude_m[after]
    part = min(1.0, max(0.0, (here_m - distance_m[after - 1]) / way_m))
    return altitude_m[after - 1] + part * (altitude_m[after] - altitude_m[after - 1])


def report(ride: Ride, parameters: Sequence[float]) -> str:
    """Describe how well the simulation matches the ride: in total, and in each half."""
    half, simulated = len(ride.speed_mps) // 2, free_run(ride, parameters)
    no_brakes = free_run(ride, parameters, brakes=False)
    rows = {
        "whole ride": compare(ride.speed_mps, simulated),
        "first half (fitted)": compare(ride.speed_mps[:half], simulated[:half]),
        "second half (not fitted)": compare(ride.speed_mps[half:], simulated[half:]),
        "whole ride, never braking": compare(ride.speed_mps, no_brakes),
    }
    fitted = ", ".join(f"{p.name} {v:.4g}" for p, v in zip(PARAMETERS, parameters, strict=True))
    table = [f"{name:<26} R² {a.r2:.3f}   RMSE {a.rmse_kmh:.2f} km/h" for name, a in rows.items()]
    return "\n".join([fitted, *table])


def main(arguments: Sequence[str]) -> int:
    """Print and draw the comparison. Return 1 if R² is too low, 2 without a ride."""
    parser = argparse.ArgumentParser(prog="scripts/ride-check", description=__doc__)
    parser.add_argument("ride", nargs="?", type=Path, help="a FIT file with power")
    parser.add_argument(
        "--fit", action="store_true", help="fit the parameters again; takes seconds"
    )
    parser.add_argument(
        "--plot", type=Path, default=PLOT, help=f"the file for the picture ({PLOT})"
    )
    options = parser.parse_args(arguments)
    try:
        ride = read_ride(options.ride or recorded_ride(LONG_RIDE))
    except (OSError, ValueError, SourceError) as error:
        tell(f"ride-check: {error}\n")
        return 2
    parameters = fit(ride) if options.fit else [p.fitted for p in PARAMETERS]
    print(report(ride, parameters))
    simulated = free_run(ride, parameters)
    options.plot.write_text(draw_ride(ride.speed_mps, simulated, ride.altitude_m), "utf-8")
    return int(compare(ride.speed_mps, simulated).r2 < R2_LEAST)


if __name__ == "__main__":
    run(partial(main, sys.argv[1:]), unread=1)
