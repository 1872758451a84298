"""systemd's notify protocol, the side of the process: see sd_notify(3) and sd_watchdog_enabled(3).

A supervisor, systemd or :mod:`scripts.supervise`, gives the process a datagram socket and learns
by it that the process is ready, that its loop still turns, and that it stops. Without a supervisor
all of this does nothing. The protocol is three words, so there is no library for it here: the one
on PyPI blocks when the supervisor stands still, and systemd's own needs a C library.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

READY, BEAT, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"
BEATS_IN_LIMIT = 3
"""So many beats are sent in the time after which the supervisor would act."""


class Notifier:
    """Tells the supervisor of this process, if there is one, how the process is.

    ``every_s`` is how often to call :meth:`beat`, None when nobody counts beats.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.limit_s = _limit_s(environ) if self._address else None
        self.every_s = None if self.limit_s is None else self.limit_s / BEATS_IN_LIMIT
        self._due_s = 0.0

    def tell(self, state: bytes) -> None:
        """Send one state. A supervisor that stands still misses it; nothing waits for it."""
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(state, self._address)

    def beat(self) -> None:
        """Say that the loop turns; call it from a timer of the loop."""
        self.tell(BEAT)

    def beat_if_due(self) -> float | None:
        """Beat when it is time; return in how many seconds it will be, None for never."""
        if self.every_s is None:
            return None
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self.every_s
            self.beat()
        return self._due_s - now_s


def _address(text: str) -> str:
    """Return the address to send to; ``@`` stands for Linux's abstract sockets."""
    return f"\0{text[1:]}" if text.startswith("@") else text


def _limit_s(environ: Mapping[str, str]) -> float | None:
    """Return after how long without a beat the supervisor acts, None when it never does."""
    usec = environ.get("WATCHDOG_USEC", "")
    is_meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if is_meant and usec.isdecimal() and int(usec) > 0 else None
