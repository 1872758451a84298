"""Decides which values of a ride to believe, and measures the distance between them.

How it works. Distances, positions and speeds are judged alike. Consecutive values that a bike can
reach one from the other form a chain; an impossible jump begins another chain. A chain of a single
value is an error of the recorder if its part of the ride has longer chains. All longer chains are
believed, because a recorder may start again (the next activity, a lap that counts from 0). No
distance is counted from one chain to the next. So an impossible value spoils only itself.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from device.sources.decoders.point import Point
from shared.reading import NUMBER_RANGES, SPEED_RANGE_KMH

SPEED_MAX_MPS = SPEED_RANGE_KMH[1] / 3.6
_SLACK_M = 5.0
"""Positions are this inexact, and recorders correct distances by as much."""

_ACCELERATION_MPS2 = 10.0
_SPEED_SLACK_MPS = 10.0
"""Hard braking is 1 g. A greater change, beyond the noise of GPS, is a jump."""

_POLE_DEG = 90
_EARTH_RADIUS_M = 6_378_137.0
_WAY_LEAST_M = 100.0
_HARDLY = 0.2
"""Recorded distances are wrong (stuck, not in metres) below this share of the way by positions."""


class Known(NamedTuple):
    """A value of the point with index ``at``; a position has two numbers."""

    at: int
    time_s: float
    part: int
    value: tuple[float, ...]


class Step(NamedTuple):
    """The distance and time since the point ``since``, which is None where a chain begins."""

    since: int | None
    way_m: float
    elapsed_s: float
    begins_part: bool


Chain = list[Known]
Between = Callable[[Known, Known], float]
Fits = Callable[[Known, Known], bool]


def steps_of(points: Sequence[Point]) -> tuple[dict[int, Step], float]:
    """Return the step to each believed point by its index, and the distance at the start in m.

    In each part of the ride the file's own distances are used, unless they hardly grow while the
    position moves, or most points have none. Then positions are used.
    """
    distances = _steps(_chains(_distances(points), _distance_fits, bridges=True), _way_m)
    positions = _steps(_chains(_positions(points), _position_fits, bridges=False), _apart_m)
    measured = _parts_by_distance(points, distances, positions)
    steps: dict[int, Step] = {}
    for index, point in enumerate(points):
        step = (distances if point.part in measured else positions).get(index)
        if step is None:
            continue
        if step.since is not None and (points[step.since].part in measured) != (
            point.part in measured
        ):
            step = Step(None, 0.0, 0.0, begins_part=True)  # the way was counted by positions
        steps[index] = step
    return steps, _start_m(points, steps, measured)


def believed_speeds(points: Sequence[Point], way_m: float) -> dict[int, float]:
    """Return the file's own speeds in m/s by index; none if all are 0 although the bike moved."""
    known = [
        Known(index, point.time_s, point.part, (point.speed_mps,))
        for index, point in enumerate(points)
        if point.speed_mps is not None and 0 <= point.speed_mps <= SPEED_MAX_MPS
    ]
    believed = _believed(_chains(known, _speed_fits, bridges=False))
    speeds = {one.at: one.value[0] for chain in believed for one in chain}
    return {} if way_m > _WAY_LEAST_M and not any(speeds.values()) else speeds


def has_position(point: Point) -> bool:
    """Tell whether a point has a valid position; recorders write 0/0 for "not known"."""
    latitude, longitude = point.latitude_deg, point.longitude_deg
    if latitude is None or longitude is None:
        return False
    return (
        abs(latitude) <= _POLE_DEG
        and abs(longitude) <= 2 * _POLE_DEG
        and (latitude != 0 or longitude != 0)
    )


def _chains(known: Iterable[Known], fits: Fits, *, bridges: bool) -> list[Chain]:
    """Sort values into chains; with ``bridges`` a chain may continue in the next part."""
    chains: list[Chain] = []
    current: Chain | None = None
    other: Chain | None = None
    for one in known:
        if current and one.part != current[-1].part:
            other = None
            if not (bridges and fits(current[-1], one)):
                current = None
        if current and fits(current[-1], one):
            current.append(one)
            other = None
        elif other and fits(other[-1], one):
            other.append(one)
            current, other = other, None
        else:
            chains.append([one])
            current, other = (chains[-1], None) if current is None else (current, chains[-1])
    return chains


