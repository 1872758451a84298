"""Command lines whose errors do not depend on the console, and types of their options."""

import argparse
from math import nan
from typing import NoReturn

from shared.console import tell

WRONG_ARGUMENT = 2
SECONDS_MAX = 366 * 86_400
"""A year. Waits of the standard library raise OverflowError for far longer times."""


class ArgumentParser(argparse.ArgumentParser):
    """Reports a wrong argument and exits with 2, even if stderr is full or stuck.

    In Python 3.11.2 the parser of the standard library raises the error of that write.
    """

    def error(self, message: str) -> NoReturn:
        tell(f"{self.format_usage()}{self.prog}: error: {message}\n")
        raise SystemExit(WRONG_ARGUMENT)


def seconds(text: str) -> float:
    """Read a time in seconds. Raises ArgumentTypeError."""
    return between(text, 0, SECONDS_MAX, "seconds")


def between(text: str, least: float, most: int, what: str) -> float:
    """Read a number from ``least`` to ``most``. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"must be {what} from {least} to {most:,}")
    return value
