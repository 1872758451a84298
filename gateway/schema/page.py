"""Convert both documents into rows for the template of ``/docs``. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.schema.payloads import Schema

SENT_BY = {"receive": "client sends", "send": "gateway sends"}


class Field(NamedTuple):
    """One key of an object, or one parameter of an endpoint."""

    name: str
    kind: str
    refers_to: str | None
    required: bool
    about: str


class Section(NamedTuple):
    """One event or endpoint: its description, its input, and its answers."""

    anchor: str
    title: str
    badge: str
    about: str
    payload: str | None
    fields: list[Field]
    answers: list[tuple[str, str, str | None]]
    """Of each answer: a label, a description, and the name of its schema."""


class Table(NamedTuple):
    """One schema: the keys of an object, or the description of another type."""

    name: str
    about: str
    kind: str
    fields: list[Field]


def events_of(document: Mapping[str, Any]) -> list[Section]:
    """Return the operations of an AsyncAPI document on the channel of browsers."""
    return [
        _event(document, name, operation)
        for name, operation in document["operations"].items()
        if operation["channel"]["$ref"] == "#/channels/browser"
    ]


def topics_of(document: Mapping[str, Any]) -> list[Section]:
    """Return the operations of an AsyncAPI document on the channels of bikes."""
    return [
        _event(document, name, operation)._replace(
            title=document["channels"][name]["address"], badge="bike sends"
        )
        for name, operation in document["operations"].items()
        if operation["channel"]["$ref"] != "#/channels/browser"
    ]


def endpoints_of(document: Mapping[str, Any]) -> list[Section]:
    """Return the endpoints of an OpenAPI document."""
    return [_endpoint(path, operations["get"]) for path, operations in document["paths"].items()]


def tables_of(*documents: Mapping[str, Any]) -> list[Table]:
    """Return every schema of the documents once, sorted by name."""
    known: dict[str, Schema] = {}
    for document in documents:
        known |= document["components"]["schemas"]
    return [_table(name, schema) for name, schema in sorted(known.items())]


def describe(schema: Schema) -> str:
    """Return a short description of the values that a schema allows."""
    if "$ref" in schema:
        return _name(schema)
    if "const" in schema:
        return (
            repr(schema["const"])
            .replace("'", '"')
            .replace("True", "true")
            .replace("False", "false")
        )
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(describe, schema["anyOf"]))
    return _describe_type(schema)


def _describe_type(schema: Schema) -> str:
    kinds = schema.get("type", "anything")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    if kind == "array":
        return f"list of {describe(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {describe(schema['additionalProperties'])}"
    return " ".join([kind, *_limits(schema)])


def _limits(schema: Schema) -> Iterator[str]:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    least = "above" if "exclusiveMinimum" in schema else "from"
    if high == 2**53 - 1:
        yield f"{least} {low:,}"
    elif low is not None and high is not None:
        yield f"{least} {low:,.10g} to {high:,.10g}"
    if "examples" in schema:
        yield f"such as {schema['examples'][0]}"
    if "maxLength" in schema:
        yield f"of at most {schema['maxLength']} characters"


def _event(document: Mapping[str, Any], name: str, operation: Schema) -> Section:
    message = document["components"]["messages"][name]
    answers = [
        ("answer", "", reference["$ref"].rpartition("/")[2])
        for reference in operation.get("reply", {}).get("messages", [])
    ]
    payload = _name(message["payload"])
    badge = SENT_BY[operation["action"]]
    return Section(f"event-{name}", name, badge, operation["summary"], payload, [], answers)


def _endpoint(path: str, operation: Schema) -> Section:
    fields = [
        Field(
            given["name"],
            describe(given["schema"]),
            _reference(given["schema"]),
            given.get("required", False),
            given.get("description", ""),
        )
        for given in operation.get("parameters", [])
    ]
    answers = [
        (f"{status} {kind}", answer["description"], _reference(content["schema"]))
        for status, answer in operation["responses"].items()
        for kind, content in answer["content"].items()
    ]
    anchor = "endpoint-" + (path.strip("/").replace("/", "-").translate(_NO_BRACES) or "root")
    return Section(anchor, path, "GET", operation["summary"], None, fields, answers)


def _table(name: str, schema: Schema) -> Table:
    required = schema.get("required", [])
    fields = [
        Field(
            key, describe(value), _reference(value), key in required, value.get("description", "")
        )
        for key, value in schema.get("properties", {}).items()
    ]
    return Table(name, schema.get("description", ""), describe(schema), fields)


def _reference(schema: Schema) -> str | None:
    """Return the name of the schema that a value, its items or an alternative refers to."""
    inner = [schema, schema.get("items"), schema.get("additionalProperties")]
    inner += schema.get("anyOf", [])
    found = [part for part in inner if isinstance(part, dict) and "$ref" in part]
    return _name(found[0]) if found else None


def _name(schema: Schema) -> str:
    reference: str = schema["$ref"]
    return reference.rpartition("/")[2]


_NO_BRACES = str.maketrans("", "", "{}.")
