"""A replay that is away, slow or wrong just when it is needed."""

from contextlib import closing

from tests.faults.replays import LIES, Liar, ReplayProxy, faster
from tests.faults.stage import Stage, assert_back, assert_whole, endpoint, footprint

HOLE_S = 1.0
AWAY_S = 1.5
REPAIR_MS = 1_000
SLOW_S = 1.2
"""More than twice the time after which a question is repeated."""
HOLES = 4
PATIENCE_MS = 20_000
"""Of ten questions, half a second apart, all are lied at once in 1,000 times; of forty never."""


def proxied(stage: Stage) -> ReplayProxy:
    """Put a proxy between the relay of the gateway and the device's replay."""
    proxy = ReplayProxy(stage.free_port(), stage.pair.replay)
    stage.replay.retarget(proxy.port)
    return stage.stack.enter_context(closing(proxy))


def tear(stage: Stage) -> None:
    """Lose what the device publishes for a while."""
    stage.live.cut()
    stage.pass_time(HOLE_S)
    stage.live.mend()


def test_a_replay_that_comes_back_in_time_fills_the_hole(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    stage.replay.cut()
    tear(stage)
    stage.pass_time(AWAY_S)
    stage.replay.mend()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)


def test_a_replay_that_stays_away_is_one_announced_gap_a_bike(stage: Stage) -> None:
    _gateway, witness, control = stage.play(SPOKE_REPAIR_MS=str(REPAIR_MS))
    stage.replay.cut()
    tear(stage)
    stage.settle(witness, control)
    for seen in (witness, control):
        assert_whole(seen, ["not_recovered"])
        assert all(verdict.gaps for verdict in seen.verdicts())


def test_a_slow_replay_fills_the_hole(stage: Stage) -> None:
    proxy = proxied(stage)
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    proxy.delay_s = SLOW_S
    tear(stage)
    stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)


def test_a_replay_that_lies_half_of_the_time_repeats_and_reorders_nothing(stage: Stage) -> None:
    proxy = proxied(stage)
    gateway, witness, control = stage.play(SPOKE_REPAIR_MS=str(PATIENCE_MS))
    before = footprint(gateway.pid)
    proxy.change = liar = Liar(seed=3)
    for _ in range(HOLES):
        stage.live.drop()
        stage.settle(witness, control)
    assert len(liar.told) >= len(LIES) - 2, liar.told
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)


def test_a_replay_that_answers_more_than_it_was_asked_repeats_nothing(stage: Stage) -> None:
    proxy = proxied(stage)
    proxy.widens = True
    _gateway, witness, control = stage.play()
    tear(stage)
    stage.settle(witness, control)
    assert proxy.answers
    assert_whole(witness)
    assert_whole(control)


def test_of_two_replays_for_one_name_that_differ_each_number_is_taken_once(stage: Stage) -> None:
    other = stage.stack.enter_context(closing(ReplayProxy(stage.free_port(), stage.pair.replay)))
    other.change = faster
    both = f"{endpoint(stage.replay.port)},{endpoint(other.port)}"
    _gateway, witness, control = stage.play(SPOKE_REPLAY_CONNECT=both)
    tear(stage)
    stage.settle(witness, control)
    assert other.answers
    assert_whole(witness)
    assert_whole(control)
