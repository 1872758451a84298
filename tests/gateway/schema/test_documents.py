"""The documents are valid, and describe everything that exists and nothing else."""

import json
import subprocess
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.domain import SHOWN_FAULTS, GapReason
from gateway.schema.__main__ import main
from gateway.schema.asyncapi import ANNOUNCEMENT, asyncapi
from gateway.schema.asyncapi import EVENTS as DOCUMENTED
from gateway.schema.openapi import openapi
from gateway.schema.payloads import GAP_REASONS, REFUSALS, schemas
from gateway.web.events import EVENTS
from shared.reading import READING_KEYS
from tests.gateway.apps import make_app
from tests.processes import ROOT
from tests.test_docs import event_names

PARSER = ROOT / "tests" / "gateway" / "schema" / "parse_asyncapi.mjs"


def test_the_openapi_document_is_valid() -> None:
    document = json.loads(json.dumps(openapi()))
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_official_parser_takes_the_asyncapi_document() -> None:
    document = json.dumps(asyncapi())
    done = subprocess.run(
        ["node", str(PARSER)], input=document, capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert set(answer["operations"]) == set(asyncapi()["operations"])
    assert [words for severity, words in answer["complaints"] if severity != "information"] == []


def test_every_event_is_described_and_no_other() -> None:
    assert {event.name for event in DOCUMENTED if event.action == "receive"} == set(EVENTS)
    sent = {event.name for event in DOCUMENTED if event.action == "send"}
    assert sent == {*event_names(), "speed_change", ANNOUNCEMENT} - set(EVENTS)


def test_every_endpoint_is_described() -> None:
    rules = [str(rule) for rule in make_app().url_map.iter_rules() if rule.endpoint != "static"]
    described = {path.replace("{", "<").replace("}", ">") for path in openapi()["paths"]}
    assert described == set(rules)


def test_every_reason_is_described_and_no_other() -> None:
    assert set(GAP_REASONS) == set(GapReason)
    assert set(REFUSALS) == SHOWN_FAULTS


def test_reading_keys_in_order() -> None:
    assert tuple(schemas()["Reading"]["properties"]) == READING_KEYS


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [([], ["asyncapi", "openapi"]), (["asyncapi"], None), (["openapi"], None)],
)
def test_the_command_prints_what_is_served(
    arguments: list[str], keys: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments)
    printed: Any = json.loads(capsys.readouterr().out)
    client = make_app().test_client()
    served = {name: client.get(f"/{name}.json").json for name in ("asyncapi", "openapi")}
    assert printed == (served if keys else served[arguments[0]])
