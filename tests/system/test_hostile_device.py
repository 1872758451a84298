"""Rubbish between valid readings: the gateway lives, and every valid reading arrives."""

import json
import random
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
import zmq

from shared.contexts import open_context
from tests.system.pair import Pair, Witness, numbers
from tests.timing import eventually

EPOCH = 1_700_000_000_000
RARELY = 0.05
GROWTH_MAX_MB = 120
"""Of resident memory: full rings of 1,000 invented devices take about 10 MB."""


class Rubbish:
    """A publisher of valid readings of one good device, and of anything else."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], port: int) -> None:
        self.socket = context.socket(zmq.PUB)
        self.socket.sndhwm = 0
        self.socket.linger = 0
        self.socket.bind(f"tcp://127.0.0.1:{port}")
        self.seq = 0

    def send_good(self) -> None:
        self.seq += 1
        self.send_reading("good", seq=self.seq)

    def send_reading(self, topic_id: str, **fields: object) -> None:
        body: dict[str, object] = {
            "v": 1,
            "device_id": topic_id,
            "epoch": EPOCH,
            "seq": 1,
            "ts_ms": 0,
            "speed_kmh": 20.5,
        }
        self.send(f"ebike/reading/{topic_id}/".encode(), json.dumps(body | fields).encode())

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)


@pytest.fixture
def rubbish(pair: Pair) -> Iterator[Rubbish]:
    with open_context() as context:
        publisher = Rubbish(context, pair.live)
        with closing(publisher.socket):
            yield publisher


def random_frames(draw: random.Random) -> list[bytes]:
    topic = draw.choice([b"ebike/reading/good/", b"ebike/status/good/", b"ebike/reading/x/"])
    return [topic, draw.randbytes(draw.randrange(300))]


def wrong_types(draw: random.Random) -> dict[str, object]:
    values: tuple[object, ...] = (
        None,
        True,
        -1,
        1.5,
        "1",
        [],
        {},
        10**30,
        2**53,
        "x" * 500,
        [[[]]],
    )
    key = draw.choice(["v", "epoch", "seq", "speed_kmh", "ts_ms", "device_id"])
    return {"seq": 1, key: draw.choice(values)}


def send_one_of_each(rubbish: Rubbish, draw: random.Random) -> None:
    rubbish.send(*random_frames(draw))
    rubbish.send(b"ebike/reading/good/", b'{"v":1,"device_id":"good","epo' + draw.randbytes(5))
    rubbish.send_reading("good", **wrong_types(draw))
    rubbish.send_reading("good", seq=1, speed_kmh=float("nan"))
    rubbish.send(wrong_topic(draw), b"{}")
    if draw.random() < RARELY:
        rubbish.send(b"ebike/reading/good/", b"[" * 2_000)
        rubbish.send(b"ebike/reading/good/", b"x" * 60_000)
        rubbish.send(*[b"ebike/reading/good/"] * 50)


def wrong_topic(draw: random.Random) -> bytes:
    kinds = (b"ebike/reading/", b"ebike/reading/good", b"ebike/reading/../", b"ebike/status//")
    return draw.choice(kinds) + draw.randbytes(3)


def test_rubbish_neither_stops_nor_grows_the_gateway(pair: Pair, rubbish: Rubbish) -> None:
    gateway = pair.start_gateway()
    witness = pair.watch(emit=[["subscribe", {"devices": ["good"], "since": {"good": "0-0"}}]])
    witness.wait_for("ack")
    eventually(lambda: is_heard(pair, rubbish), what="the good device")
    before_mb = psutil.Process(gateway.pid).memory_info().rss / 1e6
    draw = random.Random(1)
    for i in range(10_000):
        send_one_of_each(rubbish, draw)
        rubbish.send_reading(f"invented-{i}")
        if i % 10 == 0:
            rubbish.send_good()
        if i % 200 == 0:  # no faster than it is read: what a PUB drops is another test's matter
            eventually(lambda: is_head(pair, rubbish), what="the good reading")
    rubbish.send_good()
    last = rubbish.seq
    eventually(lambda: witness_has(witness, last), what="the last reading", timeout_s=30)
    first = numbers(witness, "good")[0]
    assert numbers(witness, "good") == list(range(first, last + 1))
    assert pair.get("/healthz").status == 200
    assert psutil.Process(gateway.pid).memory_info().rss / 1e6 - before_mb < GROWTH_MAX_MB
    assert_one_line_each(gateway.output)


def is_heard(pair: Pair, rubbish: Rubbish) -> bool:
    """Publish until the subscription has travelled."""
    rubbish.send_good()
    return pair.get("/api/v1/devices/good").status == 200


def is_head(pair: Pair, rubbish: Rubbish) -> bool:
    cursor: str = pair.get("/api/v1/devices/good").json["cursor"]
    return cursor == f"{EPOCH}-{rubbish.seq}"


def witness_has(witness: Witness, seq: int) -> bool:
    seen = numbers(witness, "good")
    return bool(seen) and seen[-1] == seq


def assert_one_line_each(output: str) -> None:
    """One line for each kind and device."""
    lines = [line.partition("message_refused")[2] for line in output.splitlines()]
    refused = [" ".join(line.split()[:2]) for line in lines if line]
    assert len(refused) == len(set(refused))
    assert len(refused) >= 5
    assert len(output.splitlines()) < 100
