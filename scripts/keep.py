"""Keep one process of the Procfile running: start it again whenever it ends by itself.

honcho ends everything as soon as one process ends, so each line of the Procfile runs under this::

    python -m scripts.keep python -m gateway

SIGTERM and SIGINT are passed on, once, and end both. Exit code 2 (wrong settings, port taken) is
final: starting again cannot help.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

WRONG_SETTINGS = 2
COMMAND_NOT_FOUND = 127
FIRST_PAUSE_S = 0.2
"""Short enough that a browser hardly notices."""
LONGEST_PAUSE_S = 5.0
"""What a process that dies at once may cost: one start in 5 s."""
STEADY_S = 10.0
"""A process that ran this long was well: its next pause is the first one again."""
STOP_WAIT_S = 4.0
"""What a process may take to stop. honcho kills this one after 5 s, and would leave that behind."""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal to get when the parent dies."""


class Keeper:
    """One command, its running process, and the signal that was asked to end it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._child: subprocess.Popen[bytes] | None = None
        self._stop_signal: int | None = None
        self._woken, self._wake = os.pipe()

    def run(self) -> int:
        """Run the command until it is asked to stop or cannot run; return the exit code."""
        pause_s = 0.0
        while True:
            started_s = time.monotonic()
            code = self._run_once()
            if self._stop_signal is not None or code in (WRONG_SETTINGS, COMMAND_NOT_FOUND):
                return code
            pause_s = next_pause_s(pause_s, time.monotonic() - started_s)
            self._say(f"ended with exit code {code}, starting it again in {pause_s:g} s")
            if self._stopped_within(pause_s):
                return 0

    def stop(self, signum: int, _frame: FrameType | None) -> None:
        """Pass ``signum`` on and give the process :data:`STOP_WAIT_S` to end."""
        if self._stop_signal is None:
            self._stop_signal = signum
            os.write(self._wake, b"\0")
            signal.setitimer(signal.ITIMER_REAL, STOP_WAIT_S)
            self._signal(signum)

    def kill(self, _signum: int, _frame: FrameType | None) -> None:
        """End a process that did not stop in time."""
        self._say(f"did not stop within {STOP_WAIT_S:g} s, killing it")
        self._signal(signal.SIGKILL)

    def _run_once(self) -> int:
        try:
            child = _start(self._command)
        except OSError as error:
            self._say(f"cannot be started: {error.strerror}")
            return COMMAND_NOT_FOUND
        if self._stop_signal is not None:  # it came when there was no process to pass it to
            child.send_signal(self._stop_signal)
        self._child = child
        code = child.wait()
        self._child = None
        return code if code >= 0 else 128 - code

    def _signal(self, signum: int) -> None:
        if self._child is not None:
            self._child.send_signal(signum)

    def _stopped_within(self, pause_s: float) -> bool:
        # a pipe, because an Event set by a signal handler can deadlock with its own wait
        select.select([self._woken], [], [], pause_s)
        return self._stop_signal is not None

    def _say(self, what: str) -> None:
        print("keep:", *self._command, what, file=sys.stderr, flush=True)


def next_pause_s(last_s: float, lived_s: float) -> float:
    """Return how long to wait before the next start, in s: doubled each time, up to a limit."""
    if last_s == 0 or lived_s >= STEADY_S:
        return FIRST_PAUSE_S
    return min(2 * last_s, LONGEST_PAUSE_S)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own.

    honcho signals the whole group of this process; only so does the command get each signal once.
    """
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        process_group=0,
        preexec_fn=_tied_to_parent(signal.SIGKILL),  # noqa: PLW1509  # no threads here
    )


def _tied_to_parent(signum: int) -> Callable[[], None]:
    """Return a function that has Linux send ``signum`` to its process when the parent dies.

    Elsewhere it does nothing: there a process outlives a parent that was killed by SIGKILL.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl  # loaded here, before the fork
    return lambda: prctl(PR_SET_PDEATHSIG, signum)


def main(command: Sequence[str]) -> int:
    """Keep ``command`` running; return the exit code."""
    if not command:
        print("usage: python -m scripts.keep COMMAND [ARGUMENT ...]", file=sys.stderr)
        return WRONG_SETTINGS
    _tied_to_parent(signal.SIGTERM)()  # a closed terminal ends honcho, but not what it started
    keeper = Keeper(command)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, keeper.stop)
    signal.signal(signal.SIGALRM, keeper.kill)
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
