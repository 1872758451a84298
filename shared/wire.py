"""Encodes and decodes all messages between device and gateway: topics, readings, statuses, replay.

How it works. No other module knows the bytes. Encoders and decoders come in pairs. A decoder takes
bytes from the network and returns checked values or raises :class:`~shared.errors.BadMessage`; it
raises no other error. A reading or status first tries the fast path of :mod:`shared.canonical`. If
that returns None, the strict path parses the JSON with the standard library, so that duplicate
keys, NaN and deep nesting are errors, and checks each key (:mod:`shared.reading`).

An answer to a replay request is a header and up to a thousand readings. Hostile readings take
100 ms to decode, so the header is decoded first, to find the request it belongs to. The readings
are then decoded in small pieces, with a call of ``pause`` between them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NoReturn, TypeAlias, TypeGuard

from shared.canonical import read_canonical, read_plain_status, write_canonical
from shared.cursor import Cursor, parse_cursor
from shared.errors import BadMessage
from shared.reading import (
    VERSION,
    CheckedReading,
    Reading,
    Status,
    check_reading,
    check_status,
    is_device_id,
    is_unicode,
)

READING_TOPIC = "ebike/reading/"
STATUS_TOPIC = "ebike/status/"
READING_BYTES_MAX = 2_048
STATUS_BYTES_MAX = 1_024
REPLAY_LIMIT_MAX = 1_000
REQUEST_ID_MAX = 64
TOPICS_KNOWN_MAX = 4_096
"""Two topics per device of a full device table, times two; 0.5 MB."""
REQUEST_BYTES_MAX = 4_096
SERVE_BYTES_MAX = 65_536
SERVE_DEVICES_MAX = 1_000
"""Storing one device takes 3 us. A process with more devices sends several messages."""
NEEDLESS_MAX = 250
"""How many readings at or before the requested position are skipped: one request of a gateway."""
READ_AT_ONCE = 10
"""How many readings are decoded between two calls of ``pause``: at most 1 ms of work."""
BRACKETS_MAX = 256
"""A valid message needs four. Parsing an object takes as long as parsing 40 bytes of other JSON."""

ReplayCode: TypeAlias = Literal["bad_request", "unknown_device", "busy", "unsupported_version"]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A request for readings after a position; None requests from the oldest stored reading."""

    id: str
    device_id: str
    after: Cursor | None
    limit: int


@dataclass(frozen=True, slots=True)
class ReplayAnswer:
    """A page of readings in ascending order, across epochs.

    ``oldest`` and ``newest`` are the limits of the readings the device stores. ``count`` is the
    number of readings in the message, including invalid ones, which are left out of ``readings``.
    ``reached`` is the last position in the message, including that of invalid readings; None if no
    position could be decoded.
    """

    id: str
    device_id: str
    oldest: Cursor | None
    newest: Cursor | None
    readings: tuple[Reading, ...]
    count: int = 0
    reached: Cursor | None = None


@dataclass(frozen=True, slots=True)
class ReplayRefusal:
    """The answer to a request that the device refused, with the reason."""

    id: str
    device_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Serve:
    """The announcement of a device process that connected to the gateway: the ids it can replay."""

    devices: tuple[str, ...]


def reading_topic(device_id: str) -> bytes:
    """Return the topic of a device's readings. It ends with ``/`` because topics are prefixes."""
    return f"{READING_TOPIC}{device_id}/".encode()


def status_topic(device_id: str) -> bytes:
    """Return the topic of a device's statuses."""
    return f"{STATUS_TOPIC}{device_id}/".encode()


def encode_reading(reading: Reading) -> bytes:
    """Encode a reading: known keys in fixed order, compact JSON in UTF-8, never NaN."""
    return reading.written or _dump(
        {
            "v": VERSION,
            "device_id": reading.device_id,
            "epoch": reading.epoch,
            "seq": reading.seq,
            "ts_ms": reading.ts_ms,
            "speed_kmh": reading.speed_kmh,
            **reading.values,
        }
    )


def encode_valid(raw: Mapping[str, object], device_id: str) -> bytes | None:
    """Encode a new reading at once if it is canonical and valid; None if it must be checked.

    The bytes are read back with the checks of a gateway. This takes a quarter of the time of
    :func:`~shared.reading.check_reading` and :func:`encode_reading`.
    """
    try:
        payload = write_canonical(raw)
    except (TypeError, ValueError, OverflowError):
        return None
    is_valid = len(payload) <= READING_BYTES_MAX and read_canonical(payload, device_id) is not None
    return payload if is_valid else None


def decode_reading(payload: bytes, device_id: str) -> CheckedReading:
    """Decode and check a reading of ``device_id``."""
    reading = read_canonical(payload, device_id) if len(payload) <= READING_BYTES_MAX else None
    if reading is not None:
        return CheckedReading(reading, (), ())
    return check_reading(load_object(payload, READING_BYTES_MAX), device_id)


