"""Socket.IO packets as they come in: complete, allowed and bounded, or refused."""

import json
from collections.abc import Iterator
from typing import Any

from socketio import packet

# A packet may announce this many attachments; together they obey the size limit of a message.
MAX_ATTACHMENTS = 100
MAX_INTEGER_DIGITS = 100

# Events with these names are the library's own: from a client they would run its handlers.
RESERVED_EVENTS = frozenset({"connect", "connect_error", "disconnect", "disconnecting"})


class BadSocketIOPacket(ValueError):
    """A packet that Socket.IO does not allow; the connection is closed for it."""


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _short_int(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError("integer too long")
    return int(digits)


# Made once: json.dumps and json.loads make one for each call with options.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_short_int)


class StrictJSON:
    """JSON as browsers read it: Python's own would write and read NaN and Infinity."""

    @staticmethod
    def dumps(value: object, separators: tuple[str, str]) -> str:
        """Return compact JSON. Raises ValueError for a number that JSON cannot express."""
        return _ENCODER.encode(value)

    @staticmethod
    def loads(text: str) -> Any:
        """Return the value. Raises ValueError, also for NaN and for endless integers."""
        return _DECODER.decode(text)


class StrictPacket(packet.Packet):  # type: ignore[misc]  # socketio has no types
    """The stock packet with strict JSON, without touching the process-wide setting."""

    json = StrictJSON


def decode(packet_class: Any, data: str | bytes) -> Any:
    """Return a packet of ``packet_class``, checked as far as it is here.

    Raises BadSocketIOPacket for everything the protocol does not allow.
    """
    try:
        decoded = packet_class(encoded_packet=data)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BadSocketIOPacket(f"cannot be decoded: {type(error).__name__}") from error
    _check_attachments(decoded)
    if not decoded.attachment_count:
        check_payload(decoded)
    return decoded


def _check_attachments(decoded: Any) -> None:
    binary = decoded.packet_type in (packet.BINARY_EVENT, packet.BINARY_ACK)
    count = decoded.attachment_count
    if count > MAX_ATTACHMENTS:
        raise BadSocketIOPacket("too many attachments")
    if count and not binary:
        raise BadSocketIOPacket("attachments of a text packet")
    for number in _placeholders(decoded.data) if binary else ():
        if type(number) is not int or not 0 <= number < count:
            raise BadSocketIOPacket("placeholder without its attachment")


def _placeholders(data: Any) -> Iterator[Any]:
    """Find the number of each placeholder; no recursion, however deep the data is."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("_placeholder"):
                yield item.get("num")
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def check_payload(decoded: Any) -> None:
    """Check type and payload of a complete packet (Socket.IO v5, "Exchange protocol")."""
    kind, data = decoded.packet_type, decoded.data
    if kind == packet.CONNECT:
        valid = data is None or isinstance(data, dict)
    elif kind == packet.DISCONNECT:
        valid = data is None
    elif kind in (packet.EVENT, packet.BINARY_EVENT):
        valid = isinstance(data, list) and bool(data) and _is_event_name(data[0])
    elif kind in (packet.ACK, packet.BINARY_ACK):
        valid = isinstance(data, list) and decoded.id is not None
    else:
        valid = False
    if not valid:
        raise BadSocketIOPacket("payload not allowed for its type")


def _is_event_name(name: object) -> bool:
    if isinstance(name, str):
        return name not in RESERVED_EVENTS
    return isinstance(name, int) and not isinstance(name, bool)


def add_attachment(pending: Any, data: str | bytes, max_bytes: int) -> bool:
    """Add ``data`` to a packet that waits for attachments; say whether it is complete."""
    if not isinstance(data, bytes):
        raise BadSocketIOPacket("text where an attachment was announced")
    if sum(map(len, pending.attachments)) + len(data) > max_bytes:
        raise BadSocketIOPacket("attachments too big")
    try:
        complete = bool(pending.add_attachment(data))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadSocketIOPacket("attachments do not fit") from error
    if complete:
        check_payload(pending)
    return complete
