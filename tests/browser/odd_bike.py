"""Publish bikes that are not as they should be: ``python -m tests.browser.odd_bike ENDPOINT``.

``clock-7`` has a clock that is an hour slow, a value of its own, and rides faster than a motor may
help. ``version-2`` sends one reading, and from then on speaks a protocol that nobody knows.
``downhill-9`` is very fast every other second. ``slow-4`` sends a reading every 2 s, and its status
says so.
"""

import json
import sys
import time
from collections.abc import Iterator

import zmq

HOUR_MS = 3_600_000
INTERVAL_S = 0.1
SLOW_TICKS = 20


def readings(seq: int, now_ms: int) -> Iterator[dict[str, object]]:
    """Yield what the bikes send at one moment."""
    slow_ms = now_ms - HOUR_MS
    yield {
        "v": 1,
        "device_id": "clock-7",
        "epoch": 7,
        "seq": seq,
        "ts_ms": slow_ms,
        "speed_kmh": 27.5,
        "power_w": 210,
        "motor_power_w": 0,
        "assist": "tour",
        "extra": {
            "tyre_bar": 4.2,
            "mood": "good",
            "pressure_pa": 101_325 + seq % 7,
            "leak_ma": 1e-7 * (seq % 9),
        },
    }
    yield {
        "v": 1,
        "device_id": "downhill-9",
        "epoch": 9,
        "seq": seq,
        "ts_ms": now_ms,
        "speed_kmh": 61.0 if seq // 10 % 2 else 12.0,
    }
    version = 1 if seq == 1 else 2
    yield {
        "v": version,
        "device_id": "version-2",
        "epoch": 2,
        "seq": seq,
        "ts_ms": now_ms,
        "speed_kmh": 12.0,
    }


def slow_bike(tick: int, now_ms: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what the slow bike sends at one moment: kind and message."""
    seq = 1 + tick // SLOW_TICKS
    told = {"v": 1, "device_id": "slow-4", "epoch": 4, "ts_ms": now_ms}
    if tick % SLOW_TICKS == 0:
        yield "reading", told | {"seq": seq, "speed_kmh": 14.0}
    if tick % SLOW_TICKS in {0, SLOW_TICKS // 2}:
        interval_ms = round(SLOW_TICKS * INTERVAL_S * 1000)
        yield "status", told | {"last_seq": seq, "state": "online", "interval_ms": interval_ms}


def main(endpoint: str) -> None:
    """Publish until the process is ended."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.bind(endpoint)
        socket.recv()  # somebody listens from now on
        seq = 0
        while True:
            seq += 1
            now_ms = time.time_ns() // 1_000_000
            for kind, message in slow_bike(seq, now_ms):
                topic = f"ebike/{kind}/slow-4/"
                socket.send_multipart([topic.encode(), json.dumps(message).encode()])
            for reading in readings(seq, now_ms):
                topic = f"ebike/reading/{reading['device_id']}/"
                socket.send_multipart([topic.encode(), json.dumps(reading).encode()])
            time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main(sys.argv[1])
