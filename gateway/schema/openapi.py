"""The OpenAPI document: what is asked over HTTP. Pure."""

from typing import Any

from gateway import __version__
from gateway.schema.payloads import (
    STATUS_OPTIONAL,
    Schema,
    array_of,
    integer,
    object_of,
    ref,
    schemas,
)
from gateway.web.csv_rows import CSV_KEYS, TIME_KEY
from gateway.web.queries import LIMIT_DEFAULT, LIMIT_MAX, POINTS_MAX

VERSION = "3.1.0"
JSON, CSV, HTML, PROBLEM = "application/json", "text/csv", "text/html", "application/problem+json"


def openapi() -> dict[str, Any]:
    """Give the whole document."""
    return {
        "openapi": VERSION,
        "info": {
            "title": "Spoke: HTTP",
            "version": __version__,
            "description": "What a gateway knows of e-bikes, for one question at a time.",
        },
        "paths": {address: {"get": question} for address, question in _addresses().items()},
        "components": {"schemas": _schemas() | http_schemas()},
    }


def http_schemas() -> dict[str, Schema]:
    """Give the schemas of what only HTTP answers."""
    device = (
        schemas()["DeviceStatus"]["properties"]
        | schemas()["Start"]["properties"]
        | {"refusals": _refusals()}
    )
    page = {
        "device_id": ref("DeviceId"),
        "readings": array_of(ref("Reading")),
        "gaps": array_of(ref("Gap")),
        "next": ref("Cursor") | {"description": "The since of the page that follows."},
        "held_from": ref("Cursor") | {"description": "Before the oldest reading that is held."},
        "incomplete": {
            "const": True,
            "description": "More may belong here that could not be had in time: ask again.",
        },
    }
    whole = [key for key in page if key != "incomplete"]
    return {
        "Device": object_of(device, _required(device), "A bike, and its latest."),
        "Devices": object_of({"devices": array_of(ref("Device"))}, ["devices"]),
        "Page": object_of(page, whole, "Readings, oldest first, and what is missing there."),
        "Health": object_of(
            {"ok": {"const": True}, "version": {"type": "string"}}, ["ok", "version"]
        ),
        "Readiness": _readiness(),
        "Problem": _problem(),
    }


def _schemas() -> dict[str, Schema]:
    """Give those of the shared schemas that HTTP answers stand on."""
    used = ("DeviceId", "Cursor", "Reading", "Gap")
    return {name: schema for name, schema in schemas().items() if name in used}


def _required(properties: Schema) -> list[str]:
    return [key for key in properties if key not in (*STATUS_OPTIONAL, "refusals")]


def _refusals() -> Schema:
    return {
        "type": "object",
        "description": "How many messages of it were refused or dropped, by reason; absent when "
        "none was.",
        "additionalProperties": integer("How many."),
    }


def _readiness() -> Schema:
    properties: dict[str, Schema] = {
        "ready": {"type": "boolean"},
        "draining": {"type": "boolean", "description": "Whether it is stopping."},
        "devices": integer("How many bikes are known."),
        "degraded": array_of(ref("DeviceId")) | {"description": "Bikes that are silent."},
    }
    return object_of(properties, list(properties))


def _problem() -> Schema:
    error = schemas()["Error"]["properties"]
    properties = {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": error["code"],
        "detail": error["message"],
    }
    return object_of(properties, list(properties), "An error, as RFC 9457 has it.")


