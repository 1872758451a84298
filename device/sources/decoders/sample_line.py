"""Decodes one line of JSON into a sample. Pure.

A line is an object with the keys of a reading (``docs/protocol.md``, section 1), without those that
the device process adds: version, id, epoch and number. ``speed_kmh`` is required. ``ts_ms``, the
time of the measurement, may be left out; it is then the time when the line arrives.
"""

from math import isfinite
from typing import cast

from device.sample import Sample
from shared.cursor import INTEGER_LIMIT
from shared.errors import BadMessage
from shared.reading import SPEED_RANGE_KMH, Value
from shared.wire import load_object

LINE_BYTES_MAX = 4_096
"""Twice the longest reading."""
ADDED_BY_DEVICE = ("v", "device_id", "epoch", "seq")


def decode_sample(line: bytes) -> Sample:
    """Decode a line. Raises :class:`BadMessage`; its ``reason`` is short, its text says more.

    Optional values are passed on unchecked: the device checks them when it numbers the sample.
    """
    raw = load_object(line, LINE_BYTES_MAX)
    speed = _number(raw.pop("speed_kmh", None))
    low, high = SPEED_RANGE_KMH
    if speed is None or not low <= speed <= high:
        raise BadMessage("speed_kmh", "the line needs speed_kmh, a number from 0 to 200")
    ts_ms = raw.pop("ts_ms", 0)
    if not (type(ts_ms) is int and 0 <= ts_ms < INTEGER_LIMIT):
        raise BadMessage("ts_ms", "ts_ms must be a whole number of ms since 1970 UTC")
    measured = (key for key, value in raw.items() if value is not None)
    values = {key: cast("Value", raw[key]) for key in measured if key not in ADDED_BY_DEVICE}
    return Sample(None, speed, values, ts_ms or None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value
