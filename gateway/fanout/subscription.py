"""The requests ``subscribe`` and ``unsubscribe``, parsed and checked once. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.cursor import Cursor, parse_cursor
from shared.errors import BadCursor, BadRequest, TooManyDevices
from shared.reading import is_device_id

EVERYTHING = "*"
NAMES_MAX = 1_000
"""Names that one client may watch; ``*`` has no such limit and costs less."""
SINCE_MAX = 10_000
"""Cursors in one request: a client of ``*`` sends one for each device it has seen."""
CURSORS_MAX = SINCE_MAX + NAMES_MAX
"""Cursors of one client for devices that are not known: of a request for ``*``, and of its names.
"""
RATE_MAX_HZ = 100.0
READ_AT_ONCE = 250
"""Cursors that are parsed between two calls of ``pause``: about 0.5 ms."""
_NO_CURSORS: Mapping[str, Cursor] = {}


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A checked ``subscribe``: names, or everything; ``since`` may hold the key ``*``."""

    names: tuple[str, ...]
    everything: bool
    since: Mapping[str, Cursor] = field(default_factory=dict)
    max_rate_hz: float | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """A checked ``unsubscribe``: names, or everything."""

    names: tuple[str, ...]
    everything: bool


def parse_subscribe(raw: object, pause: Callable[[], None] = lambda: None) -> Subscribe:
    """Parse a ``subscribe`` payload; raises a :class:`~shared.errors.RequestError`.

    ``pause`` is called between two pieces of the work.
    """
    body = _object(raw)
    names, everything = _devices(body)
    since = _since(body.get("since"), names, everything, pause)
    return Subscribe(names, everything, since, _rate(body.get("max_rate_hz")))


def parse_unsubscribe(raw: object) -> Unsubscribe:
    """Parse an ``unsubscribe`` payload; raises a :class:`~shared.errors.RequestError`."""
    return Unsubscribe(*_devices(_object(raw)))


def _object(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise BadRequest('send one object, such as {"devices": ["ebike-001"]}')
    return raw


def _devices(body: Mapping[str, object]) -> tuple[tuple[str, ...], bool]:
    devices = body.get("devices")
    if devices == EVERYTHING:
        return (), True
    if not isinstance(devices, list):
        raise BadRequest('devices must be a list of ids such as ["ebike-001"], or "*" for all')
    if len(devices) > NAMES_MAX:
        raise TooManyDevices(f"at most {NAMES_MAX} names a client; use {EVERYTHING!r} for all")
    for name in devices:
        if not is_device_id(name):
            raise BadRequest(f"{str(name)[:80]!r} is no device id such as 'ebike-001'")
    return tuple(dict.fromkeys(devices)), False


def _since(
    raw: object, names: tuple[str, ...], everything: bool, pause: Callable[[], None]
) -> Mapping[str, Cursor]:
    if raw is None:
        return _NO_CURSORS
    if not isinstance(raw, dict):
        raise BadRequest('since must be an object, such as {"ebike-001": "1722-5"}')
    if len(raw) > SINCE_MAX:
        raise TooManyDevices(f"at most {SINCE_MAX} cursors in one request: leave out the oldest")
    asked = frozenset(names)
    since = {}
    for number, (name, text) in enumerate(raw.items(), 1):
        since[name] = _position(name, text, asked, everything)
        if number % READ_AT_ONCE == 0:
            pause()
    return since


def _position(name: str, text: object, asked: frozenset[str], everything: bool) -> Cursor:
    covered = name in asked or (everything and (name == EVERYTHING or is_device_id(name)))
    if not covered:
        raise BadRequest(f"since names {name[:80]!r}: add it to devices, or leave it out of since")
    cursor = parse_cursor(text)
    if cursor is None:
        raise BadCursor(f"the cursor of {name!r} must be of the form 1722-5")
    return cursor


def _rate(raw: object) -> float | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw <= RATE_MAX_HZ:
        raise BadRequest(f"max_rate_hz must be a number above 0, at most {RATE_MAX_HZ:g}")
    return float(raw)
