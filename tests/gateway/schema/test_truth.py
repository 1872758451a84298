"""A running gateway sends exactly what the documents describe, errors included."""

import csv
import io
import signal
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from gateway.schema.asyncapi import asyncapi
from gateway.schema.openapi import openapi
from tests.conftest import StartProcess
from tests.system.pair import Answer, Pair, Witness
from tests.timing import eventually

BIKE = "ebike-001"
READINGS = f"/api/v1/devices/{BIKE}/readings"
EVENTS, ADDRESSES = asyncapi(), openapi()


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


def complaints_of_event(name: str, body: Any) -> list[str]:
    message = EVENTS["components"]["messages"][name]
    return complaints(Draft7Validator, EVENTS, message["payload"], body)


def complaints(
    kind: type[Draft7Validator | Draft202012Validator], document: Any, schema: Any, body: Any
) -> list[str]:
    validator = kind({**schema, "components": document["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def assert_true(witness: Witness, *, expected: set[str]) -> None:
    """Assert that every event matches its schema, and that the expected ones are among them."""
    met = set()
    for name, body in witness.events:
        if name in ("connect", "disconnect", "connect_error"):
            continue
        kind = name if name != "ack" else answer_of(body)
        assert complaints_of_event(kind, body) == [], body
        met.add(kind)
    assert met >= expected


def answer_of(body: dict[str, Any]) -> str:
    if not body["ok"]:
        return "Refused"
    return "Subscribed" if "devices" in body else "Unsubscribed"


def assert_answer(pair: Pair, path: str, rule: str, status: int, kind: str) -> Answer:
    """GET a path; the answer must have this status and type, and match its schema."""
    answer = pair.get(path)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert (answer.status, headers["content-type"].partition(";")[0]) == (status, kind)
    answers = ADDRESSES["paths"][rule]["get"]["responses"]
    content = answers.get(str(status), answers["default"])["content"]
    body = answer.json if kind.endswith("json") else answer.text
    assert complaints(Draft202012Validator, ADDRESSES, content[kind]["schema"], body) == []
    return answer


def test_events_match_schema(pair: Pair) -> None:
    device = pair.start_device(SPOKE_RATE_HZ="100", SPOKE_FLEET_SIZE="2")
    pair.start_gateway(SPOKE_HISTORY_READINGS="50")
    eventually(lambda: known_seq(pair) > 100, what="a reading that is no longer held")
    epoch = pair.wait_until_known(BIKE)["epoch"]
    witness = pair.watch(
        options={"auth": {"subscribe": {"devices": ["ebike-002", "nobody"]}}},
        emit=[
            ["subscribe", {"devices": [BIKE], "since": {BIKE: f"{epoch}-3"}}],
            ["subscribe", {"devices": "*", "max_rate_hz": 5}],
            ["subscribe", {"devices": ["no/id"]}],
            ["subscribe", {"devices": "*", "since": {"*": "5"}}],
            ["unsubscribe", {"devices": ["ebike-002"]}],
            ["nonsense", 5],
        ],
    )
    witness.wait_for("gap")
    witness.wait_for("speed_change", count=50)
    device.stop(signal.SIGTERM)
    eventually(lambda: any(not body["online"] for body in statuses(witness)))
    expected = {"speed_change", "gap", "device_status", "subscribed"}
    assert_true(witness, expected=expected | {"Subscribed", "Unsubscribed", "Refused"})


def test_error_event_matches_schema(pair: Pair) -> None:
    pair.start_gateway()
    witness = pair.watch(options={"auth": {"subscribe": {"devices": 5}}})
    witness.wait_for("error")
    assert_true(witness, expected={"error"})


def test_http_answers_match_schema(pair: Pair, free_port: Callable[[], int]) -> None:
    unheard = f"tcp://127.0.0.1:{free_port()}"  # what is not held then is gone: a gap
    pair.start_device(SPOKE_RATE_HZ="100", SPOKE_REPLAY_BIND=unheard)
    pair.start_gateway(SPOKE_HISTORY_READINGS="50")
    eventually(lambda: known_seq(pair) > 100, what="a reading that is no longer held")
    epoch = pair.wait_until_known(BIKE)["epoch"]
    json, problem = "application/json", "application/problem+json"
    rule = "/api/v1/devices/{device_id}/readings"
    for path in ("/healthz", "/api/v1/devices", "/asyncapi.json", "/openapi.json"):
        assert_answer(pair, path, path, 200, json)
    assert_answer(pair, "/readyz", "/readyz", pair.get("/readyz").status, json)
    for path in ("/", "/docs"):
        assert_answer(pair, path, path, 200, "text/html")
    assert_answer(pair, f"/api/v1/devices/{BIKE}", "/api/v1/devices/{device_id}", 200, json)
    assert_answer(pair, "/api/v1/devices/nobody", "/api/v1/devices/{device_id}", 404, problem)
    page = assert_answer(pair, f"{READINGS}?since={epoch}-3", rule, 200, json)
    assert page.json["gaps"]
    assert_answer(pair, f"{READINGS}?since=5", rule, 400, problem)
    assert_answer(pair, f"{READINGS}?limit=0", rule, 400, problem)
    assert_answer(pair, f"{READINGS}?from_ms=0&max_points=8", rule, 200, json)


def test_csv_columns_match_document(pair: Pair) -> None:
    pair.start_device(SPOKE_RATE_HZ="100")
    pair.start_gateway()
    pair.wait_until_known(BIKE)
    rule = "/api/v1/devices/{device_id}/readings"
    answer = assert_answer(pair, f"{READINGS}?format=csv&limit=3", rule, 200, "text/csv")
    header, *_rows = csv.reader(io.StringIO(answer.text))
    described = ADDRESSES["paths"][rule]["get"]["responses"]["200"]
    assert (
        f"Columns: {', '.join(header)}."
        in described["content"]["text/csv"]["schema"]["description"]
    )
    of_pages_with_a_hole = {"Spoke-Reset", "Spoke-Incomplete"}
    assert set(described["headers"]) - of_pages_with_a_hole <= set(answer.headers)


def test_wrong_reading_violates_schema(pair: Pair) -> None:
    pair.start_device()
    pair.start_gateway()
    reading = pair.wait_until_known(BIKE)["latest"]
    assert complaints_of_event("speed_change", reading) == []
    for change in ({"speed_kmh": 201}, {"seq": 0}, {"more": 1}, {"device_id": "a/b"}, {"v": 2}):
        assert complaints_of_event("speed_change", reading | change) != []


def known_seq(pair: Pair) -> int:
    answer = pair.get(f"/api/v1/devices/{BIKE}")
    return int(answer.json["last_seq"]) if answer.status == 200 else 0


def statuses(witness: Witness) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = witness.bodies("device_status")
    return bodies
