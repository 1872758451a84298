"""Where a client that comes with a cursor stands, and what it is told on the way to the head."""

import json

import pytest

from gateway.devices.devices import Device
from gateway.devices.ring import gap_entry, reading_entry
from gateway.domain import Gap, GapReason, Now
from gateway.fanout.backlog import UNKNOWN_CURSOR_S, Outbound, advance, is_ahead, resolve
from gateway.fanout.clients import At, Waiting
from gateway.packets import packet_of
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer
from tests.gateway.browsers import EPOCH, World


def at(seq: int) -> Cursor:
    return Cursor(EPOCH, seq)


@pytest.fixture
def world() -> World:
    return World(readings=10)


def device_of(world: World, device_id: str = "a") -> Device:
    device = world.devices.get(device_id)
    assert device is not None
    return device


def told(out: Outbound) -> list[str]:
    events = [json.loads(packet_of(frame)[2:]) for frame in out.frames]
    return [
        f"gap {body['after']} {body['before']} {body['reason']}"
        if name == "gap"
        else f"{body['epoch']}-{body['seq']}"
        for name, body in events
    ]


def settle(
    world: World, since: Cursor, *, asked_s: float = 100.0, was_evicted: bool = False
) -> tuple[object, str | None]:
    """Resolve a cursor; returns the position and the gap in words."""
    waiting = Waiting(since, asked_s)
    position, gap = resolve(waiting, device_of(world), world.now, was_evicted=was_evicted)
    return position, None if gap is None else f"{gap.after} {gap.before} {gap.reason}"


# --- resolve ----------------------------------------------------------------------------------


def test_a_position_in_the_ring_is_taken_at_once(world: World) -> None:
    world.publish("a", 5)
    assert settle(world, at(3)) == (At(3, at(3)), None)
    assert settle(world, at(5)) == (At(5, at(5)), None)


def test_a_position_before_the_ring_is_resolved_by_a_gap(world: World) -> None:
    world.publish("a", 30)
    expected = f"{EPOCH}-3 {EPOCH}-21 "
    assert settle(world, at(3)) == (At(20, at(20)), expected + "expired")
    assert settle(world, at(3), was_evicted=True) == (At(20, at(20)), expected + "evicted")


def test_0_0_is_no_gap_where_the_epoch_begins(world: World) -> None:
    world.publish("a", 5)
    world.wait(2.1)
    assert settle(world, START) == (At(0, at(0)), None)
    world.publish("a", 25)
    assert settle(world, START)[1] == f"0-0 {EPOCH}-21 expired"


def test_before_the_ring_one_waits_as_long_as_history_may_come(world: World) -> None:
    world.seqs["a"] = 600
    world.publish("a")
    feed = device_of(world).feed
    assert settle(world, at(595)) == (Waiting(at(595), 100.0), None)
    world.wait(2.0)
    assert settle(world, at(595))[1] == f"{EPOCH}-595 {EPOCH}-601 expired"
    assert not feed.is_backfilling(world.now)


def test_a_ring_that_is_full_is_not_waited_for(world: World) -> None:
    world.seqs["a"] = 600
    world.publish("a", 10)
    assert settle(world, at(595))[1] == f"{EPOCH}-595 {EPOCH}-601 expired"


def test_of_a_device_without_first_contact_nothing_is_known(world: World) -> None:
    world.publish("a", epoch=(1 << 53) - 1)
    assert device_of(world).feed.head is None
    assert settle(world, at(5)) == (Waiting(at(5), 100.0), None)


def test_a_position_ahead_waits_until_the_replay_denies_it(world: World) -> None:
    world.publish("a", 5)
    waiting = Waiting(at(9), world.time_s)
    assert is_ahead(waiting, device_of(world))
    assert settle(world, at(9)) == (waiting, None)
    world.wait(1.0)
    device_of(world).feed.replay_offered(world.now)
    world.devices.ask_newest("a", world.now)
    world.devices.answer("repair", ReplayAnswer("q", "a", at(1), at(5), (), 0, None), world.now)
    assert settle(world, at(9)) == (At(0, at(0)), f"{EPOCH}-9 {EPOCH}-1 unknown_cursor")


