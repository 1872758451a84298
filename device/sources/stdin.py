"""``stdin``: one sample a line, as JSON, so that any program can be a bike.

    my-program | .venv/bin/python -m device --source stdin

``decoders/sample_line.py`` says what a line may contain. A line that cannot be used is left out,
and the log says why, once for each kind of fault. The end of the input ends the ride.
"""

import os
import select
from collections import deque

from loguru import logger

from device.sample import Sample
from device.sources import SOURCES, NoSample, Source
from device.sources.decoders.sample_line import LINE_BYTES_MAX, decode_sample
from shared.decorators import registered
from shared.errors import BadMessage, SourceError
from shared.log_once import LogOnce
from shared.settings import Settings

STDIN = 0
READ_BYTES = 65_536
MODEL = "standard input"


@registered(SOURCES, "stdin")
def open_stdin(settings: Settings, argument: str, bike: int) -> Source:
    """Read samples from the standard input of this process, which feeds one bike."""
    if argument:
        raise SourceError("the source stdin takes no argument")
    if settings.fleet_size > 1:
        raise SourceError("the source stdin feeds one bike: leave SPOKE_FLEET_SIZE out")
    return LineSource(STDIN)


class LineSource:
    """Decodes the lines of a descriptor, which it reads only when that does not block.

    The descriptor stays as it is: other programs may share it, and ``O_NONBLOCK`` would reach them.
    """

    interval_ms = 0
    model = MODEL

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()  # select.select takes no descriptor above 1,023
        self._poll.register(descriptor, select.POLLIN)
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._is_too_long = False
        self._ended = False
        self._once = LogOnce()

    def poll(self, now_s: float) -> Sample | NoSample:
        if not self._lines:
            self._read()
        while self._lines:
            try:
                return decode_sample(self._lines.popleft())
            except BadMessage as error:
                self._report(error)
        return NoSample.ENDED if self._ended else NoSample.NOT_YET

    def fileno(self) -> int | None:
        return self._descriptor

    def close(self) -> None:
        """Leave the standard input open: it belongs to the process."""

    def _read(self) -> None:
        """Read once if that does not block, and keep the lines that are complete."""
        if self._ended or not self._poll.poll(0):
            return
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except OSError as error:
            raise SourceError(f"standard input cannot be read: {error.strerror}") from error
        self._ended = not data
        *lines, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        self._lines.extend(line for line in map(self._whole, lines) if line.strip())
        if len(self._rest) > LINE_BYTES_MAX:
            self._is_too_long, self._rest = True, b""

    def _whole(self, line: bytes) -> bytes:
        """Return a line, or nothing instead of one that is too long."""
        if self._is_too_long or len(line) > LINE_BYTES_MAX:
            self._is_too_long = False
            self._report(BadMessage("too_long", f"the line is over {LINE_BYTES_MAX} bytes long"))
            return b""
        return line

    def _report(self, error: BadMessage) -> None:
        if self._once.is_first(error.reason):
            logger.warning("line_left_out", source=MODEL, why=str(error))
