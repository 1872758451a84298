"""The first call of each program, before slow imports: handle signals and standard streams.

Python takes about 20 ms to start. This module imports only modules that Python has loaded by then.
``signal`` would take another 20 ms; ``_signal`` is the part of it that is written in C.
"""

import _signal  # type: ignore[import-not-found]  # the type stubs leave it out
import faulthandler
import os
import sys


def begin() -> None:
    """Exit with 0 on a signal, open missing standard streams, and print all stacks on SIGABRT.

    A program replaces these signal handlers once it has resources to close.
    """
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        # nohup ignores SIGHUP; leave that unchanged
        if number != _signal.SIGHUP or _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _end_at_once)
    open_missing_streams()
    faulthandler.enable(2)  # pass the descriptor, because the program may replace sys.stderr


def open_missing_streams() -> None:
    """Open /dev/null for each standard stream that was closed when the process started.

    Otherwise the next socket or file would get descriptor 1 or 2 and receive everything printed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            point_to_nothing(descriptor)
    # Python sets a stream to None if its descriptor is closed.
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for good
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for good


def point_to_nothing(descriptor: int) -> None:
    """Redirect a descriptor to /dev/null."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == descriptor:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(opened, descriptor)
        os.close(opened)


def _end_at_once(_number: int, _frame: object) -> None:
    """Exit with 0 at once. Running code could catch an exception."""
    os._exit(0)
