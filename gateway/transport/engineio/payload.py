"""Engine.IO packets and the bodies of polling requests (protocol v4, "Packet encoding")."""

import base64
from collections.abc import Iterator

from gateway.transport.websocket.frames import POLICY, PROTOCOL_ERROR

SEPARATOR = "\x1e"
BINARY_MARK = "b"

# Stock Python clients refuse an answer of more than 16 packets as a whole.
MAX_PACKETS_PER_POLL = 16
# The size of one answer to a poll; a larger packet is sent alone.
MAX_BYTES_PER_POLL = 64 * 1024

OPEN = "0"
CLOSE = "1"
PING = "2"
PONG = "3"
MESSAGE = "4"
UPGRADE = "5"
NOOP = "6"
PROBE_PING = "2probe"
PROBE_PONG = "3probe"


class BadPayload(ValueError):
    """A body or packet that is no Engine.IO; the session must be closed."""


class BadPacket(ValueError):
    """A packet that the protocol forbids; the connection is closed with ``code`` (RFC 6455)."""

    code = PROTOCOL_ERROR


class UnknownPacket(BadPacket):
    """A packet of a type that no client sends; a WebSocket ignores it, as the stock server does."""


class TooManyPackets(BadPacket):
    """One packet without content too many."""

    code = POLICY


def encode(packets: list[str | bytes]) -> str:
    """Join packets to one body; binary becomes base64."""
    return SEPARATOR.join(map(_encode_packet, packets))


def text_of(body: bytes) -> str:
    """Return the text of a body. Raises BadPayload."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadPayload("body is not UTF-8") from error


def split(text: str) -> Iterator[str | bytes]:
    """Yield the packets of a text one by one: 1 MB may hold half a million. Raises BadPayload."""
    if not text:  # a POST of nothing: the stock server takes it, too
        return
    start = 0
    while (end := text.find(SEPARATOR, start)) >= 0:
        yield decode_packet(text[start:end])
        start = end + 1
    yield decode_packet(text[start:])


def _encode_packet(packet: str | bytes) -> str:
    if isinstance(packet, str):
        return packet
    return BINARY_MARK + base64.b64encode(packet).decode()


def decode_packet(part: str) -> str | bytes:
    """Return a packet from its text; one that begins with ``b`` is base64. Raises BadPayload."""
    if not part:
        raise BadPayload("empty packet")
    if part[0] != BINARY_MARK:
        return part
    try:
        # Some encoders break the lines.
        return base64.b64decode(part[1:].replace("\r", "").replace("\n", ""), validate=True)
    except ValueError as error:
        raise BadPayload("not base64") from error
