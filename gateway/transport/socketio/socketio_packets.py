"""Reads Socket.IO packets of clients: complete, allowed and bounded, or refused."""

import json
import re
from sys import getsizeof
from typing import Any

from socketio import packet

from gateway.transport.stock.strict_json import (
    READING,
    SHORT_CHARS,
    StrictJSON,
    check_containers,
    read,
)

# A packet may announce this many attachments; together they obey the size limit of a message.
MAX_ATTACHMENTS = 100

# The library's own events: from a client, they would call handlers of the application for them.
RESERVED_EVENTS = frozenset({"connect", "connect_error", "disconnect", "disconnecting"})


KINDS = frozenset("0123456")
BINARY_KINDS = (packet.BINARY_EVENT, packet.BINARY_ACK)
BINARY_MARKS = frozenset(map(str, BINARY_KINDS))
# A parsed text may cost so many times its size: "{}," is 3 bytes, its object 64 and a list slot.
PARSED_FACTOR = 24
# The type of a packet, and how many attachments follow it.
ANNOUNCED = re.compile("[0-6]([0-9]{1,10})-")
# The same for a packet that this process encoded, and its namespace.
ADDRESS = re.compile("[0-6](?:([0-9]+)-)?(/[^,]*)?")


class BadSocketIOPacket(ValueError):
    """A packet that Socket.IO does not allow; the connection is closed for it."""


UNREADABLE = object()
"""Stands for the data of a CONNECT whose JSON cannot be read."""


class IncomingPacket:
    """A packet that a client sent. A long text is parsed only when the packet is served.

    Parsed JSON takes up to 24 times the memory of its text. A short text is parsed at once, so that
    the answer to a POST can refuse it. A packet of a class with its own ``decode`` is parsed at
    once, too.
    """

    __slots__ = ("__weakref__", "_attached", "_decoded", "_missing", "_size", "_text", "kind")

    def __init__(self, packet_class: Any, data: str | bytes) -> None:
        """Read the type, and how many attachments follow. Raises BadSocketIOPacket."""
        self._text = data
        self._attached: list[bytes] = []
        self._size = 0
        self._decoded: Any = None
        if packet_class.decode is packet.Packet.decode:
            self.kind, self._missing = _read_start(data)
        else:
            self._decoded = _construct(packet_class, data)
            self.kind, self._missing = self._decoded.packet_type, self._decoded.attachment_count
        if self._missing > MAX_ATTACHMENTS:
            raise BadSocketIOPacket("too many attachments")
        if self._missing and self.kind not in BINARY_KINDS:
            raise BadSocketIOPacket("attachments of a text packet")
        if self.is_complete and len(data) <= SHORT_CHARS:
            self._decoded = self.decode(packet_class)

    @property
    def is_complete(self) -> bool:
        """True when no attachment is missing."""
        return not self._missing

    @property
    def cost(self) -> int:
        """The memory that the packet costs, in bytes."""
        text = getsizeof(self._text) * (1 if self._decoded is None else PARSED_FACTOR)
        return text + sum(map(getsizeof, self._attached))

    def attach(self, data: str | bytes, max_bytes: int) -> None:
        """Add an attachment. Raises BadSocketIOPacket."""
        if not isinstance(data, bytes):
            raise BadSocketIOPacket("text where an attachment was announced")
        self._size += len(data)
        if self._size > max_bytes:
            raise BadSocketIOPacket("attachments too big")
        self._attached.append(data)
        self._missing -= 1

    def decode(self, packet_class: Any) -> Any:
        """Return a packet of ``packet_class``, with the attachments that have come.

        Raises BadSocketIOPacket for everything the protocol does not allow.
        """
        decoded = self._decoded or _construct(packet_class, self._text, self._attached)
        if decoded.attachment_count != len(self._attached):
            raise BadSocketIOPacket("other attachments than announced")
        if self._attached and not _is_strict(packet_class):
            _check_placeholders(decoded.data, len(self._attached))
            _put_in_attachments(decoded, self._attached)
        check_payload(decoded)
        return decoded


def address_of(packet_class: Any, data: str | bytes) -> tuple[str, int]:
    """Return the namespace of a packet that this process encoded, and its number of attachments."""
    if packet_class.decode is packet.Packet.decode and isinstance(data, str):
        found = ADDRESS.match(data)
        return (found and found[2]) or "/", int((found and found[1]) or 0)
    decoded = getattr(packet_class, "unbounded", packet_class)(encoded_packet=data)
    return decoded.namespace or "/", decoded.attachment_count


