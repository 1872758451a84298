"""The OpenAPI document: the HTTP endpoints."""

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
TEXT = "text/plain"
JSON, CSV, HTML, PROBLEM = "application/json", "text/csv", "text/html", "application/problem+json"


def openapi() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "openapi": VERSION,
        "info": {
            "title": "Spoke: HTTP",
            "version": __version__,
            "description": "The readings and the state of e-bikes, over plain HTTP.",
        },
        "servers": [{"url": ".", "description": "The gateway that serves this document."}],
        "paths": {path: {"get": operation} for path, operation in _operations().items()},
        "components": {"schemas": _schemas() | http_schemas()},
    }


def http_schemas() -> dict[str, Schema]:
    """Return the schemas that only HTTP answers use."""
    device = (
        schemas()["DeviceStatus"]["properties"]
        | schemas()["Start"]["properties"]
        | {"refusals": _refusals()}
    )
    page = {
        "device_id": ref("DeviceId"),
        "readings": array_of(ref("Reading")),
        "gaps": array_of(ref("Gap")),
        "next": ref("Cursor") | {"description": "The since of the following page."},
        "held_from": ref("Cursor")
        | {"description": "The position before the oldest reading held."},
        "incomplete": {
            "const": True,
            "description": "The page may lack readings that the bike's journal did not deliver "
            "in time: ask again.",
        },
    }
    required = [key for key in page if key != "incomplete"]
    return {
        "Device": object_of(device, _required(device), "A bike and its latest reading."),
        "DeviceDetail": object_of(
            device | {"counts": ref("Counts")},
            [*_required(device), "counts"],
            "A bike, its latest reading, and what happened to its readings.",
        ),
        "Counts": _counts(),
        "Devices": object_of({"devices": array_of(ref("Device"))}, ["devices"]),
        "Page": object_of(page, required, "Readings, oldest first, and the gaps between them."),
        "Health": object_of(
            {"ok": {"const": True}, "version": {"type": "string"}}, ["ok", "version"]
        ),
        "Readiness": _readiness(),
        "Problem": _problem(),
    }


def _schemas() -> dict[str, Schema]:
    """Return the shared schemas that HTTP answers refer to."""
    used = ("DeviceId", "Cursor", "Reading", "Gap")
    return {name: schema for name, schema in schemas().items() if name in used}


def _required(properties: Schema) -> list[str]:
    return [key for key in properties if key not in (*STATUS_OPTIONAL, "refusals")]


def _refusals() -> Schema:
    return {
        "type": "object",
        "description": "The number of refused or dropped messages of the bike, by reason; "
        "absent without any.",
        "additionalProperties": integer("The number of messages."),
    }


def _counts() -> Schema:
    by_reason = {"type": "object", "additionalProperties": integer("The number.")}
    properties: dict[str, Schema] = {
        "readings": integer("Readings taken in, live or after a request."),
        "backfilled": integer("Readings from before the gateway first heard the bike."),
        "repeats": integer("Readings that came again, and were dropped."),
        "lost": integer("Readings that the gaps lack, as far as that is known."),
        "gaps": by_reason | {"description": "Gaps in the readings, by reason."},
        "refused": by_reason | {"description": "Other messages refused or dropped, by reason."},
    }
    about = "What happened to the readings of a bike since the gateway first heard it."
    return object_of(properties, list(properties), about)


