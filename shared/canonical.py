"""Readings that came as they are sent on: checked by msgspec, and their bytes kept. Pure.

Most publishers write a reading as the gateway would: known keys in their order, compact, each
once. Such a reading need not be written again, and msgspec checks its types and limits while it
parses. Anything else is None here, good or bad: :func:`shared.wire.decode_reading` then reads it
with the standard library, and says what is wrong.

msgspec takes the last of two equal keys silently and passes over unknown ones. Both leave more
quotation marks in the bytes than the result accounts for, and so are found by counting those.
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
    NUMBER_RANGES,
    OPTIONAL_KEYS,
    REQUIRED_KEYS,
    SPEED_RANGE_KMH,
    VERSION,
    Reading,
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
_read = msgspec.json.Decoder(TypedDict("_Raw", _KEYS, total=False)).decode  # type: ignore[operator]  # made at run time

_in_order: dict[tuple[str, ...], int] = {}
"""Keys as they were seen, in their order, and how many of them stand before a string or are
followed by one; at most the 8,192 choices that there are of 13 optional keys."""


def read_canonical(payload: bytes, device_id: str) -> Reading | None:
    """Read a valid reading of ``device_id`` that is written as the gateway writes; else None."""
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


def _strings_of(keys: tuple[str, ...]) -> int | None:
    """Count the strings that these keys bring without ``extra``; None for another order."""
    count = _in_order.get(keys)
    if count is None and _is_in_order(keys):
        count = _in_order[keys] = len(keys) + 1 + ("assist" in keys)  # device_id, assist
    return count


def _is_in_order(keys: tuple[str, ...]) -> bool:
    optional = keys[len(REQUIRED_KEYS) :]
    return keys == REQUIRED_KEYS + tuple(key for key in OPTIONAL_KEYS if key in optional)
