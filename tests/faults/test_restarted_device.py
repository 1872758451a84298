"""A device without a journal that dies: its numbers begin anew, and everybody is told."""

import signal
from pathlib import Path

from tests.faults.clocks import HOUR_S, SteppedClock
from tests.faults.stage import Stage, assert_back, assert_whole, footprint


def test_a_killed_device_without_journal_is_one_epoch_gap_a_bike(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    stage.device.stop(signal.SIGKILL)
    stage.start_device()
    stage.settle(witness, control)
    for seen in (witness, control):
        verdicts = assert_whole(seen, ["epoch"])
        assert [verdict.reasons for verdict in verdicts] == [["epoch"]] * len(stage.bikes)
    assert_back(gateway.pid, before)


def test_a_device_without_journal_whose_clock_went_back_an_hour_still_begins_a_greater_epoch(
    stage: Stage, tmp_path: Path
) -> None:
    stage.device_settings["SPOKE_LOG_DIR"] = str(tmp_path / "logs")
    clock = SteppedClock(tmp_path, -HOUR_S)
    _gateway, witness, control = stage.play()
    stage.device.stop(signal.SIGKILL)
    stage.start_device(**clock.environ)
    stage.settle(witness, control)
    for seen in (witness, control):
        verdicts = assert_whole(seen, ["epoch"])
        assert [verdict.reasons for verdict in verdicts] == [["epoch"]] * len(stage.bikes)


def test_a_device_that_forgot_its_epochs_too_is_believed_after_silence(
    stage: Stage, tmp_path: Path
) -> None:
    clock = SteppedClock(tmp_path, -HOUR_S)
    stage.device_settings["SPOKE_LOG_DIR"] = str(tmp_path / "logs")
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    stage.device.stop(signal.SIGKILL)
    stage.start_device(**clock.environ, SPOKE_LOG_DIR=str(tmp_path / "others"))
    stage.settle(witness, control)
    for seen in (witness, control):
        verdicts = assert_whole(seen, ["epoch_back"])
        assert [verdict.reasons for verdict in verdicts] == [["epoch_back"]] * len(stage.bikes)
    assert_back(gateway.pid, before)


def test_clocks_stepped_back_and_forward_an_hour_cost_nothing(stage: Stage, tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path)
    stage.start_device(**clock.environ)
    gateway = stage.start_gateway(**clock.environ)
    witness, control = stage.watch(), stage.control()
    stage.warm_up(witness, control)
    before = footprint(gateway.pid)
    for offset_s in (-HOUR_S, HOUR_S, 0):
        clock.step(offset_s)
        stage.settle(witness, control)
        stage.web.drop()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert not control.counts["disconnect"]
    assert_back(gateway.pid, before)
