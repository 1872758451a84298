"""Finds the mapped values in one MQTT message. Pure.

A value that the tracker does not know is None: JSON's ``null``, or one of the words that home
automation sends instead of a number. A value that is wrong raises, and the message is left out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from device.sources.decoders.mqtt_map import ASSIST, TIME, Field
from device.sources.decoders.times import seconds
from shared.cursor import INTEGER_LIMIT
from shared.errors import BadMessage
from shared.reading import Value
from shared.wire import load_object

MESSAGE_BYTES_MAX = 16_384
"""Eight times the longest reading: a tracker may send much that nobody maps."""
UNKNOWN_WORDS = frozenset({"", "null", "none", "nan", "unknown", "unavailable"})
DECIMALS = 7
"""A centimetre of latitude. Rounding removes the error of the conversion."""

Found: TypeAlias = Mapping[str, Value | None]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_NOT_THERE = object()


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a topic matches an MQTT filter with the wildcards ``+`` and ``#``."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        one in ("+", level) for one, level in zip(wanted, levels, strict=True)
    )


def read_message(fields: Iterable[Field], topic: str, payload: bytes) -> Found:
    """Return the values that a message holds, by key; None for values that nobody measured.

    Raises :class:`BadMessage` if the message is no JSON, or a value has a wrong type.
    """
    wanted = [one for one in fields if one.topic is None or matches(one.topic, topic)]
    if not wanted:
        raise BadMessage("unmapped_topic", f"the map names no field for the topic {topic!r:.80}")
    body = load_object(payload, MESSAGE_BYTES_MAX) if any(one.path for one in wanted) else {}
    found: dict[str, Value | None] = {}
    for one in wanted:
        raw = _walk(body, one.path) if one.path else _plain(payload)
        if raw is not _NOT_THERE:
            found[one.key] = None if _is_unknown(raw) else _value(one, raw)
    return found


def _walk(body: object, path: Iterable[str]) -> object:
    for step in path:
        if isinstance(body, Mapping):
            body = body.get(step, _NOT_THERE)
        elif isinstance(body, Sequence) and not isinstance(body, str) and step.isdecimal():
            body = body[int(step)] if int(step) < len(body) else _NOT_THERE
        else:
            return _NOT_THERE
    return body


def _plain(payload: bytes) -> str:
    if len(payload) > MESSAGE_BYTES_MAX:
        raise BadMessage("too_large", f"{len(payload)} bytes, at most {MESSAGE_BYTES_MAX}")
    return payload.decode("utf-8", "replace").strip().strip('"')


def _is_unknown(raw: object) -> bool:
    return raw is None or (isinstance(raw, str) and raw.strip().lower() in UNKNOWN_WORDS)


def _value(one: Field, raw: object) -> Value:
    if one.key == ASSIST:
        return one.words.get(str(raw), str(raw))
    number = _number(raw)
    if one.key == TIME:
        return _time_ms(one, raw, number)
    if number is None and one.key.startswith("extra.") and isinstance(raw, str | bool):
        return raw
    if number is None:
        raise BadMessage(one.key, f"{one.key} must be a number, not {raw!r:.80}")
    return round(one.unit.convert(number * one.scale + one.offset), DECIMALS)


def _time_ms(one: Field, raw: object, number: float | None) -> int:
    """Read a number in the map's unit, or a text such as 2024-05-01T08:00:00Z."""
    if number is not None:
        ms = one.unit.convert(number * one.scale + one.offset)
    else:
        since_s = seconds(raw) if isinstance(raw, str) else None
        ms = -1.0 if since_s is None else since_s * 1000
    if not 0 <= ms < INTEGER_LIMIT:
        raise BadMessage(one.key, f"ts_ms must be a time since 1970, not {raw!r:.80}")
    return round(ms)


def _number(raw: object) -> float | None:
    """Return a number, also if it is written as text; None if it is none."""
    if isinstance(raw, str) and _NUMBER.fullmatch(raw.strip()):
        return float(raw)
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if not is_number or not -INTEGER_LIMIT < raw < INTEGER_LIMIT:  # type: ignore[operator]  # a number
        return None
    return float(raw)  # type: ignore[arg-type]  # a number
