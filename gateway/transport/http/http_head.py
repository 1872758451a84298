"""The head of an HTTP/1.0 or 1.1 request: read whole and bounded, then parsed strictly (RFC 9112).

llhttp, the parser of Node.js, parses the head; httptools is its binding for Python. It refuses
forms that a proxy in front might read differently: folded lines, blanks before a colon, bare CR or
LF, two lengths of a body. Such a difference lets a client smuggle a second request past the proxy.
``parse_head`` adds the checks that llhttp leaves to its caller.
"""

import re
from io import BufferedReader
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

HEAD_BYTES_MAX = 16 * 1024
"""Browsers send 1 kB, with large cookies 8 kB. Node.js has the same limit."""
HEAD_LINES_MAX = 100
"""Apache's default. It also bounds the time that the parser takes for one head."""
HEAD_END = b"\r\n\r\n"
BLANK_LINES = (b"\r\n", b"\n")

# llhttp also accepts leading blank lines, several blanks, other protocols and other versions.
REQUEST_LINE = re.compile(rb"[A-Z-]+ [^\s]+ HTTP/1\.[01]\r\n")

# urlsplit raises an error of its own for some hosts, such as "[".
ABSOLUTE_FORM = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)


class BadHead(ValueError):
    """The head is refused; ``status`` is the status of the answer."""

    def __init__(self, reason: str, status: str = "400 Bad Request") -> None:
        super().__init__(reason)
        self.status = status


class Head(NamedTuple):
    """A parsed head. Text is decoded as Latin-1, which WSGI requires."""

    method: str
    target: str
    version: str
    """``1.0`` or ``1.1``."""
    headers: list[tuple[str, str]]
    """Names in lower case, values without surrounding blanks."""
    content_length: int | None
    """The length of the body in bytes; None when the head gives none."""
    is_chunked: bool
    """True when the body is sent in chunks (RFC 9112, 7.1)."""
    connection_options: frozenset[str]
    """The tokens of the ``Connection`` header, in lower case."""

    @property
    def keeps_connection(self) -> bool:
        """True when the client may send another request on this connection (RFC 9112, 9.3)."""
        if self.version == "1.1":
            return "close" not in self.connection_options
        return "keep-alive" in self.connection_options


def take_head(source: "BufferedReader[Any]") -> tuple[bytes, bool]:
    """Read a head that the buffer of ``source`` holds as a whole, as nearly always; else b"".

    Also tells whether the buffer holds bytes behind it. A buffer with any byte is not filled.
    """
    buffered = source.peek(1)
    end = buffered.find(HEAD_END)
    if 0 <= end < HEAD_BYTES_MAX and buffered.count(b"\n", 0, end) < HEAD_LINES_MAX:
        size = end + len(HEAD_END)
        return source.read(size), len(buffered) > size
    return b"", True


def read_head(source: "BufferedReader[Any]") -> bytes:
    """Read up to the blank line that ends the head; the bytes behind it stay in ``source``.

    Returns b"" when the client leaves before that. Raises BadHead when a limit is exceeded.
    """
    lines: list[bytes] = []
    room = HEAD_BYTES_MAX
    while not lines or lines[-1] not in BLANK_LINES:
        line = source.readline(room + 1)
        if not line.endswith(b"\n") and len(line) <= room:
            return b""  # the client left in the middle of a line
        room -= len(line)
        lines.append(line)
        if room < 0 or len(lines) > HEAD_LINES_MAX + 1:
            limits = f"{HEAD_BYTES_MAX} bytes and {HEAD_LINES_MAX} lines"
            raise BadHead(f"a head may have {limits}", "431 Request Header Fields Too Large")
    return b"".join(lines)


def parse_head(raw: bytes) -> Head:
    """Parse a whole head. Raises BadHead."""
    if REQUEST_LINE.match(raw) is None:
        raise BadHead("no request line of HTTP/1.0 or 1.1")
    found = _Found()
    parser = HttpRequestParser(found)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # llhttp stops behind the head of an upgrade
    except HttpParserError as error:
        raise BadHead(str(error)) from error
    version = parser.get_http_version()
    _check_host(found.hosts, version)
    _check_coding(found.codings, version)
    return Head(
        parser.get_method().decode("latin-1"),
        found.target.decode("latin-1"),
        version,
        found.headers,
        int(found.lengths[0]) if found.lengths else None,
        bool(found.codings),
        _tokens(found.connections),
    )


class _Found:
    """Collects the target and the headers; httptools calls its methods while it parses."""

    __slots__ = ("codings", "connections", "headers", "hosts", "lengths", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[str, str]] = []
        self.hosts: list[str] = []
        self.lengths: list[str] = []
        self.codings: list[str] = []
        self.connections: list[str] = []

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self.headers.append((key, text))
        if key == "host":
            self.hosts.append(text)
        elif key == "content-length":
            self.lengths.append(text)
        elif key == "transfer-encoding":
            self.codings.append(text)
        elif key == "connection":
            self.connections.append(text)


def _check_host(hosts: list[str], version: str) -> None:
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise BadHead("a request of HTTP/1.1 has one Host header")


def _check_coding(codings: list[str], version: str) -> None:
    if codings and ([it.lower() for it in codings] != ["chunked"] or version == "1.0"):
        raise BadHead("the only transfer coding is chunked, in HTTP/1.1")


def _tokens(values: list[str]) -> frozenset[str]:
    """Return the tokens of a header that holds a list, in lower case."""
    return frozenset(token.strip().lower() for token in ",".join(values).split(","))


class Target(NamedTuple):
    """A request's target, split into parts for WSGI."""

    path: str
    query: str
    host: str | None
    """The host in an absolute target (``http://host/path``), which replaces ``Host``."""


def split_target(target: str) -> Target:
    """Split a request's target (RFC 9112, 3.2). Raises BadHead."""
    host = None
    if target != "*" and not target.startswith("/"):
        absolute = ABSOLUTE_FORM.match(target)
        if absolute is None:
            raise BadHead("the target of a request is a path or a URL")
        host = absolute[1]
        target = target[absolute.end() :] or "/"
    path, _, query = target.partition("?")
    if "%" in path or not path.isascii():
        path = unquote_to_bytes(path).decode("latin-1")
    return Target(path, query, host)
