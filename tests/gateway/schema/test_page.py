import re
from urllib.parse import urlsplit

import pytest

from gateway.schema.asyncapi import asyncapi
from gateway.schema.openapi import openapi
from gateway.schema.page import describe
from gateway.schema.payloads import Schema
from tests.gateway.apps import make_app


def page() -> str:
    return make_app().test_client().get("/docs").text


def test_page_lists_everything() -> None:
    text = page()
    schemas = asyncapi()["components"]["schemas"] | openapi()["components"]["schemas"]
    for name in schemas:
        assert f'id="schema-{name}"' in text
    for path in openapi()["paths"]:
        assert f"<code>{path}</code>" in text
    for name in ("subscribe", "speed_change", "gap"):
        assert f'id="event-{name}"' in text


def test_every_link_on_the_page_leads_somewhere() -> None:
    text = page()
    places = re.findall(r'id="([^"]+)"', text)
    links = re.findall(r'href="#([^"]+)"', text)
    assert len(places) == len(set(places))
    assert set(links) - set(places) == set()
    assert len(links) > 50


def test_page_has_no_script_or_foreign_resource() -> None:
    text = page()
    assert "<script" not in text
    assert "style=" not in text
    sources = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert len(sources) > 3
    assert [source for source in sources if urlsplit(source).netloc] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/Gap"}, "Gap"),
        ({"const": True}, "true"),
        ({"const": "*"}, '"*"'),
        ({"enum": ["off", "eco"]}, "off | eco"),
        ({"anyOf": [{"$ref": "#/components/schemas/Gap"}, {"type": "null"}]}, "Gap or null"),
        ({"type": "number", "minimum": 0, "maximum": 200}, "number from 0 to 200"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 100}, "number above 0 to 100"),
        ({"type": "integer", "minimum": 1, "maximum": 2**53 - 1}, "integer from 1"),
        ({"type": ["integer", "null"]}, "integer or null"),
        ({"type": "string", "maxLength": 64}, "string of at most 64 characters"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
        ({"type": "object", "additionalProperties": False}, "object"),
    ],
)
def test_short_description_of_value(schema: Schema, words: str) -> None:
    assert describe(schema) == words
