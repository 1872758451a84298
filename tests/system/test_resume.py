"""Resuming at a gateway that was started anew: nobody waits for more than he needs."""

import signal
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.faults.replays import ReplayProxy
from tests.system.pair import Pair, numbers
from tests.timing import eventually

PUBLISHED = 6_000
PAGES = PUBLISHED // 250
ANSWER_S = 0.2
DEVICE = "/api/v1/devices/ebike-001"


def test_a_client_a_little_behind_does_not_wait_for_the_whole_history(
    pair: Pair, free_port: Callable[[], int]
) -> None:
    pair.start_device(SPOKE_RATE_HZ="1000")
    with closing(ReplayProxy(free_port(), pair.replay)) as proxy:
        behind: dict[str, Any] = {
            "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{proxy.port}",
            "SPOKE_HISTORY_READINGS": str(2 * PUBLISHED),
        }
        first = pair.start_gateway(**behind)
        pair.wait_until_known("ebike-001")

        def cursor() -> str:
            told: str = pair.get(DEVICE).json["cursor"]
            return told

        eventually(lambda: int(cursor().split("-")[1]) >= PUBLISHED, what="a long history")
        since = cursor()
        first.stop(signal.SIGKILL)
        proxy.delay_s = ANSWER_S
        before = proxy.answers
        pair.start_gateway(**behind)
        pair.wait_until_known("ebike-001")
        subscribe = {"devices": ["ebike-001"], "since": {"ebike-001": since}}
        witness = pair.watch(emit=[["subscribe", subscribe]])
        witness.wait_for("speed_change")
        assert proxy.answers - before < PAGES - 2
        witness.wait_for("speed_change", count=2_000)
        seen = numbers(witness)
    begin = int(since.split("-")[1]) + 1
    assert witness.bodies("gap") == []
    assert seen == list(range(begin, begin + len(seen)))
