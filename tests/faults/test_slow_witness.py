"""A client that takes less than is sent, and one that never stays."""

from tests.faults.lengths import lasting
from tests.faults.stage import Stage, assert_back, assert_undisturbed, assert_whole, footprint

SLOW_S = lasting(4.0, 15.0)
SLOW_BYTES_PER_S = 25_000
"""About a tenth of what 1,000 readings a second take."""
RING = 200
MOVES, STAYS_S = 6, lasting(0.0, 2.0)


def test_a_slow_client_is_told_what_it_missed_and_recovers(stage: Stage) -> None:
    gateway, witness, control = stage.play({"since": {}}, SPOKE_HISTORY_READINGS=str(RING))
    before = footprint(gateway.pid)
    stage.web.throttle(SLOW_BYTES_PER_S)
    stage.pass_time(SLOW_S)
    stage.web.mend()
    stage.settle(witness, control)
    verdicts = assert_whole(witness, ["overrun"])
    assert all(verdict.gaps for verdict in verdicts)
    assert not witness.counts["disconnect"]
    assert_undisturbed(control)
    assert_back(gateway.pid, before)


def test_a_slow_client_within_the_ring_misses_nothing(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    stage.web.throttle(SLOW_BYTES_PER_S)
    stage.pass_time(SLOW_S)
    stage.web.mend()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_undisturbed(control)
    assert_back(gateway.pid, before)


def test_a_client_that_moves_between_gateways_misses_nothing(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    other = stage.free_port()
    stage.start_gateway(SPOKE_GATEWAY_PORT=str(other))
    before = footprint(gateway.pid)
    for port in [other, stage.pair.web] * (MOVES // 2):
        with witness.expecting("subscribed"):
            stage.web.retarget(port)
        stage.settle(witness)
        stage.pass_time(STAYS_S)
    stage.settle(control)
    assert_whole(witness)
    assert_undisturbed(control)
    assert_back(gateway.pid, before)
