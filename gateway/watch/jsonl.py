"""Write events as JSON lines (JSONL). Pure."""

import json

from gateway.watch.follow import Event, GapReceived, ReadingReceived, StatusReceived

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def line(event: Event) -> str | None:
    """Write a reading, a gap or a status as ``{"event": …, "data": …}``; None for other events."""
    match event:
        case ReadingReceived(reading):
            return _encode({"event": "speed_change", "data": reading})
        case GapReceived(gap):
            return _encode({"event": "gap", "data": gap})
        case StatusReceived(status):
            return _encode({"event": "device_status", "data": status})
    return None
