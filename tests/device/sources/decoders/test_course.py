from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.sources.decoders.course import Course, plan_course
from device.sources.decoders.point import Point
from shared.reading import NUMBER_RANGES
from tests.device.sources.recordings import DEGREE_M


def at(second: float, metres: float, part: int = 0, **more: Any) -> Point:
    """Make a point so far north."""
    point = Point(second, part, latitude_deg=48 + metres / DEGREE_M, longitude_deg=7.0)
    return point._replace(**more)


def steady(n: int = 20, **more: Any) -> list[Point]:
    return [at(t, 5 * t)._replace(**more) for t in range(n)]


def measured(n: int = 20, start_m: float = 0) -> list[Point]:
    return [Point(t, distance_m=start_m + 5 * t) for t in range(n)]


def dues(course: Course) -> list[float]:
    return [moment.due_s for moment in course.moments]


def speeds(course: Course) -> list[float]:
    return [moment.speed_kmh for moment in course.moments]


def odometer(course: Course) -> list[float]:
    return [one.values["odometer_km"] for one in course.moments if "odometer_km" in one.values]


NOWHERE = [(0.0, 0.0), (100.0, 180.0), (47.0, 7.0), (48.0, -170.0), (-90.0, 0.0)]


@pytest.mark.parametrize("where", NOWHERE)
@pytest.mark.parametrize("index", [0, 1, 7, 18, 19])
def test_wrong_position_spoils_itself(where: tuple[float, float], index: int) -> None:
    points = steady()
    points[index] = points[index]._replace(latitude_deg=where[0], longitude_deg=where[1])
    course = plan_course(points)
    assert len(course.moments) == 19
    assert course.left_out.total() == 1
    assert speeds(course)[2:] == pytest.approx([18] * 17, abs=0.05)
    assert odometer(course)[-1] == pytest.approx(0.095, abs=0.006)


@pytest.mark.parametrize("wrong_m", [-1, 4e7, 1e9, 0])
@pytest.mark.parametrize("index", [1, 7, 18, 19])
def test_wrong_distance_spoils_itself(wrong_m: float, index: int) -> None:
    points = measured(start_m=1_000)
    points[index] = points[index]._replace(distance_m=wrong_m)
    course = plan_course(points)
    assert len(course.moments) == 19
    assert max(speeds(course)) == 18
    assert odometer(course)[0] == 1
    assert odometer(course)[-1] == pytest.approx(1.095, abs=0.006)


def test_wrong_first_distance() -> None:
    course = plan_course([Point(0, distance_m=9e6), *measured()[1:]])
    assert (len(course.moments), course.left_out) == (19, {"impossible_jump": 1})
    assert odometer(course)[-1] == 0.095


@pytest.mark.parametrize("wrong_mps", [-1, -7, 50, 65.535, 1e6])
def test_wrong_speed_is_told_by_the_way(wrong_mps: float) -> None:
    points = steady(speed_mps=5)
    points[7] = points[7]._replace(speed_mps=wrong_mps)
    assert speeds(plan_course(points)) == pytest.approx([18] * 20, abs=0.05)


@pytest.mark.parametrize(("wrong_mps", "why"), [(-1, "no_speed"), (50, "impossible_speed")])
def test_wrong_speed_without_distance(wrong_mps: float, why: str) -> None:
    points = [Point(t, speed_mps=wrong_mps if t == 7 else 5) for t in range(20)]
    course = plan_course(points)
    assert (len(course.moments), course.left_out) == (19, {why: 1})


def test_speeds_that_are_all_0_are_none() -> None:
    assert speeds(plan_course(steady(40, speed_mps=0)))[1:] == pytest.approx([18] * 39, abs=0.05)


def test_standstill_is_believed() -> None:
    points = [at(t, 0, speed_mps=0) for t in range(40)]
    assert speeds(plan_course(points)) == [0] * 40


def test_distance_that_begins_anew_goes_on() -> None:
    course = plan_course([*measured(), *(one._replace(time_s=20 + t) for t, one in lap())])
    assert odometer(course) == sorted(odometer(course))
    assert odometer(course)[-1] == pytest.approx(0.19, abs=0.006)
    assert course.left_out.total() <= 1


def lap() -> list[tuple[int, Point]]:
    return list(enumerate(measured()))


def test_next_activity_begins_anew_without_loss() -> None:
    later = [one._replace(time_s=60 + t, part=1) for t, one in lap()]
    course = plan_course([*measured(), *later])
    assert course.left_out == {}
    assert odometer(course)[-1] == 0.19


