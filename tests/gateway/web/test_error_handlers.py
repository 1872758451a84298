"""Unexpected errors: the log line, and how often it is written."""

from collections.abc import Iterator

import pytest
from loguru import logger

from gateway.web.error_handlers import translate
from shared.errors import INTERNAL_MESSAGE


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(written.append)
    yield written
    logger.remove(sink)


def test_trace_is_logged_once_a_minute(lines: list[str]) -> None:
    for number in range(100):
        try:
            int("a" * (number + 1))
        except ValueError as error:
            body, status = translate(error, route="http")
            assert (body["code"], body["message"], status) == ("internal", INTERNAL_MESSAGE, 500)
    assert sum("Traceback" in line for line in lines) == len(lines) == 1


def test_other_line_logs_its_own_trace(lines: list[str]) -> None:
    for text in ("7" * 5_000, "b"):
        try:
            int(text) if text == "b" else float(text + "c")
        except ValueError as error:
            translate(error)
    found: dict[str, int] = {}
    try:
        _ = found["missing"]
    except KeyError as error:
        translate(error)
    assert len(lines) == 2
