"""Small recorded rides made by hand, in each format, and the way to the real ones."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fitdecode.utils import compute_crc  # type: ignore[import-untyped]  # has no types

from scripts.recorded_rides import LONG_RIDE, PAUSED_RIDE, recorded_ride

__all__ = [
    "LONG_RIDE",
    "PAUSED_RIDE",
    "fit_bytes",
    "fit_file",
    "fit_group",
    "gpx_text",
    "recorded_ride",
    "tcx_text",
]

START = datetime(2024, 5, 1, 7, 0, tzinfo=UTC)
FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
DEGREE_M = 40_075_017 / 360
"""Along a meridian of a round earth."""


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


FIT_FIELDS = {
    "type": (0, 0x00, "B", 0xFF),  # of file_id
    "timestamp": (253, 0x86, "I", 0xFFFFFFFF),
    "lat": (0, 0x85, "i", 0x7FFFFFFF),
    "lon": (1, 0x85, "i", 0x7FFFFFFF),
    "altitude": (2, 0x84, "H", 0xFFFF),
    "heart_rate": (3, 0x02, "B", 0xFF),
    "cadence": (4, 0x02, "B", 0xFF),
    "distance": (5, 0x86, "I", 0xFFFFFFFF),
    "speed": (6, 0x84, "H", 0xFFFF),
    "power": (7, 0x84, "H", 0xFFFF),
    "temperature": (13, 0x01, "b", 0x7F),
    "enhanced_speed": (73, 0x86, "I", 0xFFFFFFFF),
    "enhanced_altitude": (78, 0x86, "I", 0xFFFFFFFF),
    "battery_soc": (81, 0x02, "B", 0xFF),
    "motor_power": (82, 0x84, "H", 0xFFFF),
    "ebike_battery_level": (118, 0x02, "B", 0xFF),
    "developer_index": (0, 0x02, "B", 0xFF),  # of field_description
    "developer_number": (1, 0x02, "B", 0xFF),
    "developer_type": (2, 0x02, "B", 0xFF),
    "native_message": (14, 0x84, "H", 0xFFFF),
    "native_field": (15, 0x02, "B", 0xFF),
}
"""Number, base type, code of struct, and the value that means "not known"."""


def fit_group(
    names: Sequence[str],
    rows: Iterable[Mapping[str, float | None]],
    *,
    kind: int = 20,
    local: int = 0,
    order: str = "<",
    developed: Sequence[tuple[int, int, int, str]] = (),
) -> bytes:
    """Write a definition and its data messages; None is the value that means "not known".

    ``developed`` are developers' fields: (index, number, size, code of struct), whose values
    stand in a row by their number as text.
    """
    flag = 0x20 if developed else 0
    body = struct.pack(f"{order}BBBHB", 0x40 | flag | local, 0, order == ">", kind, len(names))
    for name in names:
        number, base, code, _ = FIT_FIELDS[name]
        body += bytes((number, struct.calcsize(code), base))
    if developed:
        body += bytes((len(developed),))
        body += b"".join(bytes((number, size, index)) for index, number, size, _ in developed)
    for row in rows:
        body += bytes((local,))
        for name in names:
            _, _, code, missing = FIT_FIELDS[name]
            value = row.get(name)
            body += struct.pack(f"{order}{code}", missing if value is None else int(value))
        for _, number, _, code in developed:
            body += struct.pack(f"{order}{code}", row[str(number)])
    return body


def fit_file(
    *bodies: bytes, size: int | None = None, checked: bool = True, header: int = 14
) -> bytes:
    """Put a header before messages and a checksum behind them."""
    body = b"".join(bodies)
    length = len(body) if size is None else size
    start = struct.pack("<BBHI4s", header, 0x20, 2132, length, b".FIT")
    if header > 12:
        start += struct.pack("<H", compute_crc(start))
    whole = start + body
    return whole + struct.pack("<H", compute_crc(whole)) if checked else whole


def fit_bytes(records: Iterable[tuple[int, int | None, int | None]]) -> bytes:
    """Write a FIT file of records (second, speed in mm/s, distance in cm); None is no value."""
    since = int((START - FIT_EPOCH).total_seconds())
    names = ("timestamp", "speed", "distance")
    rows = [dict(zip(names, (since + t, v, d), strict=True)) for t, v, d in records]
    return fit_file(fit_group(names, rows), header=12)


def _trkpt(second: float | None, way_m: float, inside: str) -> str:
    time = "" if second is None else f"<time>{clock(second)}</time>"
    return (
        f'<trkpt lat="{48 + way_m / DEGREE_M:.9f}" lon="7"><ele>120.24</ele>{time}{inside}</trkpt>'
    )
