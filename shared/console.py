"""Write to the standard streams when their reader is slow, stuck or gone.

Also handles encodings that lack characters.
"""

import codecs
import errno
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOBase, UnsupportedOperation
from typing import TextIO

from shared.begin import point_to_nothing
from shared.errors import OutputLost, ReaderGone

TAKEN_WITHIN_S = 1.0
"""A console that takes nothing for this long is stuck. The program continues without it."""
PIECE_BYTES = select.PIPE_BUF
"""A writable pipe takes this many bytes without blocking."""
PAUSE_S = 0.02
"""How long to wait when a terminal reports that it is writable but has no room yet."""
GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""Errors of a write after the reader left: for a pipe, a socket and a closed terminal."""
ESCAPED = "json_escape"
"""The name of the error handler :func:`escape` in :mod:`codecs`."""


def escape(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks by JSON escapes, so that JSON stays valid."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end


codecs.register_error(ESCAPED, escape)


class Output(TextIOBase):
    """Replaces ``sys.stdout``. A write returns after the text has left the process.

    It waits for a slow reader. It raises ReaderGone when nobody reads and OutputLost when the text
    cannot be written. Every later write then raises the same error.
    """

    encoding = "utf-8"

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath
        self.encoding = beneath.encoding
        self._errors = ESCAPED
        self._waits = True
        self._lost: str | None = None
        self._is_unread = False
        self._descriptor = _own_descriptor(beneath)

    def reconfigure(self, *, errors: str) -> None:
        """Choose another handler for characters that the encoding lacks, as TextIOWrapper does."""
        self._errors = errors

    def stop_waiting(self) -> None:
        """Abandon a reader that takes nothing for :data:`TAKEN_WITHIN_S`; for signal handlers."""
        self._waits = False

    def write(self, text: str) -> int:
        """Write text. Wait until the reader has room for it."""
        if self._lost is None and not self._is_unread:
            self._write_now(text.encode(self.encoding, self._errors))
        if self._lost is not None:
            raise OutputLost(f"the output cannot be written: {self._lost}")
        if self._is_unread:
            raise ReaderGone("nobody reads the output")
        return len(text)

    def _write_now(self, data: bytes) -> None:
        try:
            self._is_unread = not _write(self._descriptor, data, lambda: self._waits)
        except OSError as error:
            self._is_unread = error.errno in GONE
            self._lost = None if self._is_unread else error.strerror

    def fileno(self) -> int:
        return self.beneath.fileno()

    def isatty(self) -> bool:
        return self.beneath.isatty()

    def writable(self) -> bool:
        return True


def put_out(text: str) -> None:
    """Write ``text`` to stdout. Raises the errors of :class:`Output`."""
    sys.stdout.write(text)
    sys.stdout.flush()


def stop_waiting() -> None:
    """Stop waiting for a stuck reader of stdout, because the program is about to end."""
    if isinstance(sys.stdout, Output):
        sys.stdout.stop_waiting()


def tell(text: str) -> None:
    """Write ``text`` to stderr for a person. Drop it if the reader is stuck or gone."""
    try:
        descriptor = sys.stderr.fileno()
    except UnsupportedOperation:  # a stream in memory
        sys.stderr.write(text)
        return
    with suppress(OSError):
        _write(descriptor, text.encode(sys.stderr.encoding, ESCAPED), lambda: False)


def settle_stderr() -> None:
    """Flush stderr or discard its buffer, so that it cannot change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        point_to_nothing(2)


def _write(descriptor: int, data: bytes, goes_on: Callable[[], bool]) -> bool:
    """Write in pieces. Return False if the reader is stuck and ``goes_on`` returns False."""
    taken_s = time.monotonic()
    while data:
        count = _write_piece(descriptor, data[:PIECE_BYTES])
        data = data[count:]
        if count:
            taken_s = time.monotonic()
        elif time.monotonic() - taken_s >= TAKEN_WITHIN_S and not goes_on():
            return False
    return True


def _write_piece(descriptor: int, piece: bytes) -> int:
    """Write as much as there is room for, and return its size. Wait a limited time for room."""
    if not select.select([], [descriptor], [], TAKEN_WITHIN_S)[1]:
        return 0
    try:
        return os.write(descriptor, piece)
    except BlockingIOError:
        time.sleep(PAUSE_S)
        return 0


def _own_descriptor(stream: TextIO) -> int:
    """Return a descriptor to write to; for a terminal, one that never blocks.

    Nothing can abort a blocking write to a full terminal. Other programs share the terminal's
    original descriptor, so this function opens another one instead of changing its flags.
    """
    descriptor = stream.fileno()
    try:
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
        return os.open(os.ttyname(descriptor), flags) if stream.isatty() else descriptor
    except OSError:  # the terminal has no device here, for example in "docker exec"
        return descriptor
