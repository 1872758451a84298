"""JSON Schemas of all payloads, made from the limits and lists that the code checks. Pure.

The schemas use only keywords that JSON Schema draft 7 (AsyncAPI) and 2020-12 (OpenAPI 3.1) share.
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
    GapReason.OVERRUN: "the gateway dropped it: the client or the repair was too slow",
    GapReason.EXPIRED: "it is older than the oldest reading held",
    GapReason.NOT_RECOVERED: "it was lost on the way, and the bike did not send it again",
    GapReason.INVALID: "the bike sent it with an impossible speed or time",
    GapReason.EPOCH: "the bike began a new epoch; the number of missing readings is unknown",
    GapReason.EPOCH_BACK: "the bike returned to an older epoch; all its readings were dropped",
    GapReason.UNKNOWN_CURSOR: "the client's cursor was ahead of all readings of the bike",
    GapReason.EVICTED: "the gateway evicted the bike for other bikes",
}
REFUSALS = {
    FaultReason.OLD_EPOCH: "its epoch went backwards, or two bikes have one id",
    FaultReason.FUTURE_EPOCH: "its epoch is more than a day ahead of the gateway's clock",
    FaultReason.FAR_SEQ: "its seq is more than 1,000,000 ahead",
    FaultReason.UNSUPPORTED_VERSION: "it uses another version of the protocol",
    FaultReason.INVALID: "for 3 s or more, no reading of it could be used",
    FaultReason.SEQ_BACK: "for 3 s or more, its seq went back or did not rise",
    FaultReason.CONFLICT: "for 3 s or more, two publishers sent numbers that were used before",
}
STATUS_OPTIONAL = ("model", "interval_ms", "refused")
"""Keys of a ``device_status`` that may be absent."""
UNITS = {
    "kmh": "km/h", "w": "W", "rpm": "1/min", "bpm": "1/min", "pct": "%", "km": "km", "m": "m",
    "deg": "degrees", "c": "°C",
}  # fmt: skip


def ref(name: str) -> Schema:
    """Return a reference to one of :func:`schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Schema]:
    """Return every shared schema by its name."""
    return {
        "DeviceId": {"type": "string", "pattern": whole(DEVICE_ID), "maxLength": 64},
        "Cursor": {
            "type": "string",
            "pattern": whole(CURSOR),
            "description": (
                "A position: after reading <seq> of <epoch>. 0-0 is before all readings. "
                "Every gateway accepts it."
            ),
            "examples": ["1732300000000-7", "0-0"],
        },
        "Reading": _reading(),
        "DeviceStatus": _message(_STATUS, "The state of a bike.", STATUS_OPTIONAL),
        "Gap": _message(_gap(), "Missing readings; both bounds are exclusive."),
        "Error": _message(_error(), "The reason of a refusal."),
        "Announcement": _message(_announcement(), "Words of the operator, for people."),
        "Subscribe": _subscribe(),
        "Unsubscribe": object_of({"devices": _devices()}, ["devices"]),
        "Subscribed": _answer({"devices": _by_device(ref("Start"))}),
        "Unsubscribed": _answer({}),
        "Refused": object_of({"ok": {"const": False}, "error": ref("Error")}, ["ok", "error"]),
        "Start": _start(),
    }


def device_schemas() -> dict[str, Schema]:
    """Return the schemas of messages that only devices send."""
    properties = {
        "v": {"const": VERSION},
        "device_id": ref("DeviceId"),
        "epoch": integer("The epoch of its readings."),
        "last_seq": integer("The number of the last reading published; 0 before the first."),
        "ts_ms": integer("ms since 1970 UTC; 0 without a clock."),
        "state": {"enum": list(get_args(State))},
        "interval_ms": integer("The time between two readings; 0 when irregular."),
        "model": {"type": "string", "minLength": 1, "maxLength": MODEL_MAX},
    }
    return {
        "Status": _message(properties, "The status that a bike publishes every second.", ("model",))
    }


def object_of(properties: Mapping[str, Schema], required: list[str], about: str = "") -> Schema:
    """Return the schema of an object with these keys and no others."""
    described = {"description": about} if about else {}
    return {
        "type": "object",
        **described,
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def array_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def integer(about: str, least: int = 0) -> Schema:
    """Return the schema of an integer that a JavaScript number holds exactly."""
    return {"type": "integer", "minimum": least, "maximum": INTEGER_LIMIT - 1, "description": about}


def whole(pattern: re.Pattern[str]) -> str:
    """Anchor a pattern: JSON Schema searches for a pattern anywhere in the text."""
    return f"^(?:{pattern.pattern})$"


def error_codes() -> list[str]:
    """Return the codes of all errors that a client may see."""
    return sorted({SpokeError.code, *(kind.code for kind in _subclasses(RequestError))})


def _subclasses(kind: type[SpokeError]) -> Iterator[type[SpokeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _subclasses(child)


def _message(
    properties: Mapping[str, Schema], about: str, optional: tuple[str, ...] = ()
) -> Schema:
    return object_of(properties, [key for key in properties if key not in optional], about)


def _reading() -> Schema:
    low, high = SPEED_RANGE_KMH
    required: dict[str, Schema] = {
        "v": {"const": VERSION},
        "device_id": ref("DeviceId"),
        "epoch": integer("Grows each time the numbering restarts."),
        "seq": integer("+1 for every reading of this bike in this epoch.", least=1),
        "ts_ms": integer("The time of the measurement, in ms since 1970 UTC."),
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
        "description": "Additional values of the device.",
        "maxProperties": EXTRA_KEYS_MAX,
        "propertyNames": {"pattern": whole(EXTRA_KEY)},
        "additionalProperties": {
            "type": ["number", "boolean", "string"],
            "maxLength": EXTRA_TEXT_MAX,
        },
    }


_STATUS: Mapping[str, Schema] = {
    "device_id": ref("DeviceId"),
    "online": {"type": "boolean", "description": "Whether the gateway heard it in the last 3 s."},
    "epoch": integer("The epoch of its newest position; 0 before it was heard."),
    "last_seq": integer("The seq of its newest position."),
    "ts_ms": integer("The time of its last message; 0 before it was heard."),
    "model": {"type": "string", "minLength": 1, "maxLength": MODEL_MAX},
    "interval_ms": integer(
        "The time between two readings, as the bike reports it; 0 when irregular."
    ),
    "refused": {
        "enum": list(REFUSALS),
        "description": "The reason why the gateway refuses its readings; absent without one. "
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
            "description": "The number of missing readings; null when unknown.",
        },
        "reason": {"enum": list(GAP_REASONS), "description": meanings},
    }


def _error() -> Mapping[str, Schema]:
    return {
        "code": {"enum": error_codes(), "description": "For machines."},
        "message": {"type": "string", "description": "For people."},
    }


def _announcement() -> Mapping[str, Schema]:
    return {"message": {"type": "string", "description": "For people."}}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _devices() -> Schema:
    names = array_of(ref("DeviceId")) | {"maxItems": NAMES_MAX}
    return {"anyOf": [names, {"const": EVERYTHING}], "description": "Ids, or * for all bikes."}


def _subscribe() -> Schema:
    since = _by_device(ref("Cursor")) | {
        "maxProperties": SINCE_MAX,
        "description": "Start after these cursors; the key * applies to all other bikes.",
    }
    rate = {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": RATE_MAX_HZ,
        "description": "Only the newest reading of each bike, at most so many times a second.",
    }
    properties = {"devices": _devices(), "since": since, "max_rate_hz": rate}
    return object_of(properties, ["devices"], "The bikes that a client subscribes to.")


def _start() -> Schema:
    properties = {
        "online": {"type": "boolean"},
        "cursor": ref("Cursor"),
        "latest": or_null(ref("Reading")),
    }
    about = "The start of the stream of one bike. latest is not part of that stream."
    return object_of(properties, list(properties), about)


def _answer(more: Mapping[str, Schema]) -> Schema:
    return object_of({"ok": {"const": True}, **more}, ["ok", *more])


def _by_device(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}
