"""The bytes between device and gateway: topics, readings, statuses, replay. Their sole owner.

Encoders and decoders come in pairs. Decoders take what the network gave and return checked
values or raise :class:`~shared.errors.BadMessage`; they never raise anything else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NoReturn, TypeAlias, TypeGuard

from shared.canonical import read_canonical, read_plain_status
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
"""Two for each device of a full table, and as many again; 0.5 MB."""
REQUEST_BYTES_MAX = 4_096
SERVE_BYTES_MAX = 65_536
SERVE_DEVICES_MAX = 1_000
"""Noting a device takes 3 us; a device process with more of them sends several messages."""
NEEDLESS_MAX = 250
"""Readings before the position asked for that are passed over, as many as a gateway asks for."""
READ_AT_ONCE = 10
"""Readings of an answer that are read between two calls of ``pause``: at most 1 ms."""
BRACKETS_MAX = 256
"""A valid message needs four. Each object costs as much to parse as 40 bytes of other JSON."""

ReplayCode: TypeAlias = Literal["bad_request", "unknown_device", "busy", "unsupported_version"]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A question for what a device sent: readings after a position (None: the oldest held)."""

    id: str
    device_id: str
    after: Cursor | None
    limit: int


@dataclass(frozen=True, slots=True)
class ReplayAnswer:
    """A page of readings, ascending across epochs; ``oldest`` and ``newest`` are held now.

    ``count`` is how many were sent, ``reached`` the last position among them, over readings that
    are not valid and left out; None when not one could be read.
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
    """A question that was not served, and why."""

    id: str
    device_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Serve:
    """A device that connected to the gateway says whose readings it can replay."""

    devices: tuple[str, ...]


def reading_topic(device_id: str) -> bytes:
    """Name the topic of a device's readings; ends in a delimiter because topics are prefixes."""
    return f"{READING_TOPIC}{device_id}/".encode()


def status_topic(device_id: str) -> bytes:
    """Name the topic of a device's statuses."""
    return f"{STATUS_TOPIC}{device_id}/".encode()


def encode_reading(reading: Reading) -> bytes:
    """Write a reading: known keys in their order, compact, UTF-8, NaN impossible."""
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


def decode_reading(payload: bytes, device_id: str) -> CheckedReading:
    """Read and check a reading of ``device_id``."""
    reading = read_canonical(payload, device_id) if len(payload) <= READING_BYTES_MAX else None
    if reading is not None:
        return CheckedReading(reading, (), ())
    return check_reading(_load(payload, READING_BYTES_MAX), device_id)


def encode_status(status: Status) -> bytes:
    """Write a status."""
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
    """Read and check a status of ``device_id``."""
    status = read_plain_status(payload, device_id) if len(payload) <= STATUS_BYTES_MAX else None
    if status is not None:
        return status
    return check_status(_load(payload, STATUS_BYTES_MAX), device_id)


def decode_message(frames: Sequence[bytes]) -> CheckedReading | Status:
    """Read what came over SUB: topic and payload."""
    try:
        topic, payload = frames
    except ValueError as error:
        text = f"{len(frames)} frames instead of topic and payload"
        raise BadMessage("bad_frames", text) from error
    kind, device_id = _split_topic(topic)
    try:
        return (decode_reading if kind == READING_TOPIC else decode_status)(payload, device_id)
    except BadMessage as error:
        error.device_id = device_id  # also where the payload cannot be read
        raise


def encode_request(request: ReplayRequest) -> bytes:
    """Write a question for readings."""
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
    """Read a question for readings; the error's ``reason`` is the code to answer with."""
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
    """Write an answer: the header, then the readings as they were published."""
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
    """Write the answer to a question that cannot be served."""
    error = {"code": code, "message": message}
    return [_dump({"v": VERSION, "id": request_id, "device_id": device_id, "error": error})]


def decode_answer(frames: Sequence[bytes]) -> ReplayAnswer | ReplayRefusal:
    """Read an answer; readings that are not valid are left out: holes that the feed announces.

    Another device's readings, or readings that do not ascend, make all of it a ``bad_answer``.
    """
    header = decode_answer_header(frames)
    return header if isinstance(header, ReplayRefusal) else decode_readings(header, frames[1:])


def decode_answer_header(frames: Sequence[bytes]) -> ReplayAnswer | ReplayRefusal:
    """Read an answer but for its readings, to tell cheaply whether anybody asked for them."""
    if not 1 <= len(frames) <= 1 + REPLAY_LIMIT_MAX:
        raise BadMessage("bad_answer", f"{len(frames)} frames")
    header = _load(frames[0], REQUEST_BYTES_MAX)
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
    """Read the readings of an answer, up to ``limit`` after a position; the rest costs nothing.

    ``pause`` is called between two pieces of the work: a thousand hostile readings take 100 ms.
    """
    readings, reached = _ascending(payloads, header.device_id, after, limit, pause)
    return replace(header, readings=readings, reached=reached)


def _is_exactly(value: object, number: int) -> bool:
    """Tell whether a value is this integer: in Python ``True`` and ``1.0`` are equal to 1."""
    return type(value) is int and value == number


def encode_serve(devices: Sequence[str]) -> bytes:
    """Write the announcement of a device that connected out."""
    return _dump({"v": VERSION, "op": "serve", "devices": list(devices)})


def decode_serve(payload: bytes) -> Serve | None:
    """Read such an announcement; None when the message is something else."""
    raw = _load(payload, SERVE_BYTES_MAX)
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
    """Read the valid readings, and the last position that could be read at all.

    Those at or before ``after`` were not asked for; a few of them are passed over.
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
    """Read one reading of an answer; of one that is not valid, at least its position."""
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
    """Tell whether ``value`` can be a question's id: short, and such that it can be echoed."""
    return isinstance(value, str) and len(value) <= REQUEST_ID_MAX and is_unicode(value)


def _load_request(payload: bytes) -> dict[str, object]:
    try:
        return _load(payload, REQUEST_BYTES_MAX)
    except BadMessage as error:
        raise BadMessage("bad_request", str(error)) from error


def _load(payload: bytes, limit: int) -> dict[str, object]:
    """Parse one JSON object, strictly: UTF-8, no key twice, no NaN, no endless nesting."""
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
        raise ValueError("a key stands twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _dump(body: Mapping[str, object]) -> bytes:
    return _encode(body).encode("utf-8")
