"""The process side of systemd's notify protocol: see sd_notify(3) and sd_watchdog_enabled(3).

A supervisor (systemd or :mod:`scripts.supervise`) passes a datagram socket to the process. The
process reports there that it is ready, that its loop is alive, and that it is stopping. Without a
supervisor these calls do nothing. The protocol has three messages, so this module uses no library:
the one on PyPI blocks when the supervisor is stuck, and systemd's own needs a C library.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

READY, BEAT, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"
BEATS_IN_LIMIT = 3
"""How many beats are sent within the supervisor's time limit."""


class Notifier:
    """Reports the state of this process to its supervisor, if there is one.

    ``every_s`` is the interval in s at which to call :meth:`beat`; None if no beats are expected.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.limit_s = _limit_s(environ) if self._address else None
        self.every_s = None if self.limit_s is None else self.limit_s / BEATS_IN_LIMIT
        self._due_s = 0.0

    def tell(self, state: bytes) -> None:
        """Send one state without blocking. A supervisor that is stuck misses it."""
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(state, self._address)

    def beat(self) -> None:
        """Report that the loop is alive. Call this from a timer of the loop."""
        self.tell(BEAT)

    def beat_if_due(self) -> float | None:
        """Beat if it is due. Return the seconds until the next beat; None if none is expected."""
        if self.every_s is None:
            return None
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self.every_s
            self.beat()
        return self._due_s - now_s


def _address(text: str) -> str:
    """Return the socket address; ``@`` marks an abstract socket of Linux."""
    return f"\0{text[1:]}" if text.startswith("@") else text


def _limit_s(environ: Mapping[str, str]) -> float | None:
    """Return the supervisor's time limit for beats in s; None if it has none."""
    usec = environ.get("WATCHDOG_USEC", "")
    is_meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if is_meant and usec.isdecimal() and int(usec) > 0 else None
