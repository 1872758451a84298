"""Socket.IO packets with their WebSocket header in front: made once, sent to every client.

A reading becomes ``42["speed_change",{…}]`` in one unmasked WebSocket text frame (RFC 6455,
section 5.2). Polling clients get the same bytes without the header.
"""

import json
from collections.abc import Mapping

TEXT_FRAME = 0x81
"""FIN and opcode 1: one whole text message."""
LENGTH_IN_2_BYTES, LENGTH_IN_8_BYTES = 126, 127
"""Lengths below these stand in the header's second byte itself."""
_HEADER_BYTES = {LENGTH_IN_2_BYTES: 4, LENGTH_IN_8_BYTES: 10}

_SPEED_CHANGE = b'42["speed_change",'
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def frame(packet: bytes) -> bytes:
    """Return a packet with the header of a WebSocket text frame in front."""
    # ``frame`` of ``gateway.transport.websocket.frames`` is its twin for every opcode. The core is
    # pure and must not import the transport, and ``packet_of`` must know the header's length.
    size = len(packet)
    if size < LENGTH_IN_2_BYTES:
        return bytes((TEXT_FRAME, size)) + packet
    if size < 1 << 16:
        return bytes((TEXT_FRAME, LENGTH_IN_2_BYTES)) + size.to_bytes(2, "big") + packet
    return bytes((TEXT_FRAME, LENGTH_IN_8_BYTES)) + size.to_bytes(8, "big") + packet


def packet_of(framed: bytes) -> bytes:
    """Return the packet without its header."""
    return framed[_HEADER_BYTES.get(framed[1], 2) :]


def reading_frame(payload: bytes) -> bytes:
    """Frame a reading (its JSON, as :func:`shared.wire.encode_reading` wrote it)."""
    return frame(_SPEED_CHANGE + payload + b"]")


def reading_payload(framed: bytes) -> bytes:
    """Return the JSON of a reading from its frame."""
    return packet_of(framed)[len(_SPEED_CHANGE) : -1]


def encode_json(body: Mapping[str, object]) -> bytes:
    """Encode an object as compact JSON in UTF-8."""
    return _encode(body).encode()


def event_frame(name: str, body: Mapping[str, object]) -> bytes:
    """Frame any other event."""
    return frame(f"42{_encode([name, body])}".encode())
