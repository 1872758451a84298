"""Runs the main function of a program and exits with its code, even if nobody reads the output.

A program also calls :mod:`shared.begin`, before its other imports::

    if __name__ == "__main__":
        from shared.begin import begin

        begin()

    import large_library

    if __name__ == "__main__":
        run(main)
"""

import sys
from collections.abc import Callable
from typing import NoReturn

from shared.begin import open_missing_streams
from shared.console import Output, settle_stderr, tell
from shared.errors import OutputLost, ReaderGone
from shared.signals import exit_ignoring_signals

STOPPED, CRASHED, NO_OUTPUT = 0, 1, 2


def run(main: Callable[[], int], *, unread: int = STOPPED) -> NoReturn:
    """Run ``main`` and exit with the code that it returns.

    If the reader of the output leaves before the end, the exit code is ``unread``. A program that
    checks something must not report success then.
    """
    open_missing_streams()
    sys.stdout = Output(sys.stdout)
    code = _code_of(main, unread)
    settle_stderr()
    exit_ignoring_signals(code)


def _code_of(main: Callable[[], int], unread: int) -> int:
    try:
        return main()
    except SystemExit as ended:  # argparse exits like this
        return ended.code if isinstance(ended.code, int) else CRASHED
    except ReaderGone:
        return unread
    except OutputLost as lost:
        tell(f"{lost}\n")
        return NO_OUTPUT
