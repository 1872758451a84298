"""How each program of ours ends: with its own exit code, whoever reads its output.

:mod:`shared.begin` is the other half, which comes before the imports::

    if __name__ == "__main__":
        from shared.begin import begin

        begin()

    import large_library

    if __name__ == "__main__":
        run(main)
"""

from collections.abc import Callable
from typing import NoReturn

from shared.console import put_out, settle_stderr, tell
from shared.errors import OutputLost, ReaderGone
from shared.signals import exit_in_peace

STOPPED, CRASHED, NO_OUTPUT = 0, 1, 2


def run(main: Callable[[], int]) -> NoReturn:
    """Run ``main`` and end the process with the code that it returns."""
    code = _code_of(main)
    try:
        put_out()
    except ReaderGone:
        pass  # the code says all that is left to say
    except OutputLost as lost:
        tell(f"{lost}\n")
        code = NO_OUTPUT
    settle_stderr()
    exit_in_peace(code)


def _code_of(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit as ended:  # argparse's way to end
        return ended.code if isinstance(ended.code, int) else CRASHED
    except ReaderGone:
        return STOPPED
    except OutputLost as lost:
        tell(f"{lost}\n")
        return NO_OUTPUT
