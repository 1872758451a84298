"""A bike of your own: put your sensor where 21.5 stands, and run this beside a gateway."""

import json
import time

import zmq

pub = zmq.Context().socket(zmq.PUB)
pub.bind("tcp://127.0.0.1:5556")
epoch = time.time_ns() // 1_000_000
for seq in range(1, 2**53):
    bike = {"v": 1, "device_id": "my-bike", "epoch": epoch, "ts_ms": time.time_ns() // 1_000_000}
    reading = bike | {"seq": seq, "speed_kmh": 21.5}
    status = bike | {"last_seq": seq, "state": "online", "interval_ms": 1000}
    for kind, message in (("reading", reading), ("status", status)):
        pub.send_multipart([f"ebike/{kind}/my-bike/".encode(), json.dumps(message).encode()])
    time.sleep(1)
