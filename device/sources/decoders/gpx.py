"""GPX: positions and times, and in extensions what else was measured.

The format has no distance: it is summed up here between the points of a segment, along the
surface of the earth, so that no position leaves this module.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import gpxpy
from gpxpy.gpx import GPXTrackPoint, GPXTrackSegment

from device.sources.decoders import Point, finite

_EXTENSIONS = {"speed": "speed", "cad": "cadence", "cadence": "cadence", "power": "power"}
"""Names that recorders use within ``<extensions>``, in any namespace: m/s, 1/min, W."""


def decode(data: bytes) -> list[Point]:
    """Read the track points of a GPX file that have a time, in their order.

    Between two segments (a pause) no way is counted. Raises gpxpy's errors and ValueError for a
    file that is damaged.
    """
    points: list[Point] = []
    for track in gpxpy.parse(data).tracks:
        for segment in track.segments:
            points.extend(_points(segment, _length_m(points)))
    return points


def _length_m(points: list[Point]) -> float:
    return (points[-1].distance_m or 0.0) if points else 0.0


def _points(segment: GPXTrackSegment, distance_m: float) -> Iterator[Point]:
    last: GPXTrackPoint | None = None
    for here in segment.points:
        if here.time is None:
            continue
        distance_m += (last.distance_2d(here) or 0.0) if last else 0.0
        yield _point(here, here.time, distance_m)
        last = here


def _point(here: GPXTrackPoint, time: datetime, distance_m: float) -> Point:
    measured = _extensions(here)
    return Point(
        (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp(),
        speed_mps=measured.get("speed", finite(here.speed)),
        distance_m=distance_m,
        altitude_m=finite(here.elevation),
        power_w=measured.get("power"),
        cadence_rpm=measured.get("cadence"),
    )


def _extensions(here: GPXTrackPoint) -> dict[str, float | None]:
    measured: dict[str, float | None] = {}
    for element in (element for extension in here.extensions for element in extension.iter()):
        name = _EXTENSIONS.get(element.tag.rpartition("}")[2])
        if name is not None:
            measured[name] = _number(element.text)
    return measured


def _number(text: str | None) -> float | None:
    try:
        return finite(float(text or ""))
    except ValueError:
        return None
