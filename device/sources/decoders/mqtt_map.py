"""Reads the map from the messages of an MQTT tracker to the keys of a reading. Pure.

The map is an object, from a TOML or JSON file. Each key of a reading has a table::

    [speed_kmh]
    topic = "bikes/+/telemetry"   # a filter; without it: every message
    path = "vehicle.speed"        # into the message's JSON; without it: the message is a number
    unit = "m/s"                  # without it: the unit of the reading
    scale = 0.1                   # first value * scale + offset, then the unit
    offset = 0
    max_age_s = 60                # use the value for this long, also in later readings

``ts_ms`` is the time of the measurement. ``assist`` has ``words`` instead of a unit: a table from
the tracker's words to those of a reading. Tables below ``extra`` are values of one's own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Any, TypeAlias

from device.sources.decoders.units import UNITS, Unit
from shared.errors import SourceError
from shared.reading import ASSIST_LEVELS, EXTRA_KEY, EXTRA_KEYS_MAX

MAX_AGE_S = 10.0
"""Longer than the time between two messages of most trackers, which send once in 1 to 5 s."""
LONGEST_AGE_S = 86_400.0
TIME, SPEED, ASSIST, EXTRA = "ts_ms", "speed_kmh", "assist", "extra"
KEYS = (*UNITS, ASSIST, EXTRA)
OPTIONS = ("topic", "path", "unit", "scale", "offset", "max_age_s", "words")
TOPIC_CHARS_MAX = 1_000

Raw: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """Where the value of one key is found, and how it is converted."""

    key: str
    """The key of a reading, or ``extra.<name>``."""
    topic: str | None = None
    path: tuple[str, ...] = ()
    unit: Unit = field(default=Unit(1))
    scale: float = 1.0
    offset: float = 0.0
    max_age_s: float = MAX_AGE_S
    words: Mapping[str, str] = field(default_factory=dict)


def parse_map(raw: Raw) -> tuple[Field, ...]:
    """Check a map. Raises :class:`SourceError`, whose text has a line for each error."""
    problems: list[str] = []
    if SPEED not in raw:
        problems.append(f"{SPEED} is missing: a reading needs a speed")
    fields = tuple(_fields(raw, problems))
    if problems:
        raise SourceError("\n".join(problems))
    return fields


def _fields(raw: Raw, problems: list[str]) -> Iterator[Field]:
    for key, table in raw.items():
        if key not in KEYS:
            problems.append(f"{key}: {_unknown(key, KEYS, 'key of a reading')}")
        elif key == EXTRA:
            yield from _extra_fields(table, problems)
        else:
            yield _field(key, table, problems)


def _extra_fields(tables: object, problems: list[str]) -> Iterator[Field]:
    if not isinstance(tables, Mapping) or len(tables) > EXTRA_KEYS_MAX:
        problems.append(f"extra: must hold at most {EXTRA_KEYS_MAX} tables, such as extra.tyre_bar")
        return
    for name, table in tables.items():
        if EXTRA_KEY.fullmatch(name) is None:
            problems.append(f"extra.{name}: a name has 1 to 32 of a-z, 0-9 and _")
        yield _field(f"{EXTRA}.{name}", table, problems)


def _field(key: str, table: object, problems: list[str]) -> Field:
    """Check the table of one key; its errors are added to ``problems``."""
    if not isinstance(table, Mapping):
        problems.append(f'{key}: must be a table, such as {{path = "vehicle.speed"}}')
        return Field(key)
    values: dict[str, Any] = {}
    for option, value in table.items():
        try:
            values[option] = _option(key, option, value)
        except ValueError as error:
            problems.append(f"{key}.{option} = {value!r:.80}: {error}")
    return Field(key, **values)


def _option(key: str, option: str, value: object) -> object:
    """Check one option of a table; raises ValueError."""
    if option not in OPTIONS:
        raise ValueError(_unknown(option, OPTIONS, "option"))
    if option == "unit":
        return _unit(key, value)
    if option == "words" and key != ASSIST:
        raise ValueError("only assist has words")
    return _CHECKS[option](value)


def _unit(key: str, value: object) -> Unit:
    units = UNITS.get(key)
    if units is None:
        raise ValueError(f"{key} has no unit: leave it out")
    if not isinstance(value, str) or value not in units:
        raise ValueError(_unknown(value, tuple(units), f"unit of {key}"))
    return units[value]


def _unknown(name: object, known: tuple[str, ...], kind: str) -> str:
    near = get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"is no {kind}, only {', '.join(known)}{hint}"


def _path(value: object) -> tuple[str, ...]:
    steps = value.split(".") if isinstance(value, str) else value
    if not isinstance(steps, list) or not steps or not all(_is_step(step) for step in steps):
        raise ValueError('must be a path such as "vehicle.speed" or ["vehicle", "speed"]')
    return tuple(steps)


def _is_step(step: object) -> bool:
    return isinstance(step, str) and step != ""


def check_filter(value: object) -> str:
    """Check an MQTT topic filter; raises ValueError."""
    if not isinstance(value, str) or not 0 < len(value) <= TOPIC_CHARS_MAX or "\0" in value:
        raise ValueError("must be a topic such as bikes/7/telemetry")
    levels = value.split("/")
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("+ stands for a whole level of a topic, such as bikes/+/telemetry")
    if "#" in value and (levels[-1] != "#" or value.count("#") > 1):
        raise ValueError("# stands at the end of a topic only, after a /, such as bikes/7/#")
    return value


def _number(low: float, high: float, said: str) -> Callable[[object], float]:
    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(f"must be {said}")
        if not low <= value <= high:
            raise ValueError(f"must be {said}")
        return float(value)

    return check


def _scale(value: object) -> float:
    scale = _any_number(value)
    if scale == 0:
        raise ValueError("must not be 0: every value would be the same")
    return scale


def _words(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not set(value.values()) <= set(ASSIST_LEVELS):
        raise ValueError(f"must be a table whose values are {', '.join(ASSIST_LEVELS)}")
    return dict(value)


_any_number = _number(-1e12, 1e12, "a number")
_CHECKS: Mapping[str, Callable[[object], object]] = {
    "topic": check_filter,
    "path": _path,
    "scale": _scale,
    "offset": _any_number,
    "max_age_s": _number(0, LONGEST_AGE_S, "a number of seconds from 0 to 86,400"),
    "words": _words,
}
