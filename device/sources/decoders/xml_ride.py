"""Decodes GPX and TCX: track points with times, and all values measured at them.

Both formats are read by one table of element names, in any namespace and at any depth: Garmin's
TrackPointExtension, PowerExtension and ActivityExtension, Cluetrust's gpxdata, and bare elements.
Distances are taken from TCX only. In GPX extensions some programs write the distance from the
start, others the distance from the previous point.
"""

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from device.sources.decoders.point import Point, Ride
from device.sources.decoders.times import seconds
from device.sources.decoders.xml_points import POINT_NAMES, Document, RawPoint, read_points
from device.sources.decoders.xml_text import xml_text
from shared.errors import SourceError

_NAMES = {
    "speed": "speed_mps",
    "sog": "speed_mps",
    "velocity": "speed_mps",
    "distancemeters": "distance_m",
    "lat": "latitude_deg",
    "latitudedegrees": "latitude_deg",
    "lon": "longitude_deg",
    "longitudedegrees": "longitude_deg",
    "ele": "altitude_m",
    "altitudemeters": "altitude_m",
    "power": "power_w",
    "watts": "power_w",
    "powerinwatts": "power_w",
    "cad": "cadence_rpm",
    "cadence": "cadence_rpm",
    "atemp": "temperature_c",
    "temp": "temperature_c",
    "temperature": "temperature_c",
}
"""Of several elements for one value, the first with a number counts."""

_TIME = "time"
_SHOWN_MAX = 40

_ROOTS = {
    "html": "a web page",
    "kml": "a KML file",
    "svg": "an SVG picture",
    "rss": "an RSS feed",
    "feed": "an Atom feed",
    "osm": "an OpenStreetMap file",
    "pwx": "a PWX file",
    "plist": "a property list",
    "healthdata": "an export of Apple Health",
}


def decode(data: bytes) -> Ride:
    """Read the points that have a time, in file order; raises :class:`SourceError`."""
    document = read_points(xml_text(data))
    raw = _track(document.points)
    if not raw:
        raise SourceError(_why_no_points(document))
    points, left_out = [], Counter({"damaged": document.broken})
    for one in raw:
        text = one.texts.get(_TIME, "")
        time_s = seconds(text)
        if time_s is None:
            left_out["unreadable_time" if text else "no_time"] += 1
        else:
            points.append(_point(one, time_s))
    if not points:
        raise SourceError(_why_no_times(raw, left_out))
    form = "TCX" if raw[0].kind == "trackpoint" else "GPX"
    return Ride(form, points, +left_out, (document.damage,) if document.damage else ())


def _track(points: Sequence[RawPoint]) -> list[RawPoint]:
    """Choose track points; without any, the points of a route, or waypoints."""
    kinds = {point.kind for point in points}
    kind = next((kind for kind in POINT_NAMES if kind in kinds), None)
    return [point for point in points if point.kind == kind]


def _point(raw: RawPoint, time_s: float) -> Point:
    measured: dict[str, Any] = {}
    for name, text in raw.texts.items():
        key = _NAMES.get(name)
        if key and key not in measured and (value := _number(text)) is not None:
            measured[key] = value
    return Point(time_s, raw.part, **measured)


def _number(text: str) -> float | None:
    """Parse a number; some programs write a decimal comma."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if isfinite(value) else None


def _why_no_points(document: Document) -> str:
    if document.root in _ROOTS:
        return f"it is {_ROOTS[document.root]}, not a FIT, GPX or TCX file"
    if document.damage:
        return f"{document.damage}, and there is no complete track point before that"
    if document.root in {"gpx", "trainingcenterdatabase"}:
        return "it has no track points"
    return f"it is XML that begins with <{_shown(document.root)}>, not a GPX or TCX file"


def _why_no_times(raw: Sequence[RawPoint], left_out: Counter[str]) -> str:
    name = {"rtept": "route point", "wpt": "waypoint"}.get(raw[0].kind, "track point")
    if not left_out["unreadable_time"]:
        return f"no {name} has a time ({len(raw):,} {name}s)"
    example = next(one.texts[_TIME] for one in raw if one.texts.get(_TIME))
    return f"no {name} has a time that can be read, such as {_shown(example)!r}"


def _shown(text: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable if len(printable) <= _SHOWN_MAX else f"{printable[:_SHOWN_MAX]}..."
