"""Bikes that appear while nobody looks, and two that call themselves the same."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
import zmq

from shared.contexts import open_context
from shared.cursor import Cursor
from shared.wire import reading_topic
from tests.faults.stage import Stage, assert_undisturbed, assert_whole, endpoint
from tests.timing import eventually

EPOCH = 1_700_000_000_000
NUMBERS = 500
NEWCOMER = "newcomer"


def test_a_bike_that_appears_while_a_client_is_away_is_seen_from_its_first_reading(
    stage: Stage,
) -> None:
    live, replay = stage.free_port(), stage.free_port()
    _gateway, witness, control = stage.play(**both(stage, live, replay))
    with witness.expecting("disconnect"):
        stage.web.cut()
    stage.pair.start_device(
        SPOKE_DEVICE_ID=NEWCOMER,
        SPOKE_RATE_HZ="100",
        SPOKE_PUB_BIND=endpoint(live),
        SPOKE_REPLAY_BIND=endpoint(replay),
    )
    stage.pair.wait_until_known(NEWCOMER)
    with witness.expecting("subscribed"):
        stage.web.mend()
    stage.settle(witness, control)
    newest = stage.newest(replay, [NEWCOMER])
    for seen in (witness, control):
        eventually(lambda seen=seen: seen.has(newest), what=str(newest))  # type: ignore[misc]  # mypy cannot tell its type
        assert_whole(seen)
        assert seen.tapes[0, NEWCOMER][0].first == 1  # type: ignore[union-attr]  # a gap has none
    assert_undisturbed(control)


def test_of_two_publishers_of_one_id_the_later_one_wins(stage: Stage) -> None:
    live, replay = stage.free_port(), stage.free_port()
    _gateway, witness, control = stage.play(**both(stage, live, replay))
    stage.start_device(SPOKE_PUB_BIND=endpoint(live), SPOKE_REPLAY_BIND=endpoint(replay))
    newest = stage.newest(replay)
    assert set(newest) == set(stage.bikes)
    for seen in (witness, control):
        eventually(lambda seen=seen: seen.has(newest), what=str(newest))  # type: ignore[misc]  # mypy cannot tell its type
        verdicts = assert_whole(seen, ["epoch"])
        assert all(verdict.reasons.count("epoch") == 1 for verdict in verdicts)


@pytest.fixture
def publishers(stage: Stage) -> Iterator[list["zmq.Socket[bytes]"]]:
    """Two PUB sockets to which the gateway is to connect."""
    with open_context() as context:
        sockets = [context.socket(zmq.PUB) for _ in range(2)]
        with closing(sockets[0]), closing(sockets[1]):
            for publisher, port in zip(sockets, (stage.pair.live, stage.pair.replay), strict=True):
                publisher.linger = 0
                publisher.bind(endpoint(port))
            yield sockets


def test_two_publishers_of_one_epoch_are_one_stream(
    stage: Stage, publishers: list["zmq.Socket[bytes]"]
) -> None:
    gateway = stage.start_gateway(
        SPOKE_DEVICE_CONNECT=f"{endpoint(stage.pair.live)},{endpoint(stage.pair.replay)}",
        SPOKE_REPLAY_CONNECT=endpoint(stage.free_port()),
    )
    witness = stage.watch(devices=["twin"], since={"twin": f"{EPOCH}-1"})

    def is_heard() -> bool:
        publish(publishers, 1)
        return stage.pair.get("/api/v1/devices/twin").status == 200

    eventually(is_heard, what="a publisher")
    for seq in range(2, NUMBERS + 1):
        publish(publishers, seq)
    eventually(lambda: witness.has({"twin": Cursor(EPOCH, NUMBERS)}), what="all numbers")
    assert_whole(witness)
    assert gateway.process.poll() is None


def publish(publishers: list["zmq.Socket[bytes]"], seq: int) -> None:
    """Publish a number twice, with a speed of its own each time."""
    for speed_kmh, publisher in enumerate(publishers, start=10):
        body = {"v": 1, "device_id": "twin", "epoch": EPOCH, "seq": seq, "ts_ms": 0}
        payload = json.dumps(body | {"speed_kmh": speed_kmh}).encode()
        publisher.send_multipart((reading_topic("twin"), payload))


def both(stage: Stage, live: int, replay: int) -> dict[str, str]:
    """Have the gateway connect to a second device, beside the one behind the relays."""
    return {
        "SPOKE_DEVICE_CONNECT": f"{endpoint(stage.live.port)},{endpoint(live)}",
        "SPOKE_REPLAY_CONNECT": f"{endpoint(stage.replay.port)},{endpoint(replay)}",
    }
