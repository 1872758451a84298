"""The fast path for messages in canonical form: msgspec parses and checks them. Pure.

How it works. A reading is canonical when its bytes are exactly what the gateway would write: known
keys in their fixed order, each once, compact JSON. The gateway then keeps the bytes and sends them
on unchanged, including the spelling of numbers. A status only needs known keys, each once, because
the gateway never sends its bytes on. For any other message these functions return None, whether it
is valid or not. :mod:`shared.wire` then parses it with the standard library and names the error.

msgspec silently keeps the last of two equal keys and ignores unknown keys. To detect both, this
module counts quotation marks: each string has two, so a hidden key leaves more of them in the bytes
than the parsed result explains. A backslash could hide a quotation mark, so bytes with one are not
canonical.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypedDict

import msgspec
from msgspec import Meta

from shared.cursor import INTEGER_LIMIT
from shared.reading import (
    ASSIST_LEVELS,
    EXTRA_KEY,
    EXTRA_KEYS_MAX,
    EXTRA_TEXT_MAX,
    MODEL_MAX,
    NUMBER_RANGES,
    OPTIONAL_KEYS,
    REQUIRED_KEYS,
    SPEED_RANGE_KMH,
    VERSION,
    Reading,
    State,
    Status,
)

_BELOW_LIMIT: Final = INTEGER_LIMIT - 1
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=_BELOW_LIMIT)]
_ExtraKey: TypeAlias = Annotated[str, Meta(pattern=rf"\A{EXTRA_KEY.pattern}\Z")]
_ExtraInteger: TypeAlias = Annotated[int, Meta(ge=-_BELOW_LIMIT, le=_BELOW_LIMIT)]
_ExtraText: TypeAlias = Annotated[str, Meta(max_length=EXTRA_TEXT_MAX)]
_Extra: TypeAlias = Annotated[
    dict[_ExtraKey, bool | _ExtraInteger | float | _ExtraText],
    Meta(min_length=1, max_length=EXTRA_KEYS_MAX),
]


def _number(low: float, high: float) -> Any:  # noqa: ANN401  # a type made at run time
    integer = Annotated[int, Meta(ge=int(low), le=int(high))]
    return integer | Annotated[float, Meta(ge=low, le=high)]


_KEYS: dict[str, Any] = {
    "v": Literal[VERSION],
    "device_id": str,
    "epoch": _Count,
    "seq": Annotated[int, Meta(ge=1, le=_BELOW_LIMIT)],
    "ts_ms": Annotated[int, Meta(ge=1, le=_BELOW_LIMIT)],  # with 0 the gateway puts in its own
    "speed_kmh": _number(*SPEED_RANGE_KMH),
    **{key: _number(*limits) for key, limits in NUMBER_RANGES.items()},
    "assist": Literal[ASSIST_LEVELS],
    "extra": _Extra,
}
write_canonical = msgspec.json.Encoder().encode
"""Writes compact JSON, nine times as fast as the standard library; NaN becomes null."""
_read = msgspec.json.Decoder(TypedDict("_Raw", _KEYS, total=False)).decode  # type: ignore[operator]  # made at run time


class _RawStatus(msgspec.Struct, gc=False):
    """A status message. The caller checks that ``model`` is printable."""

    v: Literal[VERSION]  # type: ignore[valid-type]  # a Final
    device_id: str
    epoch: _Count
    last_seq: _Count
    ts_ms: _Count
    state: State
    interval_ms: _Count
    model: Annotated[str, Meta(min_length=1, max_length=MODEL_MAX)] | None = None


_read_status = msgspec.json.Decoder(_RawStatus).decode
_STATUS_STRINGS: Final = 7 + 2
"""Seven keys (without ``model``) and two values: the device id and the state."""

_in_order: dict[tuple[str, ...], int] = {}
"""Caches, for each sequence of keys seen, how many strings it brings: keys and string values.
13 optional keys have 8,192 combinations, which bounds the cache."""


def read_canonical(payload: bytes, device_id: str) -> Reading | None:
    """Read a canonical, valid reading of ``device_id``; return None for any other bytes."""
    # White space: a canonical text has none outside of a text in ``extra``, which may have some.
    if b"\\" in payload or payload.split() != [payload]:
        return None
    try:
        raw: dict[str, Any] = _read(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    strings = _strings_of(tuple(raw))
    if strings is None or raw["device_id"] != device_id:
        return None
    extra = raw.get("extra")
    if extra is not None:
        strings += len(extra) + sum(type(value) is str for value in extra.values())
    if payload.count(b'"') != 2 * strings:
        return None
    take = raw.pop
    take("v")
    take("device_id")
    position = take("epoch"), take("seq")
    return Reading(device_id, *position, take("ts_ms"), take("speed_kmh"), raw, payload)


def read_plain_status(payload: bytes, device_id: str) -> Status | None:
    """Read a valid status of ``device_id`` with known keys, each once; else return None."""
    if b"\\" in payload:
        return None
    try:
        raw = _read_status(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    model = raw.model
    strings = _STATUS_STRINGS if model is None else _STATUS_STRINGS + 2
    if raw.device_id != device_id or payload.count(b'"') != 2 * strings:
        return None
    if model is not None and not model.isprintable():
        return None
    return Status(device_id, raw.epoch, raw.last_seq, raw.ts_ms, raw.state, raw.interval_ms, model)


def _strings_of(keys: tuple[str, ...]) -> int | None:
    """Count the strings that these keys bring, without ``extra``; None if they are unordered."""
    count = _in_order.get(keys)
    if count is None and _is_in_order(keys):
        count = _in_order[keys] = len(keys) + 1 + ("assist" in keys)  # device_id, assist
    return count


def _is_in_order(keys: tuple[str, ...]) -> bool:
    optional = keys[len(REQUIRED_KEYS) :]
    return keys == REQUIRED_KEYS + tuple(key for key in OPTIONAL_KEYS if key in optional)
