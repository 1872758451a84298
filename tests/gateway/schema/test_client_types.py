"""The types of the JavaScript client say the same as the documents."""

import re
from typing import Any

import pytest

from gateway.schema.openapi import http_schemas
from gateway.schema.payloads import GAP_REASONS, REFUSALS, error_codes, schemas
from shared.reading import ASSIST_LEVELS
from tests.processes import ROOT

TYPES = (ROOT / "gateway" / "static" / "spoke.d.ts").read_text(encoding="utf-8")
INTERFACES = {
    "Reading": "Reading",
    "Gap": "Gap",
    "DeviceStatus": "DeviceStatus",
    "Start": "Start",
    "Refusal": "Error",
    "Page": "Page",
    "Announcement": "Announcement",
    "Counts": "Counts",
}
"""The name in TypeScript, and the name of the schema."""


def body_of(interface: str) -> str:
    flags = re.MULTILINE | re.DOTALL
    match = re.search(rf"^export interface {interface} {{\n(.*?)^}}$", TYPES, flags)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("interface", INTERFACES)
def test_an_interface_has_the_keys_of_its_schema(interface: str) -> None:
    schema: dict[str, Any] = (schemas() | http_schemas())[INTERFACES[interface]]
    keys = re.findall(r"^  (\w+)(\??):", body_of(interface), re.MULTILINE)
    assert [key for key, _mark in keys] == list(schema["properties"])
    assert [key for key, mark in keys if not mark] == schema["required"]


def test_the_closed_lists_are_the_same() -> None:
    assert words_of("Gap", "reason") == set(GAP_REASONS)
    assert words_of("DeviceStatus", "refused") == set(REFUSALS)
    assert words_of("Refusal", "code") == set(error_codes())
    assert words_of("Reading", "assist") == set(ASSIST_LEVELS)


def words_of(interface: str, key: str) -> set[str]:
    return set(
        re.findall(r'"(\w+)"', body_of(interface).partition(f"  {key}")[2].partition(";")[0])
    )
