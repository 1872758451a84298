"""The standard streams of a program: stuck, full, or left by their reader."""

import errno
import os
import select
import sys
from contextlib import suppress
from io import UnsupportedOperation

from shared.begin import point_to_nothing
from shared.errors import OutputLost, ReaderGone

TAKEN_WITHIN_S = 1.0
"""A console that takes nothing for so long is stuck; the program goes on without it."""
PIECE_BYTES = 512
"""POSIX's smallest PIPE_BUF: a pipe that is writable takes so many bytes without waiting."""
GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""Errors of a write that nobody reads: a pipe's, a socket's, and a closed terminal's."""


def tell(text: str) -> None:
    """Write ``text`` to stderr for a person; leave it out if nobody takes it."""
    try:
        descriptor = sys.stderr.fileno()
    except UnsupportedOperation:  # a stream in memory
        sys.stderr.write(text)
        return
    data = text.encode("utf-8", "backslashreplace")
    with suppress(OSError):
        while data and select.select([], [descriptor], [], TAKEN_WITHIN_S)[1]:
            data = data[os.write(descriptor, data[:PIECE_BYTES]) :]


def put_out(text: str = "") -> None:
    """Write ``text`` to stdout, with all that was written before.

    Raises ReaderGone when nobody reads it, OutputLost when it cannot be written.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        point_to_nothing(1)  # the end of Python writes once more what could not be written
        if error.errno in GONE:
            raise ReaderGone("nobody reads the output") from error
        raise OutputLost(f"the output cannot be written: {error.strerror}") from error


def settle_stderr() -> None:
    """Write what stderr still holds, or give it up: it must not change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        point_to_nothing(2)
