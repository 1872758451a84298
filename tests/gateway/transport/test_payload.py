"""Bodies of polling requests."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transport.engineio.payload import BadPayload, encode, split, text_of


def decode(body: bytes) -> list[str | bytes]:
    return list(split(text_of(body)))


texts = st.text(min_size=1, max_size=50).filter(lambda text: "\x1e" not in text and text[0] != "b")


@settings(deadline=None)
@given(st.lists(texts | st.binary(max_size=50), min_size=1, max_size=30))
def test_encoded_packets_are_decoded(packets: list[str | bytes]) -> None:
    assert decode(encode(packets).encode()) == packets


def test_the_documents_example_is_read_and_written() -> None:
    assert encode(["4hello", b"\x01\x02\x03\x04"]) == "4hello\x1ebAQIDBA=="
    assert decode(b"4hello\x1e2\x1e4world") == ["4hello", "2", "4world"]


def test_base64_in_lines_is_read() -> None:
    assert decode(b"bAQID\r\nBA==\n\x1e4a") == [b"\x01\x02\x03\x04", "4a"]


@pytest.mark.parametrize("body", [b"4a\x1e", b"\x1e4a", b"b*", b"bA", "b\u00e9".encode(), b"\xff"])
def test_what_is_no_payload_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        decode(body)