def _believed(chains: Sequence[Chain]) -> Iterator[Chain]:
    long = {one.part for chain in chains if len(chain) > 1 for one in chain}
    return (chain for chain in chains if len(chain) > 1 or chain[0].part not in long)


def _steps(chains: Sequence[Chain], between: Between) -> dict[int, Step]:
    steps: dict[int, Step] = {}
    begun: set[int] = set()
    for chain in sorted(_believed(chains), key=lambda chain: chain[0].at):
        last = None
        for one in chain:
            if last is None:
                steps[one.at] = Step(None, 0.0, 0.0, one.part not in begun)
            else:
                elapsed_s = one.time_s - last.time_s
                steps[one.at] = Step(last.at, between(last, one), elapsed_s, begins_part=False)
            begun.add(one.part)
            last = one
    return steps


def _parts_by_distance(
    points: Sequence[Point], distances: Mapping[int, Step], positions: Mapping[int, Step]
) -> set[int]:
    """Return the parts of the ride in which the file's own distances are used."""
    totals: list[tuple[Counter[int], dict[int, float]]] = []
    for steps in (distances, positions):
        count, way_m = Counter[int](), dict[int, float]()
        for index, step in steps.items():
            part = points[index].part
            count[part] += 1
            way_m[part] = way_m.get(part, 0.0) + step.way_m
        totals.append((count, way_m))
    (measured, measured_m), (placed, placed_m) = totals
    return {
        part
        for part in measured
        if 2 * measured[part] >= placed[part]
        and not (
            placed_m.get(part, 0.0) > _WAY_LEAST_M and measured_m[part] < _HARDLY * placed_m[part]
        )
    }


def _start_m(points: Sequence[Point], steps: Mapping[int, Step], measured: set[int]) -> float:
    first = points[min(steps)] if steps else None
    if first is None or first.part not in measured or first.distance_m is None:
        return 0.0
    return first.distance_m if first.distance_m <= 1000 * NUMBER_RANGES["odometer_km"][1] else 0.0


def _distances(points: Iterable[Point]) -> Iterator[Known]:
    for index, point in enumerate(points):
        if point.distance_m is not None and point.distance_m >= 0:
            yield Known(index, point.time_s, point.part, (point.distance_m,))


def _positions(points: Iterable[Point]) -> Iterator[Known]:
    for index, point in enumerate(points):
        if has_position(point):
            place = (point.latitude_deg or 0.0, point.longitude_deg or 0.0)
            yield Known(index, point.time_s, point.part, place)


def _way_m(earlier: Known, later: Known) -> float:
    return max(0.0, later.value[0] - earlier.value[0])


def _apart_m(earlier: Known, later: Known) -> float:
    """Measure along the surface of a round earth (the haversine formula)."""
    (north_1, east_1), (north_2, east_2) = (map(radians, one.value) for one in (earlier, later))
    across = sin((east_2 - east_1) / 2) ** 2 * cos(north_1) * cos(north_2)
    return 2 * _EARTH_RADIUS_M * asin(min(1.0, sqrt(sin((north_2 - north_1) / 2) ** 2 + across)))


def _distance_fits(earlier: Known, later: Known) -> bool:
    grown_m, elapsed_s = later.value[0] - earlier.value[0], later.time_s - earlier.time_s
    return elapsed_s >= 0 and -_SLACK_M <= grown_m <= SPEED_MAX_MPS * elapsed_s + _SLACK_M


def _position_fits(earlier: Known, later: Known) -> bool:
    elapsed_s = later.time_s - earlier.time_s
    return elapsed_s >= 0 and _apart_m(earlier, later) <= SPEED_MAX_MPS * elapsed_s + _SLACK_M


def _speed_fits(earlier: Known, later: Known) -> bool:
    elapsed_s = later.time_s - earlier.time_s
    change_mps = abs(later.value[0] - earlier.value[0])
    return elapsed_s >= 0 and change_mps <= _ACCELERATION_MPS2 * elapsed_s + _SPEED_SLACK_MPS
