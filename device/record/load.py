"""Reads a recording, also one whose last line is torn."""

import stat
from pathlib import Path
from typing import NamedTuple

from loguru import logger

from device.record.lines import HEAD, RecordedReading, decode_line
from shared.errors import BadMessage, SourceError

FILE_BYTES_MAX = 200_000_000
"""About 20 hours of a bike at 10 Hz. The readings stay in memory while they are played."""


class Line(NamedTuple):
    """When a reading was measured, and its line in the file."""

    measured_ms: int
    text: bytes

    def decode(self) -> RecordedReading:
        """Decode the line, which was decoded before."""
        found = decode_line(self.text)
        if found is None:
            raise AssertionError("a gap is never kept")
        return found


def load_recording(path: Path) -> dict[str, list[Line]]:
    """Return the lines of each bike by its id, sorted. Raises SourceError."""
    head, *texts = _read(path).split(b"\n")
    if not head.startswith(HEAD):
        raise SourceError(f"{path} is no recording of python -m device.record")
    bikes: dict[str, list[Line]] = {}
    bad: list[int] = []
    torn = texts.pop() if texts else b""  # empty, unless the last line has no end
    for number, text in enumerate(texts, 2):
        try:
            found = decode_line(text)
        except BadMessage:
            bad.append(number)
            continue
        if found is not None:
            bikes.setdefault(found.reading.device_id, []).append(Line(found.measured_ms, text))
    if torn:
        logger.warning("recording_torn", file=str(path), left_out_bytes=len(torn))
    if bad:
        logger.warning("lines_left_out", file=str(path), lines=len(bad), first=bad[0])
    if not bikes:
        raise SourceError(f"the recording {path} has no reading")
    return {name: bikes[name] for name in sorted(bikes)}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(path.stat().st_mode):
                raise SourceError(f"the recording {path} cannot be read: it is not a regular file")
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SourceError(f"the recording {path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise SourceError(f"{path} is too large to play: over {FILE_BYTES_MAX:,} bytes")
    return data
