"""A wall clock that a test can step under an unmodified process."""

import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock_shim.c")
HOUR_S = 3_600


class SteppedClock:
    """Compiles the shim; start processes with :attr:`environ`, then :meth:`step` their clock."""

    def __init__(self, folder: Path, offset_s: int = 0) -> None:
        self._file = folder / "offset"
        library = folder / "clock_shim.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"],
            check=True,
        )
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._file)}
        self.step(offset_s)

    def step(self, offset_s: int) -> None:
        """Set by how much the clock is wrong; in place, as the file is mapped."""
        self._file.touch()
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", offset_s))
