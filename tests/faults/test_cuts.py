"""Lines that are cut, swallow everything, or end in the middle of a frame."""

import random
from collections.abc import Callable, Sequence

from tests.faults.lengths import lasting
from tests.faults.relay import Limits, Relay
from tests.faults.stage import (
    Stage,
    assert_back,
    assert_undisturbed,
    assert_whole,
    footprint,
)
from tests.faults.witnesses import Json
from tests.timing import eventually

CUT_S = lasting(2.0, 10.0)
TRICKLE_BYTES_PER_S = 50_000
"""About a fifth of what 1,000 readings a second take."""
RING = 200
"""Readings held of each bike: one second."""
FROM_NOW_ON: dict[str, Json] = {"since": {}}
HASTY = {
    "transports": ["websocket"],
    "reconnectionDelay": 1,
    "reconnectionDelayMax": 10,
    "timeout": 250,
}
"""Cut between the WebSocket's handshake and the first packet, a stock client waits that long."""
SEED = random.Random(1)
BROWSER_BYTES = 2_400
"""From the handshake over the answer into the backlog."""
DEVICE_BYTES = 700
"""From the greeting of ZeroMQ over the subscriptions into the second reading."""
AT_ONCE, DEVICE_AT_ONCE = 120, 25
"""Cuts in a row; while they last next to nothing gets through, and that must stay in the ring."""
CUTS_WAIT_S = 20.0


def cut_at_each(
    relay: Relay, places: Sequence[Limits], at_once: int, settle: Callable[[], None]
) -> None:
    """End connections after so many bytes up or down, some of them at once."""
    for begin in range(0, len(places), at_once):
        cut_at(relay, places[begin : begin + at_once])
        settle()


def cut_at(relay: Relay, places: Sequence[Limits]) -> None:
    """End one connection after the other after so many bytes."""
    wanted = relay.cuts + len(places)
    relay.end_each_after(places)
    relay.drop()
    eventually(lambda: relay.cuts == wanted, what="all cuts", timeout_s=CUTS_WAIT_S)


def test_both_legs_cut_cost_no_reading(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    relays = (stage.live, stage.replay, stage.web)
    with witness.expecting("disconnect"):
        for relay in relays:
            relay.cut()
    stage.pass_time(CUT_S)
    with witness.expecting("subscribed"):
        for relay in relays:
            relay.mend()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert not control.counts["disconnect"]
    assert_back(gateway.pid, before)


def test_a_clients_line_cut_is_not_noticed_by_others(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    with witness.expecting("disconnect"):
        stage.web.cut()
    stage.pass_time(CUT_S)
    with witness.expecting("subscribed"):
        stage.web.mend()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_undisturbed(control)
    assert_back(gateway.pid, before)


def test_a_line_cut_for_longer_than_the_ring_is_announced(stage: Stage) -> None:
    _gateway, witness, control = stage.play(FROM_NOW_ON, SPOKE_HISTORY_READINGS=str(RING))
    for relay in (stage.live, stage.replay):
        relay.cut()
    stage.pass_time(CUT_S)
    for relay in (stage.live, stage.replay):
        relay.mend()
    stage.settle(witness, control)
    for seen in (witness, control):
        assert_whole(seen, ["overrun"])
        assert all(verdict.gaps for verdict in seen.verdicts()), seen.tapes


def test_a_client_away_for_longer_than_the_ring_is_told_one_gap_a_bike(stage: Stage) -> None:
    _gateway, witness, control = stage.play(FROM_NOW_ON, SPOKE_HISTORY_READINGS=str(RING))
    with witness.expecting("disconnect"):
        stage.web.cut()
    stage.pass_time(CUT_S)
    with witness.expecting("subscribed"):
        stage.web.mend()
    stage.settle(witness, control)
    assert_whole(witness, ["expired"])
    for bike in stage.bikes:
        assert witness.verdict(bike).reasons == ["expired"]
    assert_undisturbed(control)


def test_black_holes_on_both_legs_cost_no_reading(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    relays = (stage.live, stage.replay, stage.web)
    for relay in relays:
        relay.swallow()
    stage.pass_time(CUT_S)
    for relay in relays:
        relay.mend()
    stage.settle(witness, control)
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)


def test_both_legs_throttled_cost_no_reading(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    relays = (stage.live, stage.replay, stage.web)
    for relay in relays:
        relay.throttle(TRICKLE_BYTES_PER_S)
    stage.pass_time(CUT_S)
    for relay in relays:
        relay.mend()
    stage.settle(witness, control)
    for seen in (witness, control):
        assert_whole(seen)
        assert not seen.counts["disconnect"]
    assert_back(gateway.pid, before)


def test_a_clients_line_cut_at_any_byte_costs_no_reading(stage: Stage) -> None:
    stage.start_device()
    gateway = stage.start_gateway()
    witness, control = stage.watch(options=HASTY), stage.control()
    stage.warm_up(witness, control)
    before = footprint(gateway.pid)
    places = SEED.sample(range(1, BROWSER_BYTES), lasting(120, BROWSER_BYTES - 1))
    downs = [(None, place) for place in places]
    cut_at_each(stage.web, downs, AT_ONCE, lambda: stage.settle(witness, control))
    assert_whole(witness)
    assert_undisturbed(control)
    assert_back(gateway.pid, before)


def test_a_clients_question_cut_at_any_byte_costs_no_reading(stage: Stage) -> None:
    stage.start_device()
    gateway = stage.start_gateway()
    witness, control = stage.watch(options=HASTY), stage.control()
    stage.warm_up(witness, control)
    before = footprint(gateway.pid)
    with witness.expecting("subscribed"):
        stage.web.drop()
    places = range(1, stage.web.passed_up(), lasting(4, 1))
    ups = [(place, None) for place in places]
    cut_at_each(stage.web, ups, AT_ONCE, lambda: stage.settle(witness, control))
    assert_whole(witness)
    assert_undisturbed(control)
    assert_back(gateway.pid, before)


def test_the_devices_line_cut_at_any_byte_costs_no_reading(stage: Stage) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    places = SEED.sample(range(1, DEVICE_BYTES), lasting(25, DEVICE_BYTES - 1))
    downs = [(None, place) for place in places]
    cut_at_each(stage.live, downs, DEVICE_AT_ONCE, lambda: stage.settle(witness, control))
    assert_whole(witness)
    assert_whole(control)
    assert_back(gateway.pid, before)
