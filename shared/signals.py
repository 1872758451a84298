"""The signals that ask a process to stop."""

import signal
import sys
from typing import NoReturn


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return SIGTERM (from a supervisor), SIGINT (Ctrl-C) and SIGHUP (closed terminal).

    SIGHUP is left out if it is ignored, as under nohup.
    """
    on_hangup = signal.getsignal(signal.SIGHUP)
    hangup = () if on_hangup == signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hangup)


def exit_ignoring_signals(code: int) -> NoReturn:
    """Exit with a code. Further signals to stop cannot change the code.

    On Ctrl-C the process gets two signals, one from the terminal and one from honcho. Python
    removes its handlers before the process ends, so the second signal would kill it and set the
    exit code.
    """
    ignore_signals()
    sys.exit(code)


def ignore_signals() -> None:
    """Ignore all further signals to stop."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN)
