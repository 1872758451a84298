"""A process that stands still for a while, and goes on."""

import signal

from tests.faults.lengths import lasting
from tests.faults.stage import Stage, assert_back, assert_undisturbed, assert_whole, footprint

STOPPED_S = lasting(3.5, 15.0)
"""Longer than it takes to be called offline."""


def test_a_gateway_that_stood_still_loses_no_reading(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    gateway.process.send_signal(signal.SIGSTOP)
    stage.pass_time(STOPPED_S)
    gateway.process.send_signal(signal.SIGCONT)
    stage.settle(witness, control)
    for seen in (witness, control):
        assert_whole(seen)
        assert not seen.counts["disconnect"]
    assert_back(gateway.pid, before)


def test_a_device_that_stood_still_loses_no_reading(stage: Stage) -> None:
    device = stage.start_device()
    gateway = stage.start_gateway()
    witness, control = stage.watch(), stage.control()
    stage.warm_up(witness, control)
    before = footprint(gateway.pid)
    device.process.send_signal(signal.SIGSTOP)
    stage.pass_time(STOPPED_S)
    device.process.send_signal(signal.SIGCONT)
    stage.settle(witness, control)
    for seen in (witness, control):
        assert_whole(seen)
        assert not seen.counts["disconnect"]
    assert_back(gateway.pid, before)


def test_a_witness_that_stood_still_catches_up_unnoticed(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    witness.process.process.send_signal(signal.SIGSTOP)
    stage.pass_time(STOPPED_S)
    witness.process.process.send_signal(signal.SIGCONT)
    stage.settle(witness, control)
    assert_whole(witness)
    assert_undisturbed(control)
    assert_back(gateway.pid, before)
