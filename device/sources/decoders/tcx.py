"""TCX, the XML of training programs: its track points."""

from datetime import UTC, datetime
from io import BytesIO

from tcxreader.tcx_track_point import TCXTrackPoint  # type: ignore[import-untyped]  # has no types
from tcxreader.tcxreader import TCXReader  # type: ignore[import-untyped]  # has no types

from device.sources.decoders import Point, finite


def decode(data: bytes) -> list[Point]:
    """Read the track points of a TCX file, in their order.

    Raises the XML parser's errors, ValueError and TypeError for a file that is damaged.
    """
    exercise = TCXReader().read(BytesIO(data), only_gps=False)
    return [_point(here, here.time) for here in exercise.trackpoints if here.time is not None]


def _point(here: TCXTrackPoint, time: datetime) -> Point:
    # the library leaves times written with a Z without a zone
    return Point(
        (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp(),
        speed_mps=finite(here.tpx_ext.get("Speed")),
        distance_m=finite(here.distance),
        altitude_m=finite(here.elevation),
        power_w=finite(here.tpx_ext.get("Watts")),
        cadence_rpm=finite(here.cadence),
    )
