"""The file of a recording: it never replaces another one, and survives a full disk."""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from device.record.lines import encode_head
from shared.errors import SourceError

FLUSH_S = 1.0
"""After a kill at most this much is missing; the last line may then be torn."""


class RecordingFile:
    """An open file that lines are appended to. Raises SourceError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("xb")
        except FileExistsError as error:
            text = f"{path} exists, and a recording never replaces a file; give another name"
            raise SourceError(text) from error
        except OSError as error:
            raise SourceError(f"{path} cannot be written: {error.strerror}") from error
        self._flush_due_s = 0.0
        self.write(encode_head(time.time_ns() // 1_000_000))

    def write(self, lines: bytes) -> None:
        """Append lines; they are in the file after :data:`FLUSH_S` at the latest."""
        try:
            self._file.write(lines)
            if time.monotonic() >= self._flush_due_s:
                self._flush_due_s = time.monotonic() + FLUSH_S
                self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failed:
            if error is None:
                raise self._failed(failed) from failed

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> SourceError:
        text = f"{self._path} cannot be written any more: {error.strerror}"
        return SourceError(f"{text}; the readings before are in it")