def _addresses() -> dict[str, Schema]:
    return {
        "/": _page("The dashboard."),
        "/bikes": _detour("The dashboard, at all bikes."),
        "/bikes/{device_id}": _detour("The dashboard, at one bike.", [_ID]),
        "/favicon.ico": _question("The icon of the page.", {"302": _lead("To the icon.")}),
        "/docs": _page("This document and that of the events, to be read."),
        "/asyncapi.json": _document("The events, as an AsyncAPI document."),
        "/openapi.json": _document("The addresses, as an OpenAPI document."),
        "/healthz": _question("Whether the process is alive.", {"200": _json("Health")}),
        "/readyz": _question(
            "Whether bikes are listened to and the first histories were fetched.",
            {"200": _json("Readiness"), "503": _json("Readiness", "Not yet, or not any more.")},
        ),
        "/api/v1/devices": _question("All bikes that are known.", {"200": _json("Devices")}),
        "/api/v1/devices/{device_id}": _question(
            "One bike.", {"200": _json("Device"), "404": _refusal("Nobody heard of it.")}, [_ID]
        ),
        "/api/v1/devices/{device_id}/readings": _question(
            "Readings of one bike: after a position, or of a span of time.",
            {
                "200": _readings(),
                "400": _refusal("A cursor, a number or a key is wrong."),
                "404": _refusal("Nobody heard of it."),
                "503": _later("CSV: the bike's journal did not answer. Too many large answers."),
            },
            [_ID, *_QUERY],
        ),
    }


def _question(about: str, answers: Schema, parameters: list[Schema] | None = None) -> Schema:
    given = {"parameters": parameters} if parameters else {}
    return {"summary": about, **given, "responses": answers | {"default": _refusal("Any error.")}}


def _page(about: str) -> Schema:
    answer = {"description": "A page.", "content": {HTML: {"schema": {"type": "string"}}}}
    return _question(about, {"200": answer})


def _detour(about: str, parameters: list[Schema] | None = None) -> Schema:
    answers = {"302": _lead("To the page."), "404": _refusal("For whoever asks for no HTML.")}
    return _question(about, answers, parameters)


def _lead(about: str) -> Schema:
    return {"description": about, "content": {HTML: {"schema": {"type": "string"}}}}


def _document(about: str) -> Schema:
    answer = {"description": "A document.", "content": {JSON: {"schema": {"type": "object"}}}}
    return _question(about, {"200": answer})


def _json(name: str, about: str = "The answer.") -> Schema:
    return {"description": about, "content": {JSON: {"schema": ref(name)}}}


def _refusal(about: str) -> Schema:
    return {"description": about, "content": {PROBLEM: {"schema": ref("Problem")}}}


def _later(about: str) -> Schema:
    return _refusal(about) | {"headers": {"Retry-After": _header("In how many seconds to ask.")}}


def _header(about: str) -> Schema:
    return {"description": about, "schema": {"type": "string"}}


def _readings() -> Schema:
    header = f"RFC 4180. Columns: {', '.join(CSV_KEYS)}. Empty where absent, extra as JSON."
    csv = {"schema": {"type": "string", "description": header}}
    headers = {
        "Link": _header('The next page, rel="next"; CSV only.'),
        "Spoke-Reset": _header("Why it does not go on from since, as in a gap; CSV only."),
        "Spoke-Incomplete": _header("true: the bike is away, and may keep more; CSV only."),
    }
    return {
        "description": "A page of readings, oldest first.",
        "headers": headers,
        "content": {JSON: {"schema": ref("Page")}, CSV: csv},
    }


def _query(name: str, schema: Schema, about: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": about}


def _between(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


_ID: Schema = {"name": "device_id", "in": "path", "required": True, "schema": ref("DeviceId")}
_QUERY: list[Schema] = [
    _query(
        "since", ref("Cursor"), "After this position; without it the newest, of a span the first."
    ),
    _query("limit", _between(1, LIMIT_MAX) | {"default": LIMIT_DEFAULT}, "At most so many."),
    _query("from_ms", integer(""), "Measured then or later."),
    _query("to_ms", integer(""), "Measured then or before."),
    _query(
        "max_points",
        _between(2, POINTS_MAX),
        "Of the whole span: of each part the slowest and the fastest.",
    ),
    _query("format", {"enum": ["json", "csv"]}, "Instead of the Accept header."),
    _query("times", {"enum": ["utc"]}, f"CSV begins with {TIME_KEY}: ts_ms as ISO 8601."),
]
