"""Decorators of the gateway. They keep no state that a call can change.

The code that runs for each reading is never wrapped; the loop around it is.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C")


def stops_process_on_error(
    stop: Callable[[BaseException], None],
) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Pass any error that escapes the function to ``stop``, which ends the process.

    For loops and timers: a dead loop behind a page that still loads is the worst case.
    """

    def guard(function: Callable[P, R]) -> Callable[P, R | None]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                stop(error)
                return None

        return guarded

    return guard


def validated(
    parse: Callable[[object], T],
) -> Callable[[Callable[[C, T], R]], Callable[[C, object], R]]:
    """Parse the request before it reaches a handler ``(context, request)``.

    An error that ``parse`` raises goes to the caller.
    """

    def check(handler: Callable[[C, T], R]) -> Callable[[C, object], R]:
        @wraps(handler)
        def checked(context: C, raw: object) -> R:
            return handler(context, parse(raw))

        return checked

    return check
