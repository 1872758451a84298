"""What the original demo did: connect, listen for ``speed_change``, disconnect."""

import signal

import pytest

from tests.processes import assert_nothing_left
from tests.system.pair import Pair, numbers


def test_a_stock_client_connects_listens_and_disconnects(pair: Pair) -> None:
    pair.start_device()
    pair.start_gateway(SPOKE_AUTO_SUBSCRIBE="yes")
    witness = pair.watch(until={"event": "speed_change", "count": 3})
    assert witness.process.wait() == 0
    assert next(name for name, _body in witness.events) == "connect"
    assert len(numbers(witness)) == 3
    speeds = [reading["speed_kmh"] for reading in witness.bodies("speed_change")]
    assert all(0 <= speed <= 200 for speed in speeds)


def test_without_the_setting_a_client_that_only_listens_gets_nothing(pair: Pair) -> None:
    pair.start_device()
    pair.start_gateway()
    pair.wait_until_known("ebike-001")
    listener = pair.watch()
    listener.wait_for("connect")
    asker = pair.watch(emit=[["subscribe", {"devices": "*"}]])
    asker.wait_for("speed_change", count=5)
    assert [name for name, _body in listener.events] == ["connect"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_transports_and_ends_both_with_0(pair: Pair, signum: int) -> None:
    device = pair.start_device()
    gateway = pair.start_gateway()
    witness = pair.watch(emit=[["subscribe", {"devices": "*"}]])
    witness.wait_for("speed_change", count=3)
    assert gateway.stop(signum, timeout_s=5) == 0
    # a DISCONNECT would make a stock client stay away: "io server disconnect"
    assert witness.wait_for("disconnect")["reason"] in ("transport close", "transport error")
    assert device.stop(signum, timeout_s=5) == 0
    assert_nothing_left(gateway)
    assert_nothing_left(device)


def test_a_client_resumes_by_cursor_over_a_killed_gateway(pair: Pair) -> None:
    pair.start_device(SPOKE_RATE_HZ="50")
    gateway = pair.start_gateway()
    since = {"ebike-001": "0-0"}
    witness = pair.watch(emit=[["subscribe", {"devices": ["ebike-001"], "since": since}]])
    witness.wait_for("speed_change", count=30)
    gateway.stop(signal.SIGKILL)
    witness.wait_for("disconnect")
    seen = numbers(witness)
    assert seen == list(range(1, len(seen) + 1))
    pair.start_gateway()
    # this plain client asks for everything again, and everything is there: from the device
    witness.wait_for("ack", count=2)
    witness.wait_for("speed_change", count=3 * len(seen))
    again = numbers(witness)[len(seen) :]
    assert again == list(range(1, len(again) + 1))
    assert witness.bodies("gap") == []
