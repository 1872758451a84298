"""JSON Schemas of all that is sent, made from what the code checks by. Pure.

They keep to what JSON Schema draft 7 (AsyncAPI) and 2020-12 (OpenAPI 3.1) have in common.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, get_args

from gateway.domain import FaultReason, GapReason
from gateway.fanout.subscription import EVERYTHING, NAMES_MAX, RATE_MAX_HZ, SINCE_MAX
from shared.cursor import CURSOR, INTEGER_LIMIT
from shared.errors import RequestError, SpokeError
from shared.reading import (
    ASSIST_LEVELS,
    DEVICE_ID,
    EXTRA_KEY,
    EXTRA_KEYS_MAX,
    EXTRA_TEXT_MAX,
    MODEL_MAX,
    NUMBER_RANGES,
    REQUIRED_KEYS,
    SPEED_RANGE_KMH,
    VERSION,
    State,
)

Schema: TypeAlias = dict[str, Any]

GAP_REASONS = {
    GapReason.OVERRUN: "it fell out of what is held, because the client or the repair was too slow",
    GapReason.EXPIRED: "it is older than what is held",
    GapReason.NOT_RECOVERED: "it got lost on the way from the bike, which could not send it again",
    GapReason.INVALID: "the bike sent it with a speed or time that cannot be",
    GapReason.EPOCH: "the bike began a new numbering; how many are missing cannot be known",
    GapReason.EPOCH_BACK: "the bike's numbering went backwards; all that was held is gone",
    GapReason.UNKNOWN_CURSOR: "the client was ahead of all that the bike has",
    GapReason.EVICTED: "the bike had to give way to others meanwhile",
}
REFUSALS = {
    FaultReason.OLD_EPOCH: "its numbering went backwards, or two bikes have one id",
    FaultReason.FUTURE_EPOCH: "its numbering is more than a day ahead of the clock here",
    FaultReason.FAR_SEQ: "its number is more than 1,000,000 ahead",
    FaultReason.UNSUPPORTED_VERSION: "it speaks another version",
    FaultReason.INVALID: "for 3 s or more, no reading of it could be used",
    FaultReason.SEQ_BACK: "for 3 s or more, its numbers went back or did not rise",
    FaultReason.CONFLICT: "for 3 s or more, two publishers sent numbers that had been used before",
}
STATUS_OPTIONAL = ("model", "interval_ms", "refused")
"""Keys of a ``device_status`` that are absent while there is nothing to say."""
UNITS = {
    "kmh": "km/h", "w": "W", "rpm": "1/min", "bpm": "1/min", "pct": "%", "km": "km", "m": "m",
    "deg": "degrees", "c": "°C",
}  # fmt: skip


def ref(name: str) -> Schema:
    """Refer to one of :func:`schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Schema]:
    """Give every schema by its name."""
    return {
        "DeviceId": {"type": "string", "pattern": whole(DEVICE_ID), "maxLength": 64},
        "Cursor": {
            "type": "string",
            "pattern": whole(CURSOR),
            "description": (
                "A position: after reading <seq> of <epoch>. 0-0 is before everything. "
                "Good on every gateway."
            ),
            "examples": ["1732300000000-7", "0-0"],
        },
        "Reading": _reading(),
        "DeviceStatus": _told(_STATUS, "What is known of a bike.", STATUS_OPTIONAL),
        "Gap": _told(_gap(), "Readings that will not come; both bounds are exclusive."),
        "Error": _told(_error(), "Why something was refused."),
        "Subscribe": _subscribe(),
        "Unsubscribe": object_of({"devices": _devices()}, ["devices"]),
        "Subscribed": _answer({"devices": _by_device(ref("Start"))}),
        "Unsubscribed": _answer({}),
        "Refused": object_of({"ok": {"const": False}, "error": ref("Error")}, ["ok", "error"]),
        "Start": _start(),
    }


def device_schemas() -> dict[str, Schema]:
    """Give the schemas of what only devices send."""
    told = {
        "v": {"const": VERSION},
        "device_id": ref("DeviceId"),
        "epoch": integer("As in its readings."),
        "last_seq": integer("The number of the last reading published; 0 before the first."),
        "ts_ms": integer("ms since 1970 UTC; 0 without a clock."),
        "state": {"enum": list(get_args(State))},
        "interval_ms": integer("Between two readings; 0 when irregular."),
        "model": {"type": "string", "minLength": 1, "maxLength": MODEL_MAX},
    }
    return {"Status": _told(told, "What a bike says of itself every second.", ("model",))}


def object_of(properties: Mapping[str, Schema], required: list[str], about: str = "") -> Schema:
    """Describe an object with these keys and no others."""
    described = {"description": about} if about else {}
    return {
        "type": "object",
        **described,
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def array_of(items: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": items}


def integer(about: str, least: int = 0) -> Schema:
    """Describe an integer that JavaScript holds exactly."""
    return {"type": "integer", "minimum": least, "maximum": INTEGER_LIMIT - 1, "description": about}


def whole(pattern: re.Pattern[str]) -> str:
    """Anchor a pattern, which JSON Schema looks for anywhere."""
    return f"^(?:{pattern.pattern})$"


def error_codes() -> list[str]:
    """List the codes of all errors that a client may see."""
    return sorted({SpokeError.code, *(kind.code for kind in _below(RequestError))})


def _below(kind: type[SpokeError]) -> Iterator[type[SpokeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _told(properties: Mapping[str, Schema], about: str, optional: tuple[str, ...] = ()) -> Schema:
    return object_of(properties, [key for key in properties if key not in optional], about)


def _reading() -> Schema:
    low, high = SPEED_RANGE_KMH
    required: dict[str, Schema] = {
        "v": {"const": VERSION},
        "device_id": ref("DeviceId"),
        "epoch": integer("Greater each time the numbering starts anew."),
        "seq": integer("+1 for every reading of this bike in this epoch.", least=1),
        "ts_ms": integer("When it was measured, in ms since 1970 UTC."),
        "speed_kmh": {"type": "number", "minimum": low, "maximum": high, "description": "km/h"},
    }
    properties = required | {key: _number(key) for key in NUMBER_RANGES}
    properties |= {"assist": {"enum": list(ASSIST_LEVELS)}, "extra": _extra()}
    return object_of(properties, list(REQUIRED_KEYS), "One measurement of one bike.")


def _number(key: str) -> Schema:
    low, high = NUMBER_RANGES[key]
    unit = UNITS[key.rpartition("_")[2]]
    return {"type": "number", "minimum": low, "maximum": high, "description": unit}


def _extra() -> Schema:
    return {
        "type": "object",
        "description": "Values of the user's own.",
        "maxProperties": EXTRA_KEYS_MAX,
        "propertyNames": {"pattern": whole(EXTRA_KEY)},
        "additionalProperties": {
            "type": ["number", "boolean", "string"],
            "maxLength": EXTRA_TEXT_MAX,
        },
    }


_STATUS: Mapping[str, Schema] = {
    "device_id": ref("DeviceId"),
    "online": {"type": "boolean", "description": "Whether it was heard in the last 3 s."},
    "epoch": integer("Of its newest position; 0 before it was heard."),
    "last_seq": integer("Of its newest position."),
    "ts_ms": integer("Of the last it said; 0 before it was heard."),
    "model": {"type": "string", "minLength": 1, "maxLength": MODEL_MAX},
    "interval_ms": integer("Between two readings, as the bike says; 0 when irregular."),
    "refused": {
        "enum": list(REFUSALS),
        "description": "Why readings of it are refused; absent when they are not. "
        + "; ".join(f"{reason}: {meaning}" for reason, meaning in REFUSALS.items()),
    },
}


def _gap() -> Mapping[str, Schema]:
    meanings = "; ".join(f"{reason}: {meaning}" for reason, meaning in GAP_REASONS.items())
    return {
        "device_id": ref("DeviceId"),
        "after": or_null(ref("Cursor")),
        "before": ref("Cursor"),
        "lost": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "How many readings; null when that cannot be known.",
        },
        "reason": {"enum": list(GAP_REASONS), "description": meanings},
    }


def _error() -> Mapping[str, Schema]:
    return {
        "code": {"enum": error_codes(), "description": "For machines."},
        "message": {"type": "string", "description": "For people."},
    }


def or_null(schema: Schema) -> Schema:
    """Describe a value that may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}


def _devices() -> Schema:
    names = array_of(ref("DeviceId")) | {"maxItems": NAMES_MAX}
    return {"anyOf": [names, {"const": EVERYTHING}], "description": "Ids, or * for all bikes."}


def _subscribe() -> Schema:
    since = _by_device(ref("Cursor")) | {
        "maxProperties": SINCE_MAX,
        "description": "Start after these; the key * stands for every bike not named.",
    }
    rate = {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": RATE_MAX_HZ,
        "description": "Only the newest reading of each bike, at most so often.",
    }
    properties = {"devices": _devices(), "since": since, "max_rate_hz": rate}
    return object_of(properties, ["devices"], "What a client wants.")


def _start() -> Schema:
    properties = {
        "online": {"type": "boolean"},
        "cursor": ref("Cursor"),
        "latest": or_null(ref("Reading")),
    }
    about = "Where the stream of one bike starts. latest is no part of that stream."
    return object_of(properties, list(properties), about)


def _answer(more: Mapping[str, Schema]) -> Schema:
    return object_of({"ok": {"const": True}, **more}, ["ok", *more])


def _by_device(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}