def _readiness() -> Schema:
    properties: dict[str, Schema] = {
        "ready": {"type": "boolean"},
        "draining": {"type": "boolean", "description": "Whether the gateway is stopping."},
        "devices": integer("The number of known bikes."),
        "degraded": array_of(ref("DeviceId")) | {"description": "Bikes that are offline."},
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
    return object_of(properties, list(properties), "An error, in the format of RFC 9457.")


def _operations() -> dict[str, Schema]:
    return {
        "/": _page("The dashboard."),
        "/bikes": _redirect("Redirects to the list of bikes on the dashboard."),
        "/bikes/{device_id}": _redirect("Redirects to one bike on the dashboard.", [_ID]),
        "/favicon.ico": _operation("The icon.", {"302": _redirection("To the icon.")}),
        "/docs": _page("The API documentation as an HTML page."),
        "/asyncapi.json": _document("The events, as an AsyncAPI document."),
        "/openapi.json": _document("The HTTP endpoints, as an OpenAPI document."),
        "/healthz": _operation("Whether the process is alive.", {"200": _json("Health")}),
        "/readyz": _operation(
            "Whether the gateway listens to bikes and has fetched the first histories.",
            {"200": _json("Readiness"), "503": _json("Readiness", "Not ready yet, or stopping.")},
        ),
        "/metrics": _operation(
            "Metrics for Prometheus, for this machine only unless SPOKE_METRICS is yes.",
            {
                "200": {
                    "description": "Metrics in Prometheus' text format.",
                    "content": {TEXT: {"schema": {"type": "string"}}},
                },
                "403": _problem_answer("The client is on another machine."),
            },
        ),
        "/api/v1/devices": _operation("All known bikes.", {"200": _json("Devices")}),
        "/api/v1/devices/{device_id}": _operation(
            "One bike.",
            {"200": _json("DeviceDetail"), "404": _problem_answer("Unknown bike.")},
            [_ID],
        ),
        "/api/v1/devices/{device_id}/readings": _operation(
            "Readings of one bike: after a cursor, or of a time span.",
            {
                "200": _readings(),
                "400": _problem_answer("A cursor, a number or a query key is wrong."),
                "404": _problem_answer("Unknown bike."),
                "503": _unavailable(
                    "The bike's journal did not answer (CSV), or too many large answers "
                    "are being sent."
                ),
            },
            [_ID, *_QUERY],
        ),
    }


def _operation(about: str, answers: Schema, parameters: list[Schema] | None = None) -> Schema:
    given = {"parameters": parameters} if parameters else {}
    responses = answers | {"default": _problem_answer("Any error.")}
    return {"summary": about, **given, "responses": responses}


def _page(about: str) -> Schema:
    answer = {"description": "A page.", "content": {HTML: {"schema": {"type": "string"}}}}
    return _operation(about, {"200": answer})


def _redirect(about: str, parameters: list[Schema] | None = None) -> Schema:
    answers = {
        "302": _redirection("To the dashboard."),
        "404": _problem_answer("The request does not accept HTML."),
    }
    return _operation(about, answers, parameters)


def _redirection(about: str) -> Schema:
    return {"description": about, "content": {HTML: {"schema": {"type": "string"}}}}


def _document(about: str) -> Schema:
    answer = {"description": "A document.", "content": {JSON: {"schema": {"type": "object"}}}}
    return _operation(about, {"200": answer})


def _json(name: str, about: str = "The answer.") -> Schema:
    return {"description": about, "content": {JSON: {"schema": ref(name)}}}


def _problem_answer(about: str) -> Schema:
    return {"description": about, "content": {PROBLEM: {"schema": ref("Problem")}}}


def _unavailable(about: str) -> Schema:
    retry = _header("The number of seconds after which to retry.")
    return _problem_answer(about) | {"headers": {"Retry-After": retry}}


def _header(about: str) -> Schema:
    return {"description": about, "schema": {"type": "string"}}


def _readings() -> Schema:
    header = f"RFC 4180. Columns: {', '.join(CSV_KEYS)}. Empty where absent, extra as JSON."
    csv = {"schema": {"type": "string", "description": header}}
    headers = {
        "Link": _header('The next page, rel="next"; CSV only.'),
        "Spoke-Reset": _header(
            "The reason (as in a gap) why the page does not continue at since; CSV only."
        ),
        "Spoke-Incomplete": _header(
            "true: the journal of the bike may have more readings, before the first row or after "
            "the last one; CSV only."
        ),
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
        "since",
        ref("Cursor"),
        "Readings after this cursor. Without it: the newest readings, or the first of a time span.",
    ),
    _query(
        "limit",
        _between(1, LIMIT_MAX) | {"default": LIMIT_DEFAULT},
        "The most readings in the answer.",
    ),
    _query("from_ms", integer(""), "Start of the time span (inclusive), in ms since 1970 UTC."),
    _query("to_ms", integer(""), "End of the time span (inclusive), in ms since 1970 UTC."),
    _query(
        "max_points",
        _between(2, POINTS_MAX),
        "Thin the whole span: keep the slowest and the fastest reading of each part.",
    ),
    _query("format", {"enum": ["json", "csv"]}, "The format; overrides the Accept header."),
    _query("times", {"enum": ["utc"]}, f"CSV gets a first column {TIME_KEY}: ts_ms in ISO 8601."),
]
