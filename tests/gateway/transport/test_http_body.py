"""Bodies of HTTP requests: with a length or in chunks, whole and broken."""

from collections.abc import Callable
from io import BufferedReader, BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.http.http_body import BadChunk, Body, BodyCutShort


def sized(raw: bytes, length: int) -> Body:
    return Body(BufferedReader(BytesIO(raw)), length, is_chunked=False)


def chunked(raw: bytes) -> Body:
    return Body(BufferedReader(BytesIO(raw)), None, is_chunked=True)


def test_sized_body_ends_at_its_length() -> None:
    body = sized(b"hello, world", 5)
    assert body.read() == b"hello"
    assert body.is_read
    assert body.rfile.read() == b", world"


def test_no_body() -> None:
    body = Body(BufferedReader(BytesIO(b"behind")), None, is_chunked=False)
    assert body.is_read
    assert body.read() == b""


def test_lines() -> None:
    assert list(sized(b"a\nb\nc", 5)) == [b"a\n", b"b\n", b"c"]
    assert sized(b"a\nb\nc", 5).readlines() == [b"a\n", b"b\n", b"c"]
    assert sized(b"abc\n", 4).readline(2) == b"ab"


def test_chunks_are_joined() -> None:
    body = chunked(b'3\r\nabc\r\nA;x="y"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nbehind')
    assert body.read() == b"abc0123456789"
    assert body.is_read
    assert body.rfile.read() == b"behind"


@given(st.lists(st.binary(min_size=1, max_size=9)), st.integers(1, 20))
def test_chunks_of_any_size(parts: list[bytes], size: int) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    body, found = chunked(wire), b""
    while piece := body.read(size):
        found += piece
    assert found == b"".join(parts)
    assert body.is_read


@pytest.mark.parametrize("cut", [b"3\r\nab", b"3\r\n"])
def test_chunk_cut_short(cut: bytes) -> None:
    with pytest.raises(BodyCutShort):
        chunked(cut).read()


def test_sized_body_cut_short() -> None:
    with pytest.raises(BodyCutShort):
        sized(b"abc", 5).read()


@pytest.mark.parametrize(
    "wire",
    [
        *(
            b"x\r\n",
            b"\r\n",
            b"-1\r\n",
            b"+1\r\na\r\n",
            b"0x1\r\na\r\n",
            b"1 1\r\na\r\n",
            b"1\na\r\n",
        ),
        *(b"1\r\nab\r\n", b"1\r\na\n", b"1;" + b"x" * 2000 + b"\r\na\r\n", b"f" * 20 + b"\r\n"),
        *(b"0\r\nX: y\r\n", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"0\r\nX\n\r\n"),
    ],
)
def test_bad_chunk(wire: bytes) -> None:
    with pytest.raises(BadChunk):
        chunked(wire).read()


def test_continue_once_per_body() -> None:
    said: list[str] = []

    def say() -> None:
        said.append("continue")

    waiting: Callable[[int], Body] = lambda length: Body(  # noqa: E731  # a table of one entry
        BufferedReader(BytesIO(b"abc")), length, is_chunked=False, say_continue=say
    )
    assert waiting(0).read() == b""
    assert said == []
    body = waiting(3)
    assert body.is_awaited
    assert (body.read(1), body.read()) == (b"a", b"bc")
    assert said == ["continue"]
    assert not body.is_awaited


def test_discard() -> None:
    body = chunked(b"3\r\nabc\r\n0\r\n\r\nbehind")
    body.read(1)
    body.discard()
    assert body.is_read
    assert body.rfile.read() == b"behind"
