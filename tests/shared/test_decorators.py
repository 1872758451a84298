from collections.abc import Callable

import pytest

from shared.decorators import registered, stops_process_on_error, validated


def test_a_registered_function_is_found_under_its_name_and_stays_as_it_is() -> None:
    table: dict[str, Callable[[int], int]] = {}

    def double(number: int) -> int:
        return 2 * number

    assert registered(table, "double")(double) is double
    assert table == {"double": double}


def test_a_name_that_is_taken_is_refused() -> None:
    table: dict[str, Callable[[], int]] = {"one": lambda: 1}
    with pytest.raises(ValueError, match="'one' is registered twice"):
        registered(table, "one")(lambda: 2)
    assert table["one"]() == 1


def test_what_escapes_a_guarded_function_is_handed_to_stop() -> None:
    stopped: list[BaseException] = []

    @stops_process_on_error(stopped.append)
    def divide(number: int, by: int) -> float:
        """Divide."""
        return number / by

    assert divide(6, by=3) == 2
    assert stopped == []
    assert divide(6, by=0) is None
    assert [type(error) for error in stopped] == [ZeroDivisionError]
    assert (divide.__name__, divide.__doc__) == ("divide", "Divide.")


def test_a_request_to_end_is_no_error_and_passes() -> None:
    stopped: list[BaseException] = []

    @stops_process_on_error(stopped.append)
    def end() -> None:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        end()
    assert stopped == []


def test_a_handler_gets_its_request_parsed() -> None:
    @validated(lambda raw: int(str(raw)))
    def handle(context: list[int], request: int) -> int:
        context.append(request)
        return request

    context: list[int] = []
    assert handle(context, "12") == 12
    with pytest.raises(ValueError, match="invalid literal"):
        handle(context, "twelve")
    assert context == [12]
