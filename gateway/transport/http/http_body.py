"""The body of an HTTP request, which a WSGI application reads as ``wsgi.input``.

A body has a length or is sent in chunks (RFC 9112, 6 and 7). pywsgi's own class reads the size line
of a chunk character by character, and never waits while bytes are buffered, so a client that sends
quickly would hold the loop. Here each read of a piece yields when the time slice is over.
"""

import errno
import io
import re
from collections.abc import Callable
from io import BufferedReader
from typing import Any

from gateway.transport.event_loop.timeslice import give_way

PIECE_BYTES = 8 * 1024
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(;[^\r\n]*)?\r\n")
CHUNK_LINE_BYTES_MAX = 1024
"""A size of 12 digits and an extension. No client is known to send extensions."""
TRAILER_BYTES_MAX = 8 * 1024


class BodyCutShort(ConnectionResetError):
    """The client left in the middle of a body: a socket error, so the application is not blamed."""

    def __init__(self, reason: str = "the body was cut short") -> None:
        super().__init__(errno.ECONNRESET, reason)


class BadChunk(BodyCutShort):
    """A malformed chunk: where the next request begins is unknown."""


class Body:
    """The body of one request. ``rfile`` is the buffered reader of the connection.

    Reading raises BodyCutShort when the client leaves, BadChunk when a chunk is malformed.
    ``say_continue`` sends "100 Continue"; it is called once, before the first read.
    """

    def __init__(
        self,
        rfile: "BufferedReader[Any]",
        length: int | None,
        *,
        is_chunked: bool,
        say_continue: Callable[[], object] | None = None,
    ) -> None:
        self.rfile = rfile
        self._say_continue = say_continue
        self._raw = ChunkedBody(rfile) if is_chunked else SizedBody(rfile, length or 0)
        self._buffered: BufferedReader[Any] | None = None  # most requests have no body

    @property
    def _reader(self) -> "BufferedReader[Any]":
        if self._buffered is None:
            self._buffered = BufferedReader(self._raw, PIECE_BYTES)
        return self._buffered

    @property
    def is_awaited(self) -> bool:
        """True while the client waits for "100 Continue" and may never send the body."""
        return self._say_continue is not None

    @property
    def is_read(self) -> bool:
        """True when the connection holds no more of the body."""
        return self._raw.is_read

    def read(self, size: int | None = -1) -> bytes:
        """Read ``size`` bytes, or all that is left if it is None or negative."""
        self._begin()
        return self._reader.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        self._begin()
        return self._reader.readline(-1 if size is None else size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        self._begin()
        return self._reader.readlines(-1 if hint is None else hint)

    def __iter__(self) -> "Body":
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def discard(self) -> None:
        """Read the rest of the body and drop it."""
        while self._reader.read1(PIECE_BYTES):
            pass

    def _discard(self) -> None:
        """Do nothing. pywsgi calls this without a deadline; ``WebHandler`` discards with one."""

    def _begin(self) -> None:
        if self._say_continue is not None and not self.is_read:
            say, self._say_continue = self._say_continue, None
            say()


class SizedBody(io.RawIOBase):
    """A body of known length."""

    def __init__(self, rfile: "BufferedReader[Any]", length: int) -> None:
        self._rfile = rfile
        self._left = length

    @property
    def is_read(self) -> bool:
        return not self._left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next piece; return 0 at the end."""
        if not self._left:
            return 0
        give_way()
        part = self._rfile.read1(min(len(buffer), self._left))
        if not part:
            raise BodyCutShort
        buffer[: len(part)] = part
        self._left -= len(part)
        return len(part)


class ChunkedBody(io.RawIOBase):
    """A body sent in chunks; trailers are read and dropped."""

    def __init__(self, rfile: "BufferedReader[Any]") -> None:
        self._rfile = rfile
        self._left = 0  # bytes of the present chunk
        self.is_read = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next piece; return 0 at the end."""
        give_way()
        if not self._left and not self.is_read:
            self._begin_chunk()
        if self.is_read:
            return 0
        part = self._rfile.read1(min(len(buffer), self._left))
        if not part:
            raise BodyCutShort
        buffer[: len(part)] = part
        self._left -= len(part)
        if not self._left and self._rfile.read(2) != b"\r\n":
            raise BadChunk("a chunk did not end at its announced size")
        return len(part)

    def _begin_chunk(self) -> None:
        line = CHUNK_LINE.fullmatch(self._rfile.readline(CHUNK_LINE_BYTES_MAX))
        if line is None:
            raise BadChunk("the size of a chunk is malformed")
        self._left = int(line[1], 16)
        if not self._left:
            self._skip_trailers()
            self.is_read = True

    def _skip_trailers(self) -> None:
        room = TRAILER_BYTES_MAX
        while (line := self._rfile.readline(room + 1)) != b"\r\n":
            room -= len(line)
            if room < 0 or not line.endswith(b"\r\n"):
                raise BadChunk("the trailers of a body are malformed")
