"""Decodes FIT, the format of Garmin and most other bike computers: its ``record`` messages."""

from collections import Counter
from typing import Any

from device.sources.decoders.fit_messages import RECORD, Message, Messages
from device.sources.decoders.point import Point, Ride
from shared.errors import SourceError

FIT_BYTES_MAX = 20_000_000
"""Ten hours at 1 Hz are 1.5 MB."""

_FILE_ID, _FILE_TYPE = 0, 0
_FILE_TYPES = {
    1: "a device",
    2: "settings",
    3: "a sport",
    5: "a workout (a plan)",
    6: "a course (a plan)",
    9: "weights",
    15: "daily monitoring",
    20: "a summary",
    28: "daily monitoring",
    32: "daily monitoring",
    34: "a segment",
}

_FIELDS: dict[int, tuple[str, float, float]] = {
    78: ("altitude_m", 5, 500),
    2: ("altitude_m", 5, 500),
    73: ("speed_mps", 1000, 0),
    6: ("speed_mps", 1000, 0),
    0: ("latitude_deg", 2**31 / 180, 0),
    1: ("longitude_deg", 2**31 / 180, 0),
    4: ("cadence_rpm", 1, 0),
    5: ("distance_m", 100, 0),
    7: ("power_w", 1, 0),
    9: ("gradient_pct", 100, 0),
    13: ("temperature_c", 1, 0),
    118: ("battery_pct", 1, 0),
    81: ("battery_pct", 2, 0),
    82: ("motor_power_w", 1, 0),
}
"""Fields of a record: name, scale, offset. Of two fields with one name the first valid one counts;
old devices write only the short one."""

_COMPRESSED = 8
"""Speed and distance in three bytes, as the first devices wrote them."""


def decode(data: bytes) -> Ride:
    """Read the records that have a time, in file order; raises :class:`SourceError`."""
    if len(data) > FIT_BYTES_MAX:
        raise SourceError(f"it is too large for a FIT file: over {FIT_BYTES_MAX:,} bytes")
    used = {RECORD: frozenset(_FIELDS), _FILE_ID: frozenset({_FILE_TYPE})}
    messages = Messages(data, used)
    points: list[Point] = []
    left_out = Counter[str]()
    types: list[float] = []
    for message in messages:
        if message.kind == RECORD and message.time_s is not None:
            points.append(_point(message, message.time_s))
        elif message.kind == RECORD:
            left_out["no_time"] += 1
        elif message.kind == _FILE_ID:
            types.append(message.values.get(_FILE_TYPE, 0))
    if not points:
        raise SourceError(_why_no_points(left_out["no_time"], types, messages.damage))
    return Ride("FIT", points, left_out, tuple(messages.damage))


def _point(message: Message, time_s: float) -> Point:
    measured: dict[str, Any] = {}
    for number, (name, scale, offset) in _FIELDS.items():
        value = message.values.get(number)
        if value is not None and name not in measured:
            measured[name] = value / scale - offset
    for number, value in message.developed.items():
        if number in _FIELDS:
            measured.setdefault(_FIELDS[number][0], value)
    return Point(time_s, message.body, **measured)


def _why_no_points(untimed: int, types: list[float], damage: list[str]) -> str:
    if untimed:
        return f"no record has a time ({untimed:,} records)"
    if damage:
        return f"{damage[0]}, and it holds no record of a ride"
    kind = next((_FILE_TYPES[int(one)] for one in types if int(one) in _FILE_TYPES), None)
    of = f": it is a FIT file of {kind}" if kind else ""
    return f"it holds no record of a ride{of}"
