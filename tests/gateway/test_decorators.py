import pytest

from gateway.decorators import stops_process_on_error, validated


def test_escaped_error_reaches_stop() -> None:
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


def test_system_exit_passes_the_guard() -> None:
    stopped: list[BaseException] = []

    @stops_process_on_error(stopped.append)
    def end() -> None:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        end()
    assert stopped == []


def test_handler_gets_parsed_request() -> None:
    @validated(lambda raw: int(str(raw)))
    def handle(context: list[int], request: int) -> int:
        context.append(request)
        return request

    context: list[int] = []
    assert handle(context, "12") == 12
    with pytest.raises(ValueError, match="invalid literal"):
        handle(context, "twelve")
    assert context == [12]
