"""The decorator that enters functions in a table, such as sources of readings or events."""

from collections.abc import Callable, MutableMapping
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def registered(
    table: MutableMapping[str, Callable[P, R]], name: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter the function in ``table`` under ``name`` and return it unchanged.

    Raises ValueError at import when the name is taken.
    """

    def enter(function: Callable[P, R]) -> Callable[P, R]:
        if name in table:
            raise ValueError(f"{name!r} is registered twice")
        table[name] = function
        return function

    return enter
