"""WebSocket frames that a server sends: final, unmasked, without extensions (RFC 6455, 5.2)."""

from struct import pack

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

FINAL = 0x80
LONGEST_7_BIT = 125
LONGEST_16_BIT = 0xFFFF
# RFC 6455, 5.5: the payload of a control frame is at most 125 bytes, two of them the code.
LONGEST_CLOSE_REASON_BYTES = LONGEST_7_BIT - 2

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_CODE = 1005
BAD_DATA = 1007
POLICY = 1008
TOO_BIG = 1009


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one frame with ``payload``."""
    size = len(payload)
    if size <= LONGEST_7_BIT:
        return pack("!BB", FINAL | opcode, size) + payload
    if size <= LONGEST_16_BIT:
        return pack("!BBH", FINAL | opcode, 126, size) + payload
    return pack("!BBQ", FINAL | opcode, 127, size) + payload


def packet_frame(packet: str | bytes) -> bytes:
    """Return the frame of one Engine.IO packet: text as text, an attachment as binary."""
    if isinstance(packet, str):
        return frame(TEXT, packet.encode())
    return frame(BINARY, bytes(packet))


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a Close frame; code 1005 stands for "no code" and is never written (7.4.1)."""
    if code == NO_CODE:
        return frame(CLOSE, b"")
    # Cutting may split a character; decoding drops its rest.
    text = reason.encode()[:LONGEST_CLOSE_REASON_BYTES].decode(errors="ignore")
    return frame(CLOSE, pack("!H", code) + text.encode())
