"""A bike of your own: put your sensor where 21.5 stands, and run this beside a gateway."""

import json
import time

import zmq

bike = {"v": 1, "device_id": "my-bike", "epoch": time.time_ns() // 1_000_000}
pub = zmq.Context().socket(zmq.PUB)
pub.bind("tcp://127.0.0.1:5556")


def say(kind: str, **values: object) -> None:
    """Publish a reading or a status."""
    message = {**bike, "ts_ms": time.time_ns() // 1_000_000, **values}
    pub.send_multipart([f"ebike/{kind}/my-bike/".encode(), json.dumps(message).encode()])


try:
    for seq in range(1, 2**53):
        say("reading", seq=seq, speed_kmh=21.5)
        say("status", last_seq=seq, state="online", interval_ms=1000)
        time.sleep(1)
except KeyboardInterrupt:
    say("status", last_seq=seq, state="stopping", interval_ms=1000)
    pub.context.destroy(linger=1000)
