from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.schedule import (
    LATE_MAX_S,
    STATUS_INTERVAL_S,
    TURN_TASKS_MAX,
    Schedule,
    TaskKind,
    schedule_fleet,
)

START_S = 1000.0


class Ride:
    """A fleet whose bikes always have a next sample, and the readings they published."""

    def __init__(self, bikes: int, interval_s: float) -> None:
        self.interval_s = interval_s
        self.schedule = schedule_fleet([interval_s] * bikes, START_S)
        self.published: list[tuple[float, int]] = []
        self.statuses: list[tuple[float, int]] = []
        self.samples = [0] * bikes
        for bike in range(bikes):
            self.schedule.plan_reading(bike, 0.0, START_S)

    def turn(self, now_s: float) -> None:
        for kind, bike in self.schedule.take_due(now_s):
            if kind is TaskKind.STATUS:
                self.statuses.append((now_s, bike))
                continue
            self.published.append((now_s, bike))
            self.samples[bike] += 1
            self.schedule.plan_reading(bike, self.samples[bike] * self.interval_s, now_s)

    def run(self, until_s: float, late_s: float = 0.0) -> None:
        while (due_s := self.schedule.next_due_s()) <= until_s:
            self.turn(due_s + late_s)


def test_due_times_count_from_start() -> None:
    ride = Ride(bikes=1, interval_s=0.25)
    ride.run(until_s=START_S + 1.0)
    assert [time - START_S for time, _ in ride.published] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_no_drift_when_always_late() -> None:
    ride = Ride(bikes=1, interval_s=0.1)
    ride.run(until_s=START_S + 60.0, late_s=0.03)
    assert len(ride.published) == pytest.approx(600, abs=1)
    assert ride.schedule.take_moved() == 0.0


def test_a_fleet_is_spread_over_its_interval() -> None:
    ride = Ride(bikes=4, interval_s=1.0)
    ride.run(until_s=START_S + 0.9)
    assert [(time - START_S, bike) for time, bike in ride.published] == [
        (0.0, 0),
        (0.25, 1),
        (0.5, 2),
        (0.75, 3),
    ]


def test_irregular_bikes_are_spread() -> None:
    schedule = schedule_fleet([0.0, 0.0], START_S)
    for bike in range(2):
        schedule.plan_reading(bike, 0.0, START_S)
    assert schedule.take_due(START_S)[-1] == (TaskKind.READING, 0)
    assert schedule.take_due(START_S + 0.5)[-1] == (TaskKind.READING, 1)


def test_statuses_are_spread() -> None:
    ride = Ride(bikes=4, interval_s=10.0)
    ride.run(until_s=START_S + 1.9)
    assert [time - START_S for time, _ in ride.statuses] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_status_before_reading() -> None:
    schedule = schedule_fleet([0.1], START_S)
    schedule.plan_reading(0, 0.0, START_S)
    assert [task.kind for task in schedule.take_due(START_S)] == [TaskKind.STATUS, TaskKind.READING]


def test_sample_without_due_time() -> None:
    schedule = schedule_fleet([0.0], START_S)
    schedule.take_due(START_S)
    schedule.plan_reading(0, None, START_S + 0.3)
    assert schedule.next_due_s() == pytest.approx(START_S + 0.3)
    assert [task.kind for task in schedule.take_due(START_S + 0.31)] == [TaskKind.READING]


def test_plan_during_turn() -> None:
    schedule = schedule_fleet([0.0], START_S)
    schedule.plan_reading(0, None, START_S)
    for _ in schedule.take_due(START_S):
        schedule.plan_reading(0, None, START_S)
    assert len(schedule.take_due(START_S)) == 2  # both planned meanwhile, no endless turn


def test_a_short_delay_is_made_up_for() -> None:
    ride = Ride(bikes=1, interval_s=0.1)
    ride.turn(START_S)
    woken_s = START_S + 0.1 + LATE_MAX_S - 0.001
    while ride.schedule.next_due_s() <= woken_s:
        ride.turn(woken_s)
    assert len(ride.published) == 6
    assert ride.schedule.next_due_s() == pytest.approx(START_S + 0.6)


def test_no_burst_after_suspension() -> None:
    ride = Ride(bikes=1, interval_s=0.1)
    ride.run(until_s=START_S + 1.0)
    before = len(ride.published)
    ride.turn(START_S + 16.0)  # suspended for 15 s
    assert len(ride.published) == before + 1
    assert ride.schedule.take_moved() == pytest.approx(14.9)
    ride.run(until_s=START_S + 17.05)
    assert len(ride.published) == before + 11


def test_fleet_stays_spread_after_suspension() -> None:
    ride = Ride(bikes=10, interval_s=1.0)
    ride.run(until_s=START_S + 5.0)
    ride.turn(START_S + 20.0)
    published = len(ride.published)
    ride.run(until_s=START_S + 22.0)
    times = [time for time, _ in ride.published[published:]]
    assert all(after - before > 0.09 for before, after in pairwise(times))
    assert max(ride.samples) - min(ride.samples) <= 1


def test_missed_statuses_are_skipped() -> None:
    ride = Ride(bikes=2, interval_s=100.0)
    ride.turn(START_S)
    ride.turn(START_S + 15.7)
    assert [bike for time, bike in ride.statuses if time > START_S] == [1, 0]
    ride.run(until_s=START_S + 16.6)
    assert ride.statuses[-2:] == [(START_S + 16.0, 0), (START_S + 16.5, 1)]


def test_a_move_is_reported_once() -> None:
    ride = Ride(bikes=1, interval_s=0.1)
    ride.turn(START_S + 2.0)
    assert ride.schedule.take_moved() == pytest.approx(2.0)
    assert ride.schedule.take_moved() == 0.0


def test_turn_is_bounded() -> None:
    ride = Ride(bikes=2 * TURN_TASKS_MAX, interval_s=0.01)
    assert len(ride.schedule.take_due(START_S + 0.4)) == TURN_TASKS_MAX


def test_without_readings_statuses_go_on() -> None:
    schedule = schedule_fleet([0.0], START_S)
    assert [schedule.take_due(START_S + second) for second in range(3)] == [
        [(TaskKind.STATUS, 0)],
        [(TaskKind.STATUS, 0)],
        [(TaskKind.STATUS, 0)],
    ]


@given(st.lists(st.floats(0.0, 20.0), max_size=60))
def test_order_under_any_delays(
    delays_s: list[float],
) -> None:
    schedule: Schedule = schedule_fleet([0.1], START_S)
    published: list[float] = []
    now_s = START_S
    schedule.plan_reading(0, 0.0, now_s)
    for delay_s in delays_s:
        now_s += delay_s
        for kind, _ in schedule.take_due(now_s):
            if kind is TaskKind.READING:
                published.append(now_s)
                schedule.plan_reading(0, len(published) * 0.1, now_s)
    assert all(time >= START_S + 0.0999 * number for number, time in enumerate(published))
    assert schedule.next_due_s() <= now_s + STATUS_INTERVAL_S
