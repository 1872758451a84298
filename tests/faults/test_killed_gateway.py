"""The gateway dies without a word, once and again."""

import signal

from tests.faults.lengths import lasting
from tests.faults.stage import Stage, assert_back, assert_whole, footprint
from tests.faults.witnesses import Witnesses
from tests.processes import RunningProcess

CROWD = lasting(100, 300)
KILLS = lasting(3, 10)
SLOW_BIKE = {"SPOKE_FLEET_SIZE": "1", "SPOKE_RATE_HZ": "10"}
"""So that 300 witnesses are 3,000 deliveries a second."""


def restart(stage: Stage, gateway: RunningProcess, witnesses: Witnesses) -> RunningProcess:
    """Kill the gateway and start another; returns when everybody has subscribed to it."""
    with witnesses.expecting("disconnect"):
        gateway.stop(signal.SIGKILL)
    with witnesses.expecting("subscribed"):
        return stage.start_gateway()


def test_a_killed_gateway_costs_no_reading(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    for _ in range(2):
        gateway = restart(stage, gateway, witness)
        stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)


def test_a_client_that_only_polls_survives_a_killed_gateway(stage: Stage) -> None:
    stage.start_device()
    gateway = stage.start_gateway()
    poller = stage.watch(options={"transports": ["polling"]})
    stage.settle(poller)
    gateway = restart(stage, gateway, poller)
    stage.settle(poller)
    assert_whole(poller)


def test_crowd_survives_a_gateway_killed_again_and_again(stage: Stage) -> None:
    stage.bikes = stage.bikes[:1]
    stage.start_device(**SLOW_BIKE)
    gateway = stage.start_gateway()
    crowd, control = stage.control(clients=CROWD, flushMs=250), stage.control()
    stage.settle(crowd, control)
    before = footprint(gateway.pid)
    for _ in range(KILLS):
        gateway = restart(stage, gateway, crowd)
        stage.settle(crowd, control)
    assert len(assert_whole(crowd)) == CROWD
    assert_whole(control)
    assert_back(gateway.pid, before)
