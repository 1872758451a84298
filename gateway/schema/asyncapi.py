"""The AsyncAPI document: the Socket.IO events, and the ZeroMQ messages of bikes."""

from typing import Any, NamedTuple

from gateway import __version__
from gateway.schema.payloads import Schema, device_schemas, ref, schemas

VERSION = "3.0.0"
ANNOUNCEMENT = "announcement"
"""The gateway only passes this event on."""


class Event(NamedTuple):
    """One event: its direction, its payload, and the payloads of its acknowledgement."""

    name: str
    action: str
    payload: str
    about: str
    answers: tuple[str, ...] = ()


EVENTS = (
    Event(
        "subscribe",
        "receive",
        "Subscribe",
        "Add bikes to this client's subscription. An invalid request changes nothing. The "
        "acknowledgement has the cursor at which the stream of each bike starts; readings follow "
        "the acknowledgement.",
        ("Subscribed", "Refused"),
    ),
    Event(
        "unsubscribe",
        "receive",
        "Unsubscribe",
        "Remove bikes from this client's subscription. After the acknowledgement the gateway sends "
        "nothing of them.",
        ("Unsubscribed", "Refused"),
    ),
    Event(
        "speed_change",
        "send",
        "Reading",
        "One reading. The gateway sends the readings of each bike in order, each once; a gap "
        "announces missing ones.",
    ),
    Event(
        "device_status",
        "send",
        "DeviceStatus",
        "Sent for each bike after the acknowledgement, and whenever online, epoch, model, "
        "interval_ms or refused changes.",
    ),
    Event("gap", "send", "Gap", "Missing readings. The gateway never sends them later."),
    Event(
        "error",
        "send",
        "Error",
        "The error of an event that the client sent without asking for an acknowledgement, or of "
        "the subscribe in the connection's auth.",
    ),
    Event(
        "subscribed",
        "send",
        "Subscribed",
        "The answer to the subscribe in the connection's auth.",
    ),
    Event(
        ANNOUNCEMENT,
        "send",
        "Announcement",
        "The words of the operator to all clients. An operator's program publishes it through the "
        "Redis of SPOKE_REDIS_URL.",
    ),
)
TOPICS = {
    "reading": ("Reading", "One reading, published by a bike, at its own rate."),
    "status": ("Status", "The status of a bike, published every second and once when it stops."),
}


def asyncapi() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Spoke: events",
            "version": __version__,
            "description": "Live readings of e-bikes, over Socket.IO with stock clients.",
        },
        "defaultContentType": "application/json",
        "channels": {"browser": _browser_channel(), **_topic_channels()},
        "operations": {**dict(map(_operation, EVENTS)), **_topic_operations()},
        "components": {
            "messages": dict(map(_message, EVENTS)) | _answer_messages() | _topic_messages(),
            "schemas": schemas() | device_schemas(),
        },
    }


def _browser_channel() -> Schema:
    names = [*(event.name for event in EVENTS), *_answer_messages()]
    return {
        "address": "/socket.io/",
        "title": "A browser and the gateway",
        "description": "Socket.IO, default namespace. A message has the name of its event. "
        "The address is below the gateway's own path, if it has one: /spoke/socket.io/.",
        "messages": {name: _ref("messages", name) for name in names},
    }


def _topic_channels() -> dict[str, Schema]:
    return {
        f"bike_{kind}": {
            "address": f"ebike/{kind}/{{device_id}}/",
            "title": f"A bike's {kind}",
            "description": "ZeroMQ PUB and SUB, two frames: this topic, and the message.",
            "parameters": {"device_id": {"description": "The bike's id, as in the message."}},
            "messages": {f"bike_{kind}": _ref("messages", f"bike_{kind}")},
        }
        for kind in TOPICS
    }


def _operation(event: Event) -> tuple[str, Schema]:
    operation: Schema = {
        "action": event.action,
        "channel": {"$ref": "#/channels/browser"},
        "summary": event.about,
        "messages": [_in_channel("browser", event.name)],
    }
    if event.answers:
        answers = [_in_channel("browser", name) for name in event.answers]
        operation["reply"] = {"channel": {"$ref": "#/channels/browser"}, "messages": answers}
    return event.name, operation


def _topic_operations() -> dict[str, Schema]:
    return {
        f"bike_{kind}": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/bike_{kind}"},
            "summary": about,
            "messages": [_in_channel(f"bike_{kind}", f"bike_{kind}")],
        }
        for kind, (_payload, about) in TOPICS.items()
    }


def _message(event: Event) -> tuple[str, Schema]:
    return event.name, {"name": event.name, "summary": event.about, "payload": ref(event.payload)}


def _answer_messages() -> dict[str, Schema]:
    names = dict.fromkeys(name for event in EVENTS for name in event.answers)
    return {name: {"name": name, "payload": ref(name)} for name in names}


def _topic_messages() -> dict[str, Schema]:
    return {
        f"bike_{kind}": {"name": kind, "summary": about, "payload": ref(payload)}
        for kind, (payload, about) in TOPICS.items()
    }


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _in_channel(channel: str, message: str) -> Schema:
    return {"$ref": f"#/channels/{channel}/messages/{message}"}
