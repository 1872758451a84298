"""The lists and limits that the page repeats are those of the gateway."""

import re
from pathlib import Path

import pytest

from gateway.fanout.subscription import SINCE_MAX
from gateway.schema.payloads import REFUSALS, error_codes
from shared.cursor import CURSOR
from shared.reading import ASSIST_LEVELS, DEVICE_ID, EXTRA_KEYS_MAX, NUMBER_RANGES
from tests.processes import ROOT

STATIC = ROOT / "gateway" / "static"
CLIENT = STATIC / "spoke.js"
DASHBOARD = STATIC / "dashboard"
NOT_SHOWN = {"latitude_deg", "longitude_deg"}
"""Values that the page leaves out: it has no map."""


def test_the_page_advises_on_every_refusal() -> None:
    assert keys_of(DASHBOARD / "refusals.js", "REFUSALS") == list(REFUSALS)


def test_the_page_shows_every_value() -> None:
    shown = set(keys_of(DASHBOARD / "values.js", "VALUES"))
    assert shown == set(NUMBER_RANGES) - NOT_SHOWN


def test_the_page_offers_every_assist_level() -> None:
    template = (ROOT / "gateway" / "templates" / "dashboard" / "bike.html").read_text()
    match = re.search(r"for level in \(([^)]*)\)", template)
    assert match is not None
    assert re.findall(r'"(\w+)"', match[1]) == list(ASSIST_LEVELS)


def test_the_client_retries_known_errors() -> None:
    retryable = set(re.findall(r'"(\w+)"', value_of(CLIENT, "RETRYABLE")))
    assert retryable < set(error_codes())


@pytest.mark.parametrize(
    ("module", "name", "pattern"),
    [
        (CLIENT, "DEVICE_ID", DEVICE_ID),
        (DASHBOARD / "route.js", "DEVICE_ID", DEVICE_ID),
        (CLIENT, "CURSOR", CURSOR),
    ],
)
def test_the_page_has_the_same_pattern(module: Path, name: str, pattern: re.Pattern[str]) -> None:
    assert value_of(module, name) == f"/^{pattern.pattern}$/".replace("[0-9]", "\\d")


def test_the_client_keeps_as_many_cursors_as_a_request_may_have() -> None:
    assert int(value_of(CLIENT, "CURSORS_MAX").replace("_", "")) == SINCE_MAX - 1  # and "*"


def test_the_page_has_a_chart_for_every_extra_value() -> None:
    assert int(value_of(DASHBOARD / "chart_definitions.js", "EXTRAS_MAX")) == EXTRA_KEYS_MAX


def value_of(module: Path, name: str) -> str:
    """Return the text of a constant of a JavaScript module."""
    text = module.read_text(encoding="utf-8")
    match = re.search(
        rf"^(?:export )?const {name} = (.*?);(?: //.*)?$", text, re.MULTILINE | re.DOTALL
    )
    assert match is not None, name
    return match[1]


def keys_of(module: Path, name: str) -> list[str]:
    """Return the keys of an object of a JavaScript module, in their order."""
    return re.findall(r"^  (\w+): {", value_of(module, name), re.MULTILINE)
