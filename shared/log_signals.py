"""Signals for an operator: SIGUSR1 logs all stacks, SIGUSR2 changes the log level and back.

A thread waits for them, so that the program's loop never does, and so that a loop that hangs is
shown. For this, both signals are blocked in every thread, and no handler is called.
"""

import signal
from threading import Thread

from shared.logs import Log

STACKS, LEVEL = signal.SIGUSR1, signal.SIGUSR2


def block_signals() -> None:
    """Block the two signals in this thread and in all that it starts; call this before any."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (STACKS, LEVEL))


def serve_signals(log: Log) -> None:
    """Serve the two signals from now on, also those that came since :func:`block_signals`."""

    def serve() -> None:
        while True:
            if signal.sigwait((STACKS, LEVEL)) == STACKS:
                log.write_stacks()
            else:
                log.toggle_level()

    Thread(target=serve, name="signals", daemon=True).start()
