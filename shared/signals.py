"""The signals that ask a process to end in good order."""

import signal
import sys
from typing import NoReturn


def ending_signals() -> tuple[signal.Signals, ...]:
    """List them: those of a supervisor, of Ctrl-C, and of a terminal that closes.

    The last one only where it would end the process; under nohup it is ignored, and stays so.
    """
    on_hangup = signal.getsignal(signal.SIGHUP)
    hangup = () if on_hangup == signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hangup)


def exit_in_peace(code: int) -> NoReturn:
    """End the process with a code, also if it is asked to end again while it does.

    honcho asks twice on Ctrl-C, and Python takes its handlers away before the process is gone:
    the second signal would be its end, and its code.
    """
    ignore_signals()
    sys.exit(code)


def ignore_signals() -> None:
    """Ignore all further signals to end."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN)
