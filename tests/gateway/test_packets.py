"""Golden bytes: what leaves for a browser."""

import pytest

from gateway.domain import Gap, GapReason
from gateway.packets import (
    event_frame,
    frame,
    packet_of,
    reading_frame,
    reading_payload,
)
from shared.cursor import Cursor
from shared.wire import encode_reading
from tests.gateway.feeds import reading


def test_reading_frame_bytes() -> None:
    payload = b'{"v":1,"device_id":"ebike-001","epoch":1,"seq":5,"ts_ms":7,"speed_kmh":21.5}'

    assert reading_frame(payload) == b"\x81\x5f" + b'42["speed_change",' + payload + b"]"


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_frame_header_by_size(size: int, header: bytes) -> None:
    framed = frame(b"x" * size)

    assert framed == header + b"x" * size
    assert packet_of(framed) == b"x" * size


def test_reading_payload_round_trip() -> None:
    payload = encode_reading(reading(5))

    assert reading_payload(reading_frame(payload)) == payload


def test_event_frame_is_compact_json() -> None:
    assert event_frame("device_status", {"model": "Gr\u00fcn"}) == (
        b"\x81\x25" + b'42["device_status",{"model":"Gr\xc3\xbcn"}]'
    )


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        event_frame("gap", {"lost": float("nan")})


def test_gap_counts_lost_readings() -> None:
    gap = Gap("ebike-001", Cursor(1, 4), Cursor(1, 8), GapReason.NOT_RECOVERED)

    assert gap.lost == 3
    assert gap.end == (1, 7)
    assert gap.body() == {
        "device_id": "ebike-001",
        "after": "1-4",
        "before": "1-8",
        "lost": 3,
        "reason": "not_recovered",
    }


@pytest.mark.parametrize(
    ("after", "shown"),
    [(None, None), (Cursor(1, 4), "1-4"), (Cursor(2, 9), "2-9")],
    ids=["from nowhere", "across epochs", "backwards"],
)
def test_a_gap_without_a_number_says_so(after: Cursor | None, shown: str | None) -> None:
    body = Gap("ebike-001", after, Cursor(2, 1), GapReason.EPOCH).body()

    assert (body["after"], body["lost"]) == (shown, None)
