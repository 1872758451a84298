"""The standard streams of a program: stuck, full, left by their reader, or of another encoding."""

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
"""A console that takes nothing for so long is stuck; the program goes on without it."""
PIECE_BYTES = select.PIPE_BUF
"""A pipe that is writable takes so many bytes without waiting."""
PAUSE_S = 0.02
"""A terminal may say that it is writable and have no room yet."""
GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""Errors of a write that nobody reads: a pipe's, a socket's, and a closed terminal's."""
ESCAPED = "json_escape"
"""The name by which encoders know :func:`escape`."""


def escape(error: UnicodeError) -> tuple[str, int]:
    """Write characters that an encoding lacks as JSON does: a line of JSON stays what it is."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end


codecs.register_error(ESCAPED, escape)


class Output(TextIOBase):
    """Takes the place of ``sys.stdout``: all that a program prints goes through here.

    What was written has left the process. A reader that takes its time is waited for. Raises
    ReaderGone when nobody reads, OutputLost when the text cannot be written, and so does each later
    write: nothing passes for written that is not.
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
        """Write what the encoding lacks in another way, as ``TextIOWrapper.reconfigure`` does."""
        self._errors = errors

    def stop_waiting(self) -> None:
        """Give up a reader that takes nothing for :data:`TAKEN_WITHIN_S`; for signal handlers."""
        self._waits = False

    def write(self, text: str) -> int:
        """Write text, and wait until the reader has room for it."""
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
        """Return the descriptor."""
        return self.beneath.fileno()

    def isatty(self) -> bool:
        """Tell whether this is a terminal."""
        return self.beneath.isatty()

    def writable(self) -> bool:
        """Tell that this is no input."""
        return True


def put_out(text: str) -> None:
    """Write ``text`` to stdout; raises what :class:`Output` does."""
    sys.stdout.write(text)
    sys.stdout.flush()


def stop_waiting() -> None:
    """Wait no longer for a reader of stdout that takes nothing: the program is to end."""
    if isinstance(sys.stdout, Output):
        sys.stdout.stop_waiting()


def tell(text: str) -> None:
    """Write ``text`` to stderr for a person; leave it out if nobody takes it."""
    try:
        descriptor = sys.stderr.fileno()
    except UnsupportedOperation:  # a stream in memory
        sys.stderr.write(text)
        return
    with suppress(OSError):
        _write(descriptor, text.encode(sys.stderr.encoding, ESCAPED), lambda: False)


def settle_stderr() -> None:
    """Write what stderr still holds, or give it up: it must not change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        point_to_nothing(2)


def _write(descriptor: int, data: bytes, goes_on: Callable[[], bool]) -> bool:
    """Write in pieces; return False if nothing was taken for a while and ``goes_on`` says no."""
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
    """Write as much as there is room for; wait for some room, but not for ever."""
    if not select.select([], [descriptor], [], TAKEN_WITHIN_S)[1]:
        return 0
    try:
        return os.write(descriptor, piece)
    except BlockingIOError:
        time.sleep(PAUSE_S)
        return 0


def _own_descriptor(stream: TextIO) -> int:
    """Return a descriptor to write to; of a terminal one that never blocks.

    A write to a full terminal cannot be given up. Its own descriptor stays as it is, because other
    programs share it.
    """
    descriptor = stream.fileno()
    try:
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
        return os.open(os.ttyname(descriptor), flags) if stream.isatty() else descriptor
    except OSError:  # its device cannot be opened, as in a container that was entered
        return descriptor
