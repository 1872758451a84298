"""A pseudo-terminal that stands for a serial port, and can be unplugged."""

import os
import select
import tty
from contextlib import suppress
from pathlib import Path

from shared.errors import SourceError

READ_BYTES = 4_096


class PseudoTerminal:
    """The end of a serial line where the hardware is; programs open the other one by its path.

    ``link`` is the path of a symbolic link to the terminal, so that its name stays the same when it
    is plugged in again.
    """

    def __init__(self, link: Path | None) -> None:
        if link is not None and not link.is_symlink() and link.exists():
            raise SourceError(f"{link} is there already, and is not a link: name another path")
        self._link = link
        self.plug()

    def plug(self) -> None:
        """Make the port appear."""
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)  # also before a program opens it: nothing is echoed
        os.set_blocking(self._ours, False)
        self._ready = select.poll()
        self._ready.register(self._ours, select.POLLIN)
        terminal = os.ttyname(self._theirs)
        self.path = terminal if self._link is None else str(self._link)
        if self._link is not None:
            fresh = self._link.with_name(f"{self._link.name}.{os.getpid()}")
            fresh.symlink_to(terminal)
            fresh.replace(self._link)

    def unplug(self) -> None:
        """Make the port vanish, also for the program that has it open."""
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._theirs)
        os.close(self._ours)

    def read(self, wait_s: float) -> bytes:
        """Return what a program wrote, or nothing after ``wait_s``."""
        if self._ready.poll(max(0.0, wait_s) * 1000):
            with suppress(BlockingIOError):
                return os.read(self._ours, READ_BYTES)
        return b""

    def write(self, data: bytes) -> bool:
        """Send bytes; return False if they did not all fit, because no program reads."""
        with suppress(BlockingIOError):
            return os.write(self._ours, data) == len(data)
        return False