def encode_status(status: Status) -> bytes:
    body: dict[str, object] = {
        "v": VERSION,
        "device_id": status.device_id,
        "epoch": status.epoch,
        "last_seq": status.last_seq,
        "ts_ms": status.ts_ms,
        "state": status.state,
        "interval_ms": status.interval_ms,
    }
    return _dump(body if status.model is None else body | {"model": status.model})


def decode_status(payload: bytes, device_id: str) -> Status:
    """Decode and check a status of ``device_id``."""
    status = read_plain_status(payload, device_id) if len(payload) <= STATUS_BYTES_MAX else None
    if status is not None:
        return status
    return check_status(load_object(payload, STATUS_BYTES_MAX), device_id)


def decode_message(frames: Sequence[bytes]) -> CheckedReading | Status:
    """Decode a message from the XSUB socket: the frames are topic and payload."""
    try:
        topic, payload = frames
    except ValueError as error:
        text = f"{len(frames)} frames instead of topic and payload"
        raise BadMessage("bad_frames", text) from error
    kind, device_id = _split_topic(topic)
    try:
        return (decode_reading if kind == READING_TOPIC else decode_status)(payload, device_id)
    except BadMessage as error:
        error.device_id = device_id  # the topic names the device even if the payload is invalid
        raise


def encode_request(request: ReplayRequest) -> bytes:
    """Encode a replay request."""
    return _dump(
        {
            "v": VERSION,
            "op": "replay",
            "id": request.id,
            "device_id": request.device_id,
            "after": None if request.after is None else str(request.after),
            "limit": request.limit,
        }
    )


def decode_request(payload: bytes) -> ReplayRequest:
    """Decode a replay request. The ``reason`` of an error is the code for the answer."""
    raw = _load_request(payload)
    if not _is_exactly(raw.get("v"), VERSION):
        raise BadMessage("unsupported_version", f"v must be {VERSION}")
    if raw.get("op") != "replay":
        raise BadMessage("bad_request", 'op must be "replay"')
    request_id, device_id, limit = raw.get("id"), raw.get("device_id"), raw.get("limit")
    if not is_request_id(request_id):
        raise BadMessage("bad_request", f"id must be a string of at most {REQUEST_ID_MAX}")
    if not is_device_id(device_id):
        raise BadMessage("bad_request", "device_id is not a device id")
    if type(limit) is not int or not 1 <= limit <= REPLAY_LIMIT_MAX:
        raise BadMessage("bad_request", f"limit must be 1 to {REPLAY_LIMIT_MAX}")
    after = _optional_cursor(raw, "after", "bad_request")
    return ReplayRequest(request_id, device_id, after, limit)  # type: ignore[arg-type]  # checked above


def encode_answer(
    request: ReplayRequest,
    payloads: Sequence[bytes],
    oldest: Cursor | None,
    newest: Cursor | None,
) -> list[bytes]:
    """Encode an answer: a header, then the readings with the bytes that were published."""
    header = {
        "v": VERSION,
        "id": request.id,
        "device_id": request.device_id,
        "count": len(payloads),
        "oldest": None if oldest is None else str(oldest),
        "newest": None if newest is None else str(newest),
    }
    return [_dump(header), *payloads]


def encode_refusal(request_id: str, device_id: str, code: ReplayCode, message: str) -> list[bytes]:
    """Encode the refusal of a request."""
    error = {"code": code, "message": message}
    return [_dump({"v": VERSION, "id": request_id, "device_id": device_id, "error": error})]


def decode_answer(frames: Sequence[bytes]) -> ReplayAnswer | ReplayRefusal:
    """Decode an answer. Invalid readings are left out; the feed announces them as gaps.

    If the answer holds a reading of another device, or readings that do not ascend, the whole
    answer is a ``bad_answer``.
    """
    header = decode_answer_header(frames)
    return header if isinstance(header, ReplayRefusal) else decode_readings(header, frames[1:])


def decode_answer_header(frames: Sequence[bytes]) -> ReplayAnswer | ReplayRefusal:
    """Decode an answer without its readings, to find out cheaply if somebody requested it."""
    if not 1 <= len(frames) <= 1 + REPLAY_LIMIT_MAX:
        raise BadMessage("bad_answer", f"{len(frames)} frames")
    header = load_object(frames[0], REQUEST_BYTES_MAX)
    request_id, device_id = header.get("id"), header.get("device_id")
    if not is_request_id(request_id) or not isinstance(device_id, str):
        raise BadMessage("bad_answer", "id and device_id must be strings")
    if "error" in header:
        return _refusal(header["error"], str(request_id), device_id)
    count = len(frames) - 1
    if not (_is_exactly(header.get("v"), VERSION) and _is_exactly(header.get("count"), count)):
        raise BadMessage("bad_answer", "v or count is wrong")
    oldest, newest = (_optional_cursor(header, key, "bad_answer") for key in ("oldest", "newest"))
    return ReplayAnswer(str(request_id), device_id, oldest, newest, (), count, None)


def decode_readings(
    header: ReplayAnswer,
    payloads: Sequence[bytes],
    after: Cursor | None = None,
    limit: int = REPLAY_LIMIT_MAX,
    pause: Callable[[], None] = lambda: None,
) -> ReplayAnswer:
    """Decode up to ``limit`` readings after a position; the rest of the answer is not decoded.

    ``pause`` is called between two pieces of the work. Decoding a thousand hostile readings takes
    100 ms.
    """
    readings, reached = _ascending(payloads, header.device_id, after, limit, pause)
    return replace(header, readings=readings, reached=reached)


