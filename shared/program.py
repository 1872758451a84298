"""How each program of ours ends: with its own exit code, whoever reads its output.

:mod:`shared.begin` is the other half, which comes before the imports::

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
from shared.signals import exit_in_peace

STOPPED, CRASHED, NO_OUTPUT = 0, 1, 2


def run(main: Callable[[], int], *, unread: int = STOPPED) -> NoReturn:
    """Run ``main`` and end the process with the code that it returns.

    With ``unread`` when the reader of the output leaves earlier; a program that judges something
    must not end with "all is well" then.
    """
    open_missing_streams()
    sys.stdout = Output(sys.stdout)
    code = _code_of(main, unread)
    settle_stderr()
    exit_in_peace(code)


def _code_of(main: Callable[[], int], unread: int) -> int:
    try:
        return main()
    except SystemExit as ended:  # argparse's way to end
        return ended.code if isinstance(ended.code, int) else CRASHED
    except ReaderGone:
        return unread
    except OutputLost as lost:
        tell(f"{lost}\n")
        return NO_OUTPUT