def test_an_answer_to_an_older_question_denies_no_position(world: World) -> None:
    world.publish("a", 5)
    device_of(world).feed.replay_offered(world.now)
    world.devices.ask_newest("a", world.now)
    world.time_s += 0.4
    waiting = Waiting(at(9), world.time_s)
    world.devices.answer("repair", ReplayAnswer("q", "a", at(1), at(5), (), 0, None), world.now)
    assert resolve(waiting, device_of(world), world.now, was_evicted=False) == (waiting, None)


def test_a_position_ahead_is_believed_when_the_replay_has_it(world: World) -> None:
    world.publish("a", 5)
    device_of(world).feed.newest, device_of(world).feed.newest_s = at(9), 200.0
    assert settle(world, at(9)) == (Waiting(at(9), 100.0), None)


def test_without_a_replay_a_position_ahead_is_believed_for_half_a_minute(world: World) -> None:
    world.publish("a", 5)
    device = device_of(world)
    waiting, late = Waiting(at(9), 0.0), Now(UNKNOWN_CURSOR_S, 0)
    assert resolve(waiting, device, Now(UNKNOWN_CURSOR_S - 0.1, 0), was_evicted=False)[1] is None
    gap = resolve(waiting, device, late, was_evicted=False)[1]
    assert gap is not None
    assert gap.reason == "unknown_cursor"


# --- advance ----------------------------------------------------------------------------------


def test_one_goes_on_as_far_as_there_is_room(world: World) -> None:
    world.publish("a", 5)
    out = Outbound(room_bytes=10_000, room_frames=2)
    position = advance(At(1, at(1)), device_of(world), out)
    assert (told(out), position) == ([f"{EPOCH}-2", f"{EPOCH}-3"], At(3, at(3)))
    tiny = Outbound(room_bytes=1)
    assert advance(position, device_of(world), tiny) == At(4, at(4))
    assert tiny.is_full


def test_at_the_head_there_is_nothing_to_send(world: World) -> None:
    world.publish("a", 2)
    out = Outbound(10_000)
    assert advance(At(2, at(2)), device_of(world), out) == At(2, at(2))
    assert out.frames == []


def test_who_falls_out_of_the_ring_goes_on_from_its_middle(world: World) -> None:
    world.publish("a", 30)
    out = Outbound(10_000)
    advance(At(2, at(2)), device_of(world), out)
    assert told(out) == [
        f"gap {EPOCH}-2 {EPOCH}-26 overrun",
        *(f"{EPOCH}-{seq}" for seq in range(26, 31)),
    ]


def test_who_stands_inside_a_gap_is_told_the_rest_of_it(world: World) -> None:
    world.publish("a")
    world.publish("a", skip=4)
    for _ in range(3):
        world.wait(3.0)
    out = Outbound(10_000)
    advance(At(1, at(3)), device_of(world), out)
    assert told(out) == [f"gap {EPOCH}-3 {EPOCH}-6 not_recovered", f"{EPOCH}-6"]


def test_who_stood_in_what_was_thrown_away_is_told_why(world: World) -> None:
    world.publish("a", 3)
    world.wait(20.0)
    world.seqs["a"] = 0
    world.publish("a", epoch=EPOCH - 1)
    out = Outbound(10_000)
    advance(At(2, at(2)), device_of(world), out)
    assert told(out) == [f"gap {EPOCH}-2 {EPOCH - 1}-1 epoch_back", f"{EPOCH - 1}-1"]


def test_history_in_front_of_a_ring_that_begins_with_a_gap_is_sent(world: World) -> None:
    world.seqs["a"] = 3
    world.say_status("a")
    ring = device_of(world).ring
    ring.append(gap_entry(Gap("a", at(3), at(5), GapReason.NOT_RECOVERED), arrival=1))
    readings = (Reading("a", EPOCH, seq, 1, 20.0) for seq in (2, 3))
    ring.prepend([reading_entry(reading, 0) for reading in readings], at(1))
    out = Outbound(10_000)
    advance(At(ring.index_after(at(1)), at(1)), device_of(world), out)
    assert told(out) == [f"{EPOCH}-2", f"{EPOCH}-3", f"gap {EPOCH}-3 {EPOCH}-5 not_recovered"]
