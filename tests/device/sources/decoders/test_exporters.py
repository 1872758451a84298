import pytest

from device.sources.decoders.course import plan_course
from device.sources.decoders.ride import read_ride
from tests.device.sources.decoders.exporters import EXPORTS, POINTS


@pytest.mark.parametrize("name", EXPORTS)
def test_export(name: str) -> None:
    export = EXPORTS[name]
    ride = read_ride(export.text.encode())
    course = plan_course(ride.points)
    assert ride.damage == ()
    assert len(course.moments) == POINTS
    third = course.moments[2]
    assert third.due_s == 2
    assert third.speed_kmh == pytest.approx(export.speed_kmh, abs=0.02)
    assert {key: third.values.get(key) for key in export.expected} == export.expected


def test_values_that_nobody_measured_are_absent() -> None:
    course = plan_course(read_ride(EXPORTS["a sensor that fell out"].text.encode()).points)
    assert {key for moment in course.moments for key in moment.values} == {"odometer_km"}


def test_heartbeat_and_position_stay_behind() -> None:
    course = plan_course(read_ride(EXPORTS["Garmin Connect GPX"].text.encode()).points)
    keys = {key for moment in course.moments for key in moment.values}
    assert keys == {"cadence_rpm", "odometer_km", "altitude_m", "temperature_c"}
