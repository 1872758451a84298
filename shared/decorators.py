"""What cuts across both processes, as decorators: registration, validation, loops that may not die.

None of them keeps state that a call can change. The per-reading path is never wrapped; what is
decorated there is the loop around it.
"""

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C")


def registered(
    table: MutableMapping[str, Callable[P, R]], name: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter the function in ``table`` under ``name`` and leave it as it is.

    Raises ValueError at import when the name is taken: two functions for one event is a bug.
    """

    def enter(function: Callable[P, R]) -> Callable[P, R]:
        if name in table:
            raise ValueError(f"{name!r} is registered twice")
        table[name] = function
        return function

    return enter


def stops_process_on_error(
    stop: Callable[[BaseException], None],
) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Hand whatever escapes the function to ``stop``, which ends the process.

    For loops and timers: a dead loop behind a live page is the worst case.
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
    """Give a handler ``(context, request)`` its request parsed, or let ``parse`` raise."""

    def check(handler: Callable[[C, T], R]) -> Callable[[C, object], R]:
        @wraps(handler)
        def checked(context: C, raw: object) -> R:
            return handler(context, parse(raw))

        return checked

    return check