def _is_exactly(value: object, number: int) -> bool:
    """Tell whether a value is this integer. In Python ``True`` and ``1.0`` also equal 1."""
    return type(value) is int and value == number


def encode_serve(devices: Sequence[str]) -> bytes:
    """Encode the announcement of a device process that connected to the gateway."""
    return _dump({"v": VERSION, "op": "serve", "devices": list(devices)})


def decode_serve(payload: bytes) -> Serve | None:
    """Decode such an announcement; return None for another message."""
    raw = load_object(payload, SERVE_BYTES_MAX)
    if raw.get("op") != "serve":
        return None
    devices = raw.get("devices")
    if not _is_exactly(raw.get("v"), VERSION) or not isinstance(devices, list):
        raise BadMessage("bad_serve", "v must be 1 and devices a list")
    if len(devices) > SERVE_DEVICES_MAX:
        raise BadMessage("bad_serve", f"at most {SERVE_DEVICES_MAX} devices")
    if not all(is_device_id(device_id) for device_id in devices):
        raise BadMessage("bad_serve", "devices must be device ids")
    return Serve(tuple(devices))


@lru_cache(maxsize=TOPICS_KNOWN_MAX)
def _split_topic(topic: bytes) -> tuple[str, str]:
    text = topic.decode("ascii", "replace")
    for kind in (READING_TOPIC, STATUS_TOPIC):
        device_id = text[len(kind) : -1]
        if text.startswith(kind) and text.endswith("/") and is_device_id(device_id):
            return kind, device_id
    raise BadMessage("bad_topic", "the topic is not ebike/{reading,status}/<device_id>/")


def _ascending(
    payloads: Sequence[bytes],
    device_id: str,
    after: Cursor | None,
    limit: int,
    pause: Callable[[], None],
) -> tuple[tuple[Reading, ...], Cursor | None]:
    """Decode the valid readings, and the last position, which may be of an invalid reading.

    Readings at or before ``after`` were not requested. At most :data:`NEEDLESS_MAX` of them are
    skipped; after that, decoding stops.
    """
    readings: list[Reading] = []
    reached: Cursor | None = None
    needless = 0
    for number, payload in enumerate(payloads, 1):
        if len(readings) == limit or needless > NEEDLESS_MAX:
            break
        if number % READ_AT_ONCE == 0:
            pause()
        reading, position = _reading_or_position(payload, device_id)
        if position is not None and reached is not None and position <= reached:
            raise BadMessage("bad_answer", "its readings do not ascend")
        reached = position or reached
        if after is not None and reached is not None and reached <= after:
            needless += 1
        elif reading is not None:
            readings.append(reading)
    return tuple(readings), reached


def _reading_or_position(payload: bytes, device_id: str) -> tuple[Reading | None, Cursor | None]:
    """Decode one reading of an answer. If it is invalid, return at least its position."""
    try:
        reading = decode_reading(payload, device_id).reading
    except BadMessage as error:
        if error.reason == "id_mismatch":
            raise BadMessage("bad_answer", "it holds a reading of another device") from error
        return None, error.position
    return reading, reading.cursor


def _refusal(error: object, request_id: str, device_id: str) -> ReplayRefusal:
    code = error.get("code") if isinstance(error, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    return ReplayRefusal(request_id, device_id, str(code), str(message))


def _optional_cursor(raw: Mapping[str, object], key: str, reason: str) -> Cursor | None:
    value = raw.get(key)
    cursor = parse_cursor(value)
    if value is not None and cursor is None:
        raise BadMessage(reason, f"{key} must be null or a cursor such as 1722-5")
    return cursor


def is_request_id(value: object) -> TypeGuard[str]:
    """Tell whether ``value`` is a valid request id: short, and encodable in the answer."""
    return isinstance(value, str) and len(value) <= REQUEST_ID_MAX and is_unicode(value)


def _load_request(payload: bytes) -> dict[str, object]:
    try:
        return load_object(payload, REQUEST_BYTES_MAX)
    except BadMessage as error:
        raise BadMessage("bad_request", str(error)) from error


def load_object(payload: bytes, limit: int) -> dict[str, object]:
    """Parse one JSON object strictly: UTF-8, no duplicate keys, no NaN, bounded nesting."""
    if len(payload) > limit:
        raise BadMessage("too_large", f"{len(payload)} bytes, at most {limit}")
    if payload.count(b"{") + payload.count(b"[") > BRACKETS_MAX:
        raise BadMessage("bad_json", f"more than {BRACKETS_MAX} brackets open")
    try:
        raw = _decode(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadMessage("bad_json", f"not one JSON object: {error}") from error
    if not isinstance(raw, dict):
        raise BadMessage("bad_json", "not a JSON object")
    return raw


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _dump(body: Mapping[str, object]) -> bytes:
    return _encode(body).encode("utf-8")
