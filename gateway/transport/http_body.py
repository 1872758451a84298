"""The body of an HTTP request as a WSGI application reads it: ``wsgi.input``.

A body has a length or comes in chunks (RFC 9112, 6 and 7). pywsgi reads the line of each chunk
character by character and never waits while bytes are at hand, so a client that sends quickly
would hold the loop. Here each piece gives way when its time slice is over.
"""

import errno
import io
import re
from collections.abc import Callable
from io import BufferedReader
from typing import Any

from gateway.transport.timeslice import give_way

PIECE_BYTES = 8 * 1024
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(;[^\r\n]*)?\r\n")
CHUNK_LINE_BYTES_MAX = 1024
"""A size of 12 digits and an extension. Nobody is known to send extensions."""
TRAILER_BYTES_MAX = 8 * 1024


class BodyCutShort(ConnectionResetError):
    """The client left in the middle of a body. A socket error: no fault of the application."""

    def __init__(self, why: str = "the body was cut short") -> None:
        super().__init__(errno.ECONNRESET, why)


class BadChunk(BodyCutShort):
    """A chunk that breaks the rules: nobody knows where the next request begins."""


class Body:
    """What a client sends behind a head. ``rfile`` is the connection's own reader.

    Reading raises BodyCutShort when the client leaves, BadChunk when a chunk breaks the rules.
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
        self._buffered: BufferedReader[Any] | None = None  # most requests have no body to buffer

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
        """True when nothing of the body is left on the connection."""
        return self._raw.is_read

    def read(self, size: int | None = -1) -> bytes:
        """Read ``size`` bytes, or all."""
        self._begin()
        return self._reader.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        """Read one line."""
        self._begin()
        return self._reader.readline(-1 if size is None else size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Read all lines."""
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
        """Read what is left and forget it."""
        while self._reader.read1(PIECE_BYTES):
            pass

    def _discard(self) -> None:
        """Do nothing: pywsgi asks for it without a deadline, ``WebHandler`` does it with one."""

    def _begin(self) -> None:
        if self._say_continue is not None and not self.is_read:
            say, self._say_continue = self._say_continue, None
            say()


class SizedBody(io.RawIOBase):
    """A body of a known length."""

    def __init__(self, rfile: "BufferedReader[Any]", length: int) -> None:
        self._rfile = rfile
        self._left = length

    @property
    def is_read(self) -> bool:
        """True when all of it was read."""
        return not self._left

    def readable(self) -> bool:
        """Say yes: ``BufferedReader`` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next piece; 0 at the end."""
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
    """A body in chunks; trailers are read and dropped."""

    def __init__(self, rfile: "BufferedReader[Any]") -> None:
        self._rfile = rfile
        self._left = 0  # of the chunk that is being read
        self.is_read = False

    def readable(self) -> bool:
        """Say yes: ``BufferedReader`` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next piece; 0 at the end."""
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
            raise BadChunk("a chunk did not end where it said")
        return len(part)

    def _begin_chunk(self) -> None:
        line = CHUNK_LINE.fullmatch(self._rfile.readline(CHUNK_LINE_BYTES_MAX))
        if line is None:
            raise BadChunk("a chunk has no proper size")
        self._left = int(line[1], 16)
        if not self._left:
            self._skip_trailers()
            self.is_read = True

    def _skip_trailers(self) -> None:
        room = TRAILER_BYTES_MAX
        while (line := self._rfile.readline(room + 1)) != b"\r\n":
            room -= len(line)
            if room < 0 or not line.endswith(b"\r\n"):
                raise BadChunk("the trailers of a body are not proper")
