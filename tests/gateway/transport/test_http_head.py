"""Heads of HTTP requests: reading, parsing, refusals."""

from io import BufferedReader, BytesIO

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.http.http_head import (
    HEAD_BYTES_MAX,
    HEAD_LINES_MAX,
    BadHead,
    parse_head,
    read_head,
    split_target,
)

HOST = b"Host: a\r\n"
PLAIN = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


class Trickle(BytesIO):
    """A connection whose bytes come one at a time."""

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # BytesIO's own type is wider
        return super().readinto(view[:1])


def test_read_stops_at_the_blank_line() -> None:
    source = BufferedReader(BytesIO(PLAIN + b"behind"))
    assert read_head(source) == PLAIN
    assert source.read() == b"behind"


def test_read_byte_by_byte() -> None:
    source = BufferedReader(Trickle(PLAIN + b"behind"))
    assert read_head(source) == PLAIN
    assert source.read() == b"behind"


@pytest.mark.parametrize("cut", [b"", b"GET / HT", PLAIN[:-2], PLAIN[:-1]])
def test_read_of_a_client_that_left(cut: bytes) -> None:
    assert read_head(BufferedReader(BytesIO(cut))) == b""


def long_head(size: int) -> bytes:
    start = b"GET / HTTP/1.1\r\n" + HOST + b"X: "
    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"


def many_lines(count: int) -> bytes:
    return b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * (count - 2) + b"\r\n"


@pytest.mark.parametrize("raw", [BytesIO, Trickle])
@pytest.mark.parametrize(
    ("largest", "too_large"),
    [
        (long_head(HEAD_BYTES_MAX), long_head(HEAD_BYTES_MAX + 1)),
        (many_lines(HEAD_LINES_MAX), many_lines(HEAD_LINES_MAX + 1)),
        (PLAIN, b"a" * 10 * HEAD_BYTES_MAX),
        (PLAIN, b"\n" * 0 + b"x\r\n" * 10 * HEAD_LINES_MAX),
    ],
    ids=["bytes", "lines", "one line", "no end"],
)
def test_read_limits(raw: type[BytesIO], largest: bytes, too_large: bytes) -> None:
    assert read_head(BufferedReader(raw(largest))) == largest
    with pytest.raises(BadHead) as refused:
        read_head(BufferedReader(raw(too_large)))
    assert refused.value.status.startswith("431 ")


def test_parse() -> None:
    head = parse_head(
        b"POST /a%20b?c=d HTTP/1.1\r\nhOST: x:80\r\n"
        b"X-Y:\t v \t\r\nX-Y: \r\ncontent-length: 7\r\n\r\n"
    )
    assert head.method == "POST"
    assert head.target == "/a%20b?c=d"
    assert head.version == "1.1"
    assert head.headers[1:3] == [("x-y", "v"), ("x-y", "")]
    assert head.content_length == 7
    assert not head.is_chunked


@pytest.mark.parametrize(
    "lines",
    [
        b" folded: first\r\n",
        b"X: y\r\n folded\r\n",
        b"X : y\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"X Y: z\r\n",
        b"X: a\rY: b\r\n",
        b"X: a\nY: b\r\n",
        b"X: \0\r\n",
        b"X: \x0b\r\n",
        b"Host: b\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        *(b"Content-Length: " + value + b"\r\n" for value in (b"+5", b"0_5", b"-1", b"", b"5, 5")),
        b"Content-Length: 99999999999999999999\r\n",
        *(b"Transfer-Encoding: " + value + b"\r\n" for value in (b"gzip, chunked", b"gzip", b"")),
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_refused_headers(lines: bytes) -> None:
    with pytest.raises(BadHead) as refused:
        parse_head(b"POST / HTTP/1.1\r\n" + HOST + lines + b"\r\n")
    assert refused.value.status.startswith("400 ")


@pytest.mark.parametrize(
    "line",
    [
        *(b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/1.2", b"GET / HTTP/2.0", b"GET / RTSP/1.0"),
        *(b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b" GET / HTTP/1.1", b"\r\nGET / HTTP/1.1"),
        *(b"GET /a b HTTP/1.1", b"get / HTTP/1.1", b"FOO / HTTP/1.1", b"GET foo HTTP/1.1"),
        *(b"GET /\0 HTTP/1.1", b"PRI * HTTP/2.0", b"", b"GET / HTTP/1.1\n"),
    ],
)
def test_refused_request_lines(line: bytes) -> None:
    with pytest.raises(BadHead):
        parse_head(line + b"\r\n" + HOST + b"\r\n")


def test_host_of_each_version() -> None:
    assert parse_head(b"GET / HTTP/1.0\r\n\r\n").version == "1.0"
    for line in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n"):
        with pytest.raises(BadHead):
            parse_head(line)


def test_chunks_are_of_http_1_1() -> None:
    coding = b"Transfer-Encoding: Chunked\r\n\r\n"
    assert parse_head(b"POST / HTTP/1.1\r\n" + HOST + coding).is_chunked
    with pytest.raises(BadHead):
        parse_head(b"POST / HTTP/1.0\r\n" + coding)


@pytest.mark.parametrize(
    ("version", "option", "keeps"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: TE, Close\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_connection_option(version: bytes, option: bytes, *, keeps: bool) -> None:
    head = parse_head(b"GET / HTTP/" + version + b"\r\n" + HOST + option + b"\r\n")
    assert head.keeps_connection is keeps


def test_upgrade_is_parsed_like_any_other() -> None:
    lines = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    head = parse_head(b"GET /x HTTP/1.1\r\n" + HOST + lines + b"\r\n")
    assert head.connection_options == {"keep-alive", "upgrade"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a%20b?c?d", ("/a b", "c?d", None)),
        ("*", ("*", "", None)),
        ("http://b:80/c?d", ("/c", "d", "b:80")),
        ("http://b", ("/", "", "b")),
        ("HTTP://http/c", ("/c", "", "http")),
        ("http://[", ("/", "", "[")),
        ("http://a]b/c", ("/c", "", "a]b")),
        ("https://b?c", ("", "c", "b")),
        ("/%ff", ("/\xff", "", None)),
    ],
)
def test_target(target: str, expected: tuple[str, str, str | None]) -> None:
    assert tuple(split_target(target)) == expected


@pytest.mark.parametrize("target", ["a:80", "ftp://b/c", "http:///c"])
def test_refused_target(target: str) -> None:
    with pytest.raises(BadHead):
        split_target(target)


PIECES = st.sampled_from(
    [
        *(
            b"GET ",
            b"POST ",
            b"/",
            b"/a?b",
            b" HTTP/1.1",
            b" HTTP/1.0",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
        ),
        *(b"Host: a\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"X: y\r\n"),
        *(b"Content-Length", b": ", b":", b"3", b"\t", b"\0", b"chunked", b", ", b"\x80", b"close"),
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_whatever_is_taken_h11_reads_the_same(pieces: bytes) -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\n" + pieces + b"\r\n\r\n"
    whole = raw[: raw.index(b"\r\n\r\n") + 4]
    try:
        head = parse_head(whole)
    except BadHead:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(whole)
    event = other.next_event()
    assert isinstance(event, h11.Request)
    named = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.headers
    ]
    assert list(event.headers) == [
        (name, value.lower() if b"enc" in name else value) for name, value in named
    ]
