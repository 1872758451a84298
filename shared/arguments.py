"""Command lines whose errors do not depend on the console."""

import argparse
from typing import NoReturn

from shared.console import tell

WRONG_ARGUMENT = 2


class ArgumentParser(argparse.ArgumentParser):
    """Reports a wrong argument and exits with 2, even if stderr is full or stuck.

    In Python 3.11.2 the parser of the standard library raises the error of that write.
    """

    def error(self, message: str) -> NoReturn:
        tell(f"{self.format_usage()}{self.prog}: error: {message}\n")
        raise SystemExit(WRONG_ARGUMENT)
