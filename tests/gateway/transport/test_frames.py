"""Frames that the server sends: golden bytes."""

import pytest

from gateway.transport.websocket.frames import BINARY, PONG, TEXT, close_frame, frame, packet_frame


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_shortest_length_field(size: int, head: bytes) -> None:
    assert frame(TEXT, b"x" * size) == head + b"x" * size


def test_packet_frames() -> None:
    assert packet_frame("4€") == b"\x81\x044\xe2\x82\xac"
    assert packet_frame(b"\x00\x01") == b"\x82\x02\x00\x01"
    assert packet_frame(b"\x02") == bytes([0x80 | BINARY, 1, 2])
    assert frame(PONG, b"p") == b"\x8a\x01p"


@pytest.mark.parametrize(
    ("code", "reason", "wanted"),
    [
        (1000, "", b"\x88\x02\x03\xe8"),
        (1002, "no", b"\x88\x04\x03\xeano"),
        (1005, "is never written", b"\x88\x00"),
        (1000, "€" * 50, b"\x88\x7d\x03\xe8" + "€".encode() * 41),
    ],
)
def test_close_frames(code: int, reason: str, wanted: bytes) -> None:
    assert close_frame(code, reason) == wanted
