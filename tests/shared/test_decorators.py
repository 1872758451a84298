from collections.abc import Callable

import pytest

from shared.decorators import registered


def test_registered_function_is_unchanged() -> None:
    table: dict[str, Callable[[int], int]] = {}

    def double(number: int) -> int:
        return 2 * number

    assert registered(table, "double")(double) is double
    assert table == {"double": double}


def test_taken_name_is_refused() -> None:
    table: dict[str, Callable[[], int]] = {"one": lambda: 1}
    with pytest.raises(ValueError, match="'one' is registered twice"):
        registered(table, "one")(lambda: 2)
    assert table["one"]() == 1
