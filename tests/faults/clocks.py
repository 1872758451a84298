"""A wall clock that a test can step under an unmodified process."""

import struct
from pathlib import Path

from tests.faults.shims import compile_shim

HOUR_S = 3_600


class SteppedClock:
    """Compiles the shim; start processes with :attr:`environ`, then :meth:`step` their clock."""

    def __init__(self, folder: Path, offset_s: int = 0) -> None:
        self._file = folder / "offset"
        self.environ = compile_shim("clock", folder) | {"CLOCK_OFFSET_FILE": str(self._file)}
        self.step(offset_s)

    def step(self, offset_s: int) -> None:
        """Set by how much the clock is wrong; in place, as the file is mapped."""
        self._file.touch()
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", offset_s))
