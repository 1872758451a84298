"""Twenty peers of ZeroMQ that mean no good; the process ends as a crashed one does.

usage: python -m tests.hostile.attacks.peer offers|deaf|rubbish PORT
"""

import json
import os
import random
import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import zmq

PEERS = 20
MESSAGES = 600
"""Of each peer: together twelve times what the gateway's queue holds, and 34 MB."""
BIKES = 400
LASTS_S = 0.7
LEAVES_S = 0.3
"""After the last message; most of them are on their way by then."""
CONNECTED_WITHIN_S = 0.3
TOPICS = [b"ebike/reading/ebike-001/", b"ebike/status/ebike-001/", b"ebike/reading/", b"x", b""]


def offers(context: "zmq.Context[Any]", endpoint: str) -> None:
    """Offer many bikes, far more often than anybody can read."""
    sockets = [_connect(context, zmq.DEALER, endpoint) for _ in range(PEERS)]
    offer = _offer(BIKES)
    sleep(CONNECTED_WITHIN_S)
    for _ in range(MESSAGES):
        for socket in sockets:
            socket.send(offer)
    sleep(LEAVES_S)


def deaf(context: "zmq.Context[Any]", endpoint: str) -> None:
    """Offer the bike that there is, and read no question."""
    sockets = [_connect(context, zmq.DEALER, endpoint) for _ in range(PEERS)]
    offer = json.dumps({"v": 1, "op": "serve", "devices": ["ebike-001"]}).encode()
    until_s = monotonic() + LASTS_S
    while monotonic() < until_s:
        for socket in sockets:
            socket.send(offer)
        sleep(0.01)


def rubbish(context: "zmq.Context[Any]", endpoint: str) -> None:
    """Publish what is no reading, or nobody's."""
    sockets = [_connect(context, zmq.PUB, endpoint) for _ in range(PEERS)]
    draw = random.Random(1)
    bodies: list[Callable[[], bytes]] = [
        lambda: draw.randbytes(draw.randrange(2_000)),
        lambda: b"[" * 60_000,
        lambda: b'{"v":1,"device_id":"ebike-001","epoch":' + b"9" * 5_000 + b"}",
        lambda: b'{"v":1,"device_id":"n%d","epoch":1,"seq":1}' % draw.randrange(10**6),
    ]
    sleep(CONNECTED_WITHIN_S)
    until_s = monotonic() + LASTS_S
    while monotonic() < until_s:
        for socket in sockets:
            socket.send_multipart([draw.choice(TOPICS), draw.choice(bodies)()])
            socket.send_multipart([draw.choice(TOPICS), *[b"x"] * draw.randrange(100)])


def _offer(count: int) -> bytes:
    devices = [f"x{number}" for number in range(count)]
    return json.dumps({"v": 1, "op": "serve", "devices": devices}, separators=(",", ":")).encode()


def _connect(context: "zmq.Context[Any]", kind: int, endpoint: str) -> "zmq.Socket[Any]":
    socket: zmq.Socket[Any] = context.socket(kind)
    socket.linger, socket.sndhwm = 0, 0
    socket.connect(endpoint)
    return socket


if __name__ == "__main__":
    act = {"offers": offers, "deaf": deaf, "rubbish": rubbish}[sys.argv[1]]
    act(zmq.Context(), f"tcp://127.0.0.1:{sys.argv[2]}")
    os._exit(0)
