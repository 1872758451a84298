"""Messages a device may say, right or wrong in a chosen place."""

import json
from typing import TypeAlias

from shared.wire import reading_topic, status_topic

Frames: TypeAlias = list[bytes]

EPOCH = 1_700_000_000_000
NOW_MS = EPOCH + 60_000


def reading(
    seq: object,
    *,
    device_id: str = "ebike-001",
    topic: bytes | None = None,
    payload: bytes | None = None,
    **changes: object,
) -> Frames:
    """Return a reading's frames; ``changes`` go into the payload."""
    body = {
        "v": 1,
        "device_id": device_id,
        "epoch": EPOCH,
        "seq": seq,
        "ts_ms": NOW_MS,
        "speed_kmh": 20.0,
        **changes,
    }
    return [
        reading_topic(device_id) if topic is None else topic,
        json.dumps(body).encode() if payload is None else payload,
    ]


def status(
    last_seq: object,
    *,
    device_id: str = "ebike-001",
    payload: bytes | None = None,
    **changes: object,
) -> Frames:
    """Return a status's frames; ``changes`` go into the payload."""
    body = {
        "v": 1,
        "device_id": device_id,
        "epoch": EPOCH,
        "last_seq": last_seq,
        "ts_ms": NOW_MS,
        "state": "online",
        "interval_ms": 500,
        **changes,
    }
    return [status_topic(device_id), json.dumps(body).encode() if payload is None else payload]
