"""The signals that ask a process to end in good order."""

import signal


def ending_signals() -> tuple[signal.Signals, ...]:
    """List them: those of a supervisor, of Ctrl-C, and of a terminal that closes.

    The last one only where it would end the process; under nohup it is ignored, and stays so.
    """
    on_hangup = signal.getsignal(signal.SIGHUP)
    hangup = () if on_hangup == signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hangup)
