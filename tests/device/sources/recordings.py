"""Small recorded rides made by hand, in each format, and the way to the real ones."""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from fitdecode.utils import compute_crc  # type: ignore[import-untyped]  # has no types

from scripts.recorded_rides import LONG_RIDE, PAUSED_RIDE, recorded_ride

__all__ = ["LONG_RIDE", "PAUSED_RIDE", "fit_bytes", "gpx_text", "recorded_ride", "tcx_text"]

START = datetime(2024, 5, 1, 7, 0, tzinfo=UTC)
FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
DEGREE_M = 40_075_017 / 360
"""Along a meridian of the sphere that gpxpy takes for the earth."""


def clock(second: float) -> str:
    """Write a time of the ride as XML has it."""
    moment = datetime.fromtimestamp(START.timestamp() + second, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def gpx_text(*segments: Sequence[tuple[float | None, float]], inside: str = "") -> str:
    """Write a GPX file of segments of (second, metres north); ``inside`` goes into each point."""
    tracks = "".join(
        "<trkseg>"
        + "".join(_trkpt(second, way_m, inside) for second, way_m in segment)
        + "</trkseg>"
        for segment in segments
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<gpx xmlns="http://www.topografix.com/GPX/1/1" xmlns:x="urn:x" version="1.1" creator="t">'
        f"<trk>{tracks}</trk></gpx>"
    )


def tcx_text(trackpoints: Iterable[str]) -> str:
    """Write a TCX file around what stands inside its track points."""
    points = "".join(f"<Trackpoint>{inside}</Trackpoint>" for inside in trackpoints)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><TrainingCenterDatabase '
        'xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2" '
        'xmlns:e="http://www.garmin.com/xmlschemas/ActivityExtension/v2">'
        '<Activities><Activity Sport="Biking"><Lap><Track>'
        f"{points}</Track></Lap></Activity></Activities></TrainingCenterDatabase>"
    )


def fit_bytes(records: Iterable[tuple[int, int | None, int | None]]) -> bytes:
    """Write a FIT file of records (second, speed in mm/s, distance in cm); None is no value."""
    fields = ((253, 4, 0x86), (6, 2, 0x84), (5, 4, 0x86))  # timestamp, speed, distance
    body = struct.pack("<BBBHB", 0x40, 0, 0, 20, len(fields))
    body += b"".join(struct.pack("BBB", *field) for field in fields)
    since = int((START - FIT_EPOCH).total_seconds())
    for second, speed, distance in records:
        body += struct.pack(
            "<BIHI", 0, since + second, _or(speed, 0xFFFF), _or(distance, 2**32 - 1)
        )
    header = struct.pack("<BBHI4s", 12, 0x10, 2132, len(body), b".FIT")
    return header + body + struct.pack("<H", compute_crc(header + body))


def _trkpt(second: float | None, way_m: float, inside: str) -> str:
    time = "" if second is None else f"<time>{clock(second)}</time>"
    return (
        f'<trkpt lat="{48 + way_m / DEGREE_M:.9f}" lon="7"><ele>120.24</ele>{time}{inside}</trkpt>'
    )


def _or(value: int | None, missing: int) -> int:
    return missing if value is None else value
