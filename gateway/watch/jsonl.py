"""What came, as one line of JSON each: for a pipe. Pure."""

import json

from gateway.watch.follow import Came, Event, Missed, Told

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def line(event: Event) -> str | None:
    """Write a reading, a gap or a status as ``{"event": …, "data": …}``; None for the rest."""
    match event:
        case Came(reading):
            return _encode({"event": "speed_change", "data": reading})
        case Missed(gap):
            return _encode({"event": "gap", "data": gap})
        case Told(status):
            return _encode({"event": "device_status", "data": status})
    return None