def _read_start(data: str | bytes) -> tuple[int | None, int]:
    """Return the type of a packet or None, and how many attachments it announces."""
    if not isinstance(data, str):
        raise BadSocketIOPacket("an attachment that was not announced")
    announced = ANNOUNCED.match(data)
    return int(data[0]) if data[:1] in KINDS else None, int(announced[1]) if announced else 0


def _is_strict(packet_class: Any) -> bool:
    """Say whether a packet class reads JSON with ``StrictJSON``."""
    return packet_class.json.loads is StrictJSON.loads


def _construct(packet_class: Any, data: str | bytes, attached: list[bytes] | None = None) -> Any:
    """Make a packet; strict JSON inserts the attachments while it parses.

    A packet class of the application may raise any error for data that it cannot read.
    """
    try:
        if packet_class.decode is not packet.Packet.decode or isinstance(data, bytes):
            return packet_class(encoded_packet=data)
        if data[:1] == str(packet.CONNECT):
            return _read_connect(packet_class, data)
        if not _is_strict(packet_class):
            check_containers(data)
            return packet_class(encoded_packet=data)
        if attached is None or data[:1] not in BINARY_MARKS:
            return packet_class(encoded_packet=data)
        decoded = packet_class()
        decoded.json = _Reconstructing(attached)
        decoded.attachment_count = decoded.decode(data)
    except BadSocketIOPacket:
        raise
    except Exception as error:
        raise BadSocketIOPacket(f"cannot be decoded: {type(error).__name__}") from error
    return decoded


def _read_connect(packet_class: Any, text: str) -> Any:
    """Make a CONNECT packet. Its data may be any JSON; the stock class takes a number for an ID.

    Data that cannot be read does not close the connection: the client gets CONNECT_ERROR.
    """
    namespace, auth = None, text[1:]
    if auth.startswith("/"):
        namespace, _, auth = auth.partition(",")
        namespace = namespace.partition("?")[0]
    try:
        check_containers(auth)
        data = packet_class.json.loads(auth) if auth else None
    except Exception:
        data = UNREADABLE
    return packet_class(packet.CONNECT, data=data, namespace=namespace, binary=False)


def _put_in_attachments(decoded: Any, attached: list[bytes]) -> None:
    try:
        for attachment in attached:
            decoded.add_attachment(attachment)
    except Exception as error:
        raise BadSocketIOPacket("attachments do not fit") from error


class _Reconstructing:
    """Replaces placeholders while it reads JSON: to search for them afterwards takes far longer."""

    def __init__(self, attached: list[bytes]) -> None:
        self._attached = attached

    def loads(self, text: str) -> Any:
        return read(json.JSONDecoder(object_hook=self._put_in, **READING), text)

    def _put_in(self, item: dict[str, Any]) -> Any:
        if not item.get("_placeholder"):
            return item
        return self._attached[_number(item, len(self._attached))]


def _number(item: dict[str, Any], count: int) -> int:
    number = item.get("num")
    if type(number) is not int or not 0 <= number < count:
        raise BadSocketIOPacket("placeholder without its attachment")
    return number


def _check_placeholders(data: Any, count: int) -> None:
    """Check the number of each placeholder, without recursion, as the data may be deep."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("_placeholder"):
                _number(item, count)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def check_payload(decoded: Any) -> None:
    """Check type and payload of a complete packet (Socket.IO v5, "Exchange protocol")."""
    kind, data = decoded.packet_type, decoded.data
    if not isinstance(decoded.namespace, str | None) or type(decoded.id) not in (int, type(None)):
        raise BadSocketIOPacket("namespace or ID of another type")
    if kind == packet.CONNECT:
        valid = True  # the application's connect handler checks the data
    elif kind == packet.DISCONNECT:
        valid = data is None
    elif kind in (packet.EVENT, packet.BINARY_EVENT):
        valid = isinstance(data, list) and bool(data) and _is_event_name(data[0])
    elif kind in (packet.ACK, packet.BINARY_ACK):
        valid = isinstance(data, list | None) and decoded.id is not None
    else:
        valid = False
    if not valid:
        raise BadSocketIOPacket("payload not allowed for its type")


def _is_event_name(name: object) -> bool:
    if isinstance(name, str):
        return name not in RESERVED_EVENTS
    return isinstance(name, int) and not isinstance(name, bool)
