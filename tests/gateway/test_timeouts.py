"""When timeouts are judged: not while messages wait, but not too late either."""

from gateway.timeouts import JUDGE_LATEST_S, LATE_S, TURN_S
from tests.gateway.stage import Stage


def test_offline_after_three_seconds(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    for _ in range(29):
        stage.turn(0.1)
    assert stage.is_online
    for _ in range(8):
        stage.turn(0.1)
    assert not stage.is_online


def test_judging_waits_after_pause(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    stage.turn(15.0)
    assert stage.is_online
    stage.wire.say_status(1)
    stage.turn(LATE_S / 2)
    stage.turn(LATE_S)
    assert stage.is_online


def test_judging_under_flood(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    stage.wire.is_emptied = False
    turns = 0
    while stage.is_online:
        stage.turn(TURN_S)
        turns += 1
    assert 3.0 <= turns * TURN_S <= 3.0 + JUDGE_LATEST_S + 1.0


def test_judging_in_late_turns(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    for _ in range(20):
        stage.turn(LATE_S + 0.05)
    assert not stage.is_online
