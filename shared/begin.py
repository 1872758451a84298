"""The first thing that each program of ours does, before it imports anything that takes time.

Python itself needs some 20 ms to get here. This module imports only what Python has loaded by then:
``signal`` is written in Python and takes as long again, ``_signal`` is the part of it in C.
"""

import _signal  # type: ignore[import-not-found]  # the type stubs leave it out
import faulthandler
import os
import sys


def begin() -> None:
    """End with 0 on a signal, open missing standard streams, and show all stacks on SIGABRT.

    Programs replace these signal handlers once they have something to put in order at their end.
    """
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        # under nohup, SIGHUP is ignored, and stays so
        if number != _signal.SIGHUP or _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _end_at_once)
    open_missing_streams()
    faulthandler.enable(2)  # a descriptor: the stream may be replaced


def open_missing_streams() -> None:
    """Open /dev/null for each standard stream that was closed when the process began.

    Otherwise the next socket or file gets the number 1 or 2, and with it all that is printed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            point_to_nothing(descriptor)
    # Python has set a stream to None where it found its descriptor closed.
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for good
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for good


def point_to_nothing(descriptor: int) -> None:
    """Make a descriptor one of /dev/null, whatever it was."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == descriptor:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(opened, descriptor)
        os.close(opened)


def _end_at_once(_number: int, _frame: object) -> None:
    """End with 0; an exception could be caught by whatever runs just now."""
    os._exit(0)