def test_jump_of_place_counts_no_way() -> None:
    course = plan_course([*steady(), *(at(20 + t, 500_000 + 5 * t) for t in range(20))])
    assert odometer(course)[-1] == pytest.approx(0.19, abs=0.006)
    assert (len(course.moments), course.left_out) == (39, {"impossible_jump": 1})


def test_consecutive_laps_are_one_part() -> None:
    course = plan_course([at(t, 5 * t, part=t // 5) for t in range(20)])
    assert speeds(course)[1:] == pytest.approx([18] * 19, abs=0.05)


def test_distances_in_kilometres_give_way_to_positions() -> None:
    points = [one._replace(distance_m=0.005 * t) for t, one in enumerate(steady(40))]
    assert speeds(plan_course(points))[1:] == pytest.approx([18] * 39, abs=0.05)


def test_distances_count_indoors() -> None:
    points = [at(t, 0, distance_m=5.0 * t) for t in range(40)]
    assert speeds(plan_course(points))[1:] == [18] * 39


def test_parts_may_measure_in_different_ways() -> None:
    first = [at(t, 5 * t) for t in range(20)]
    second = [Point(60 + t, 1, distance_m=9_000 + 5.0 * t) for t in range(20)]
    course = plan_course([*first, *second])
    assert course.left_out == {}
    assert odometer(course)[-1] == pytest.approx(0.19, abs=0.002)


def test_across_the_date_line() -> None:
    points = [
        Point(t, latitude_deg=0.5, longitude_deg=(180 - 5e-5 * t + 180) % 360 - 180)
        for t in range(-5, 5)
    ]
    assert max(speeds(plan_course(points))) < 21


# --- time --------------------------------------------------------------------------------------


def test_points_of_one_moment_are_merged() -> None:
    split = [one for t in range(20) for one in (Point(t, power_w=140), Point(t, speed_mps=5))]
    course = plan_course(split)
    assert (len(course.moments), course.merged, course.left_out) == (20, 20, {})
    assert all(one.values["power_w"] == 140 for one in course.moments)


def test_late_points_are_put_in_place() -> None:
    points = steady()
    points[4], points[5] = points[5], points[4]
    points.append(Point(18, power_w=7))
    course = plan_course(points)
    assert dues(course) == list(range(20))
    assert course.moments[18].values["power_w"] == 7


@pytest.mark.parametrize("wrong_s", [-1.6e9, 4e9, 5_000])
def test_wrong_time_spoils_itself(wrong_s: float) -> None:
    points = steady()
    points[7] = points[7]._replace(time_s=wrong_s)
    course = plan_course(points)
    assert (course.left_out, course.pauses_s, course.clock_back) == ({"wrong_time": 1}, [], 0)
    assert dues(course)[-1] == 19


@pytest.mark.parametrize("jump_s", [3_600, 68_342_400])
def test_clock_that_was_set_costs_seconds(jump_s: float) -> None:
    points = [
        one._replace(time_s=one.time_s + (jump_s if one.time_s >= 5 else 0)) for one in steady()
    ]
    course = plan_course(points)
    assert dues(course)[-1] == 18 + 10
    assert course.pauses_s == [jump_s + 1]


def test_clock_that_went_back() -> None:
    points = [
        one._replace(time_s=one.time_s - (3_600 if one.time_s >= 5 else 0)) for one in steady()
    ]
    course = plan_course(points)
    assert dues(course)[-1] == 18
    assert (course.clock_back, len(course.moments)) == (1, 20)


def test_short_pause_keeps_its_time() -> None:
    assert dues(plan_course([at(0, 0), at(1, 5), at(60, 10), at(61, 15)])) == [0, 1, 60, 61]


def test_seldom_points_are_no_pauses() -> None:
    course = plan_course([at(600 * t, 500 * t) for t in range(10)])
    assert (dues(course)[-1], course.pauses_s) == (5_400, [])


POINTS = st.builds(
    Point,
    st.floats(-1e10, 1e10) | st.integers(0, 60).map(float),
    st.integers(0, 3),
    *[st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-200, 200)] * 11,
)


@settings(max_examples=40)
@given(st.lists(POINTS, max_size=30))
def test_invariants_of_any_points(points: list[Point]) -> None:
    course = plan_course(points)
    assert dues(course) == sorted(dues(course))
    assert odometer(course) == sorted(odometer(course))
    assert len(course.moments) + course.left_out.total() + course.merged == len(points)
    assert all(0 <= speed <= 200 for speed in speeds(course))
    for moment in course.moments:
        for key, value in moment.values.items():
            assert NUMBER_RANGES[key][0] <= value <= NUMBER_RANGES[key][1]
