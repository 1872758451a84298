"""Readings and statuses of a device: checked once, then immutable.

The protocol defines the limits (``docs/protocol.md``, section 1). This module checks objects from
the JSON parser; :mod:`shared.wire` handles the bytes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, NamedTuple, TypeAlias

from shared.cursor import INTEGER_LIMIT, Cursor
from shared.errors import BadMessage

VERSION = 1
SPEED_RANGE_KMH = (0.0, 200.0)
NUMBER_RANGES: Mapping[str, tuple[float, float]] = {
    "power_w": (-2000, 3000),
    "motor_power_w": (-2000, 3000),
    "cadence_rpm": (0, 300),
    "heart_rate_bpm": (0, 300),
    "battery_pct": (0, 100),
    "odometer_km": (0, 10**6),
    "gradient_pct": (-100, 100),
    "altitude_m": (-500, 10_000),
    "latitude_deg": (-90, 90),
    "longitude_deg": (-180, 180),
    "temperature_c": (-60, 150),
}
ASSIST_LEVELS = ("off", "eco", "tour", "sport", "turbo")
OPTIONAL_KEYS = (*NUMBER_RANGES, "assist", "extra")
REQUIRED_KEYS = ("v", "device_id", "epoch", "seq", "ts_ms", "speed_kmh")
READING_KEYS = (*REQUIRED_KEYS, *OPTIONAL_KEYS)
"""Every key of a reading, in the order in which encoders write them."""

EXTRA_KEYS_MAX = 16
EXTRA_TEXT_MAX = 64
MODEL_MAX = 64

DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
EXTRA_KEY = re.compile(r"[a-z0-9_]{1,32}")

Extra: TypeAlias = Mapping[str, bool | int | float | str]
Value: TypeAlias = int | float | str | Extra
State: TypeAlias = Literal["online", "stopping"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one device.

    ``values`` holds the optional keys that were present and valid, in the order of
    :data:`OPTIONAL_KEYS`. The names contain the units. ``ts_ms`` is in ms since 1970 UTC, or 0 if
    the device has no clock.
    """

    device_id: str
    epoch: int
    seq: int
    ts_ms: int
    speed_kmh: float
    values: Mapping[str, Value] = field(default_factory=dict)
    written: bytes | None = field(default=None, compare=False, repr=False)
    """The bytes of a reading that arrived in canonical form; None in a modified copy."""

    @property
    def cursor(self) -> Cursor:
        """The position after this reading."""
        return Cursor(self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class Status:
    """The status that a device sends every second. ``interval_ms`` is 0 for irregular readings."""

    device_id: str
    epoch: int
    last_seq: int
    ts_ms: int
    state: State
    interval_ms: int
    model: str | None = None

    @property
    def cursor(self) -> Cursor:
        """The position after the last reading that the device has numbered."""
        return Cursor(self.epoch, self.last_seq)


class CheckedReading(NamedTuple):
    """A reading, and the keys that were left out: invalid known keys, and unknown keys."""

    reading: Reading
    dropped: tuple[str, ...]
    unknown: tuple[str, ...]


def is_device_id(value: object) -> bool:
    """Tell whether the whole of ``value`` is a valid device id."""
    return isinstance(value, str) and DEVICE_ID.fullmatch(value) is not None


def is_unicode(text: str) -> bool:
    """Tell whether UTF-8 can encode a text. JSON can contain half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def check_reading(raw: Mapping[str, object], device_id: str) -> CheckedReading:
    """Check one reading; ``device_id`` is the id in the topic.

    Raises :class:`BadMessage`. Its ``position`` is set if only ``speed_kmh`` or ``ts_ms`` is wrong;
    the caller then knows that this number is not missing.
    """
    check_identity(raw, device_id)
    epoch = _integer(raw, "epoch", device_id)
    seq = _integer(raw, "seq", device_id, least=1)
    ts_ms, speed = raw.get("ts_ms"), raw.get("speed_kmh")
    if not _is_integer(ts_ms):
        raise _refused("ts_ms", "an integer of ms since 1970, or 0", device_id, Cursor(epoch, seq))
    if not _is_number(speed, *SPEED_RANGE_KMH):
        raise _refused("speed_kmh", "a number from 0 to 200", device_id, Cursor(epoch, seq))
    values, dropped = _optional_values(raw)
    unknown = tuple(key for key in raw if key not in _READING_KEYS)
    reading = Reading(device_id, epoch, seq, ts_ms, speed, values)  # type: ignore[arg-type]  # checked above
    return CheckedReading(reading, dropped, unknown)


def check_status(raw: Mapping[str, object], device_id: str) -> Status:
    """Check one status; ``device_id`` is the id in the topic. Raises :class:`BadMessage`."""
    check_identity(raw, device_id)
    state = raw.get("state")
    if state not in ("online", "stopping"):
        raise _refused("state", "online or stopping", device_id)
    return Status(
        device_id,
        epoch=_integer(raw, "epoch", device_id),
        last_seq=_integer(raw, "last_seq", device_id),
        ts_ms=_integer(raw, "ts_ms", device_id),
        state=state,
        interval_ms=_integer(raw, "interval_ms", device_id),
        model=_model(raw.get("model")),
    )


def check_identity(raw: Mapping[str, object], device_id: str) -> None:
    """Check the version and the id, which every message contains."""
    if raw.get("v") != VERSION or not _is_integer(raw.get("v")):
        raise BadMessage("unsupported_version", f"v must be {VERSION}", device_id=device_id)
    if raw.get("device_id") != device_id:
        raise BadMessage("id_mismatch", f"device_id must be the topic's, {device_id!r}")


def _refused(key: str, expected: str, device_id: str, position: Cursor | None = None) -> BadMessage:
    return BadMessage(
        "invalid", f"{key} must be {expected}", device_id=device_id, position=position
    )


def _integer(raw: Mapping[str, object], key: str, device_id: str, least: int = 0) -> int:
    value = raw.get(key)
    if not _is_integer(value, least):
        raise _refused(key, f"an integer from {least} to 2^53 - 1", device_id)
    return value  # type: ignore[return-value]  # checked above


def _is_integer(value: object, least: int = 0) -> bool:
    return type(value) is int and least <= value < INTEGER_LIMIT


def _is_number(value: object, low: float, high: float) -> bool:
    # type() excludes bool, which is a subclass of int; NaN fails both comparisons
    return (type(value) is float or type(value) is int) and low <= value <= high


def _optional_values(raw: Mapping[str, object]) -> tuple[dict[str, Value], tuple[str, ...]]:
    values: dict[str, Value] = {}
    dropped: list[str] = []
    for key, check in _OPTIONAL_CHECKS.items():
        if key not in raw:
            continue
        value = raw[key]
        if check(value):
            values[key] = value  # type: ignore[assignment]  # checked
        else:
            dropped.append(key)
    if "extra" in raw:
        extra, bad = _check_extra(raw["extra"])
        dropped.extend(bad)
        if extra:
            values["extra"] = extra
    return values, tuple(dropped)


def _check_extra(raw: object) -> tuple[Extra, list[str]]:
    """Return the valid entries of ``extra`` and the names of the others."""
    if not isinstance(raw, dict) or len(raw) > EXTRA_KEYS_MAX:
        return {}, ["extra"]
    good = {key: value for key, value in raw.items() if _is_extra(key, value)}
    return good, [f"extra.{key}" for key in raw if key not in good]


def _is_extra(key: str, value: object) -> bool:
    if EXTRA_KEY.fullmatch(key) is None:
        return False
    if isinstance(value, str):
        return len(value) <= EXTRA_TEXT_MAX and is_unicode(value)
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and -INTEGER_LIMIT < value < INTEGER_LIMIT


def _model(value: object) -> str | None:
    valid = isinstance(value, str) and 0 < len(value) <= MODEL_MAX and value.isprintable()
    return value if valid else None  # type: ignore[return-value]  # a string, checked


def _range_check(low: float, high: float) -> Callable[[object], bool]:
    return lambda value: _is_number(value, low, high)


_READING_KEYS = frozenset(READING_KEYS)
_OPTIONAL_CHECKS: Mapping[str, Callable[[object], bool]] = {
    **{key: _range_check(*limits) for key, limits in NUMBER_RANGES.items()},
    "assist": lambda value: isinstance(value, str) and value in ASSIST_LEVELS,
}
