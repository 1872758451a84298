"""The standard streams of a program: stuck, full, left by their reader, or of another encoding."""

import codecs
import errno
import os
import select
import sys
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
    ReaderGone when nobody reads, OutputLost when the text cannot be written; what follows goes to
    /dev/null then.
    """

    encoding = "utf-8"

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath
        self.encoding = beneath.encoding
        self._errors = ESCAPED
        self._waits = True

    def reconfigure(self, *, errors: str) -> None:
        """Write what the encoding lacks in another way, as ``TextIOWrapper.reconfigure`` does."""
        self._errors = errors

    def stop_waiting(self) -> None:
        """Give up a reader that takes nothing for :data:`TAKEN_WITHIN_S`; for signal handlers."""
        self._waits = False

    def write(self, text: str) -> int:
        """Write text, and wait until the reader has room for it."""
        data = text.encode(self.encoding, self._errors)
        try:
            is_taken = _write(self.fileno(), data, lambda: self._waits)
        except OSError as error:
            point_to_nothing(self.fileno())
            if error.errno in GONE:
                raise ReaderGone("nobody reads the output") from error
            raise OutputLost(f"the output cannot be written: {error.strerror}") from error
        if not is_taken:
            point_to_nothing(self.fileno())
            raise ReaderGone("nobody reads the output")
        return len(text)

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
    """Write in pieces; return False if nothing was taken for a while and ``goes_on`` says no.

    Between the pieces signal handlers run, also while a pipe or terminal is full.
    """
    while data:
        if select.select([], [descriptor], [], TAKEN_WITHIN_S)[1]:
            with suppress(BlockingIOError):  # somebody made it non-blocking, and took the room
                data = data[os.write(descriptor, data[:PIECE_BYTES]) :]
        elif not goes_on():
            return False
    return True
