"""MessageReader: fragments, control frames between them, limits, RFC 6455."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transport.websocket.reader import (
    EMPTY,
    Closed,
    Event,
    MessageReader,
    NoMessage,
    Ping,
    Violation,
)
from tests.gateway.transport.clients import client_frame

LIMIT = 1000


def read(data: bytes, limit: int = LIMIT) -> list[Event]:
    return feed(MessageReader(limit), data)


def feed(reader: MessageReader, data: bytes) -> list[Event]:
    return [event for event in reader.feed(data) if not isinstance(event, NoMessage)]


def test_text_and_binary_messages() -> None:
    data = client_frame(1, "grüß".encode()) + client_frame(2, b"\x00\xff") + client_frame(1, b"")
    assert read(data) == ["grüß", b"\x00\xff", ""]


def test_control_frames_between_fragments() -> None:
    data = (
        client_frame(1, b"a", final=False)
        + client_frame(9, b"ping")
        + client_frame(0, b"b", final=False)
        + client_frame(10, b"pong")
        + client_frame(0, b"c")
    )
    assert read(data) == [Ping(b"ping"), "abc"]


def test_code_point_split_over_fragments() -> None:
    data = client_frame(1, b"\xe2\x82", final=False) + client_frame(0, b"\xac")
    assert read(data) == ["€"]


@settings(deadline=None)
@given(st.data())
def test_bytes_in_any_pieces(data: st.DataObject) -> None:
    messages = data.draw(st.lists(st.text(max_size=200) | st.binary(max_size=200), max_size=6))
    stream = b"".join(
        client_frame(1, m.encode()) if isinstance(m, str) else client_frame(2, m) for m in messages
    )
    reader, got, at = MessageReader(LIMIT), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        got += feed(reader, stream[at : at + step])
        at += step
    assert got == messages
    assert reader.idle


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_become_events(garbage: bytes) -> None:
    for event in read(garbage):
        assert isinstance(event, str | bytes | Ping | Closed | Violation)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (client_frame(1, b"x", masked=False), 1002),
        (client_frame(1, b"x", rsv=0x40), 1002),
        (client_frame(3, b"x"), 1002),
        (client_frame(11, b"x"), 1002),
        (client_frame(0, b"x"), 1002),
        (client_frame(1, b"x", final=False) + client_frame(1, b"x"), 1002),
        (client_frame(9, b"x", final=False), 1002),
        (client_frame(9, b"x" * 126), 1002),
        (client_frame(1, b"\xff"), 1007),
        (client_frame(1, b"\xe2\x82"), 1007),
        (client_frame(8, b"\x03"), 1002),
        (client_frame(8, b"\x00\x01"), 1002),
        (client_frame(8, b"\x03\xee"), 1002),
        (client_frame(8, b"\x03\xe8\xff"), 1007),
    ],
)
def test_violation_codes(frame: bytes, code: int) -> None:
    violation = read(frame)[-1]
    assert isinstance(violation, Violation)
    assert violation.code == code


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", 1005), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa0", 4000)],
)
def test_close_frame_code(payload: bytes, code: int) -> None:
    assert read(client_frame(8, payload)) == [Closed(code)]


def test_big_frame_refused_by_header() -> None:
    header = client_frame(2, b"x" * 5000)[:14]
    assert read(header) == [Violation(1009, "message too big")]


def test_fragments_beyond_limit() -> None:
    reader = MessageReader(LIMIT)
    events: list[Event] = feed(reader, client_frame(2, b"x" * 400, final=False))
    while not events:
        events = feed(reader, client_frame(0, b"x" * 400, final=False))
    assert events == [Violation(1009, "message too big")]
    assert len(reader._message) <= LIMIT


def test_empty_fragments_hold_no_memory() -> None:
    reader = MessageReader(LIMIT)
    assert list(reader.feed(client_frame(1, b"", final=False))) == [EMPTY]
    for _ in range(1000):
        assert list(reader.feed(client_frame(0, b"", final=False))) == [EMPTY]
    assert len(reader._message) == 0


def test_message_of_exactly_limit() -> None:
    assert read(client_frame(2, b"x" * LIMIT)) == [b"x" * LIMIT]


def test_reader_idle_between_messages() -> None:
    reader = MessageReader(LIMIT)
    frame = client_frame(1, b"x" * 200)
    assert reader.idle
    for cut in range(1, len(frame)):
        reader = MessageReader(LIMIT)
        assert not feed(reader, frame[:cut])
        assert not reader.idle
    assert feed(reader, frame[cut:]) == ["x" * 200]
    assert reader.idle
