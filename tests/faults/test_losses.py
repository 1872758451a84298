"""A link from the device that loses a tenth of everything, repeats a tenth and swaps a tenth."""

from contextlib import closing

import pytest

from tests.faults.lengths import lasting
from tests.faults.lossy import Harm, LossyLink
from tests.faults.stage import (
    Stage,
    assert_back,
    assert_whole,
    endpoint,
    footprint,
)
from tests.faults.witnesses import Witnesses
from tests.timing import eventually, scaled_s

HARM = Harm(lost=0.1, repeated=0.1, swapped=0.1)
LASTS_S = lasting(3.0, 30.0)
WINDOW_S = 2.0
DELAY_P99_MAX_MS = 200


def lossy(stage: Stage, harm: Harm, seed: int) -> LossyLink:
    """Put a lossy link between the device and the relay of the gateway."""
    link = LossyLink(stage.free_port(), stage.pair.live, harm, seed)
    stage.live.retarget(link.port)
    return stage.stack.enter_context(closing(link))


def test_what_was_lost_repeated_and_swapped_comes_once_and_in_order(stage: Stage) -> None:
    link = lossy(stage, HARM, seed=1)
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    stage.pass_time(LASTS_S)
    stage.settle(witness, control)
    assert min(link.done.values()) > 100
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)


@pytest.mark.parametrize(
    ("bikes", "rate_hz", "loss"),
    [(5, 200, 0.1), (40, 4, 0.4)],
    ids=["fast bikes", "slow bikes"],
)
def test_loss_without_replay_is_announced_and_holds_nothing_up(
    stage: Stage, bikes: int, rate_hz: int, loss: float
) -> None:
    stage.bikes = tuple(f"ebike-{n:03}" for n in range(1, bikes + 1))
    lossy(stage, Harm(lost=loss), seed=2)
    stage.start_device(SPOKE_RATE_HZ=str(rate_hz))
    nobody = endpoint(stage.free_port())
    gateway = stage.start_gateway(SPOKE_REPLAY_CONNECT=nobody)
    stage.wait_until_heard()
    witness = stage.watch(since={})
    eventually(lambda: is_told_of_all(witness, bikes), what="a gap of each bike")
    witness.close_window()
    before = footprint(gateway.pid)

    def is_prompt() -> bool:
        stage.pass_time(WINDOW_S)
        return witness.close_window().p99_ms <= scaled_s(DELAY_P99_MAX_MS)

    # what is held too long is held in every window; a machine that is busy is not busy in each
    eventually(is_prompt, what="99 of 100 in time")
    stage.settle(witness)
    assert_whole(witness, ["not_recovered"])
    assert_back(gateway.pid, before)


def is_told_of_all(witness: Witnesses, bikes: int) -> bool:
    """Tell whether something was lost of each bike, so that its replay is known to be absent."""
    witness.update()
    return sum(bool(verdict.gaps) for verdict in witness.verdicts()) == bikes
