"""Another device takes over the id of the simulator, and gives it back."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count, groupby

import zmq

from shared.contexts import open_context
from shared.wire import reading_topic, status_topic
from tests.system.pair import Json, Pair, Witness
from tests.timing import eventually, scaled_s

BIKE = "ebike-001"
BOARD_EPOCH = 7
"""A boot counter, which is smaller than the simulator's start time in ms."""
INTERVAL_S = 0.05
ADOPTED_WITHIN_S = 20.0


def test_board_with_boot_counter_takes_over_id_and_simulator_takes_it_back(
    pair: Pair, free_port: Callable[[], int]
) -> None:
    pair.settings = {"SPOKE_DEVICE_ID": BIKE}
    simulator = pair.start_device()
    pair.start_gateway()
    pair.wait_until_known(BIKE)
    page = pair.watch(emit=[["subscribe", {"devices": "*"}]])
    page.wait_for("speed_change", count=3)
    assert simulator.stop() == 0
    with board(pair.live):
        eventually(
            lambda: epochs(page)[-1:] == [BOARD_EPOCH],
            what="readings of the board",
            timeout_s=ADOPTED_WITHIN_S,
        )
        page.wait_for("speed_change", count=len(page.bodies("speed_change")) + 3)
    pair.start_device()
    eventually(lambda: len(epochs(page)) == 3, what="the simulator again", timeout_s=10)

    first, board_epoch, last = epochs(page)
    assert board_epoch == BOARD_EPOCH < first < last
    assert not page.bodies("error")
    assert [(gap["reason"], gap["before"].split("-")[0]) for gap in page.bodies("gap")] == [
        ("epoch_back", str(BOARD_EPOCH)),
        ("epoch", str(last)),
    ]
    assert refusals(page) == [None, "old_epoch", None]
    assert_each_once(page)


@contextmanager
def board(port: int) -> Iterator[None]:
    """Publish as a board does: a boot counter as epoch, no clock, no replay."""
    ended = threading.Event()
    thread = threading.Thread(target=publish, args=(port, ended), name="board")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(scaled_s(5))
    assert not thread.is_alive()


def publish(port: int, ended: threading.Event) -> None:
    with open_context() as context, closing(context.socket(zmq.PUB)) as pub:
        pub.linger = 0
        pub.bind(f"tcp://127.0.0.1:{port}")
        for seq in count(1):
            common = {"v": 1, "device_id": BIKE, "epoch": BOARD_EPOCH, "ts_ms": 0}
            reading = common | {"seq": seq, "speed_kmh": 18.5}
            pub.send_multipart([reading_topic(BIKE), json.dumps(reading).encode()])
            if seq % 20 == 1:
                status = common | {"last_seq": seq, "state": "online", "interval_ms": 50}
                pub.send_multipart([status_topic(BIKE), json.dumps(status).encode()])
            if ended.wait(INTERVAL_S):
                return


def epochs(page: Witness) -> list[int]:
    """Return the epochs of the readings in the order in which the page saw them."""
    return [epoch for epoch, _ in groupby(one["epoch"] for one in page.bodies("speed_change"))]


def refusals(page: Witness) -> list[Json]:
    """Return the changes of ``refused``."""
    return [
        reason for reason, _ in groupby(one.get("refused") for one in page.bodies("device_status"))
    ]


def assert_each_once(page: Witness) -> None:
    """Assert that within each epoch the numbers go up by one."""
    for _, run in groupby(page.bodies("speed_change"), lambda one: one["epoch"]):
        seqs = [one["seq"] for one in run]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
