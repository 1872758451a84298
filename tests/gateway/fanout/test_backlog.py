"""Cursors are resolved to positions in a ring, and entries sent from there."""

import json

import pytest

from gateway.devices.devices import Device
from gateway.devices.ring import gap_entry, reading_entry
from gateway.domain import Gap, GapReason, Now
from gateway.fanout.backlog import UNKNOWN_CURSOR_S, Outbound, advance, is_ahead, resolve
from gateway.fanout.clients import RingPosition, UnresolvedCursor
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
    """Resolve a cursor; returns the position and the gap as text."""
    waiting = UnresolvedCursor(since, asked_s)
    position, gap = resolve(waiting, device_of(world), world.now, was_evicted=was_evicted)
    return position, None if gap is None else f"{gap.after} {gap.before} {gap.reason}"


# --- resolve ----------------------------------------------------------------------------------


def test_cursor_in_the_ring(world: World) -> None:
    world.publish("a", 5)
    assert settle(world, at(3)) == (RingPosition(3, at(3)), None)
    assert settle(world, at(5)) == (RingPosition(5, at(5)), None)


def test_cursor_before_the_ring(world: World) -> None:
    world.publish("a", 30)
    expected = f"{EPOCH}-3 {EPOCH}-21 "
    assert settle(world, at(3)) == (RingPosition(20, at(20)), expected + "expired")
    assert settle(world, at(3), was_evicted=True) == (
        RingPosition(20, at(20)),
        expected + "evicted",
    )


def test_no_gap_from_0_0_to_epoch_start(world: World) -> None:
    world.publish("a", 5)
    world.wait(2.1)
    assert settle(world, START) == (RingPosition(0, at(0)), None)
    world.publish("a", 25)
    assert settle(world, START)[1] == f"0-0 {EPOCH}-21 expired"


def test_cursor_waits_for_history(world: World) -> None:
    world.seqs["a"] = 600
    world.publish("a")
    feed = device_of(world).feed
    assert settle(world, at(595)) == (UnresolvedCursor(at(595), 100.0), None)
    world.wait(2.0)
    assert settle(world, at(595))[1] == f"{EPOCH}-595 {EPOCH}-601 expired"
    assert not feed.is_backfilling(world.now)


def test_no_wait_for_history_of_full_ring(world: World) -> None:
    world.seqs["a"] = 600
    world.publish("a", 10)
    assert settle(world, at(595))[1] == f"{EPOCH}-595 {EPOCH}-601 expired"


def test_cursor_without_first_contact(world: World) -> None:
    world.publish("a", epoch=(1 << 53) - 1)
    assert device_of(world).feed.head is None
    assert settle(world, at(5)) == (UnresolvedCursor(at(5), 100.0), None)


def test_cursor_ahead_denied_by_replay(world: World) -> None:
    world.publish("a", 5)
    waiting = UnresolvedCursor(at(9), world.time_s)
    assert is_ahead(waiting, device_of(world))
    assert settle(world, at(9)) == (waiting, None)
    world.wait(1.0)
    device_of(world).feed.replay_offered(world.now)
    world.devices.ask_newest("a", world.now)
    world.devices.answer("repair", ReplayAnswer("q", "a", at(1), at(5), (), 0, None), world.now)
    assert settle(world, at(9)) == (RingPosition(0, at(0)), f"{EPOCH}-9 {EPOCH}-1 unknown_cursor")


def test_older_answer_denies_no_cursor(world: World) -> None:
    world.publish("a", 5)
    device_of(world).feed.replay_offered(world.now)
    world.devices.ask_newest("a", world.now)
    world.time_s += 0.4
    waiting = UnresolvedCursor(at(9), world.time_s)
    world.devices.answer("repair", ReplayAnswer("q", "a", at(1), at(5), (), 0, None), world.now)
    assert resolve(waiting, device_of(world), world.now, was_evicted=False) == (waiting, None)


def test_cursor_ahead_confirmed_by_replay(world: World) -> None:
    world.publish("a", 5)
    device_of(world).feed.newest, device_of(world).feed.newest_s = at(9), 200.0
    assert settle(world, at(9)) == (UnresolvedCursor(at(9), 100.0), None)


def test_cursor_ahead_without_replay(world: World) -> None:
    world.publish("a", 5)
    device = device_of(world)
    waiting, late = UnresolvedCursor(at(9), 0.0), Now(UNKNOWN_CURSOR_S, 0)
    assert resolve(waiting, device, Now(UNKNOWN_CURSOR_S - 0.1, 0), was_evicted=False)[1] is None
    gap = resolve(waiting, device, late, was_evicted=False)[1]
    assert gap is not None
    assert gap.reason == "unknown_cursor"


# --- advance ----------------------------------------------------------------------------------


def test_advance_stops_without_room(world: World) -> None:
    world.publish("a", 5)
    out = Outbound(room_bytes=10_000, room_frames=2)
    position = advance(RingPosition(1, at(1)), device_of(world), out)
    assert (told(out), position) == ([f"{EPOCH}-2", f"{EPOCH}-3"], RingPosition(3, at(3)))
    tiny = Outbound(room_bytes=1)
    assert advance(position, device_of(world), tiny) == RingPosition(4, at(4))
    assert tiny.is_full


def test_advance_at_the_head(world: World) -> None:
    world.publish("a", 2)
    out = Outbound(10_000)
    assert advance(RingPosition(2, at(2)), device_of(world), out) == RingPosition(2, at(2))
    assert out.frames == []


def test_overrun_resumes_in_the_middle(world: World) -> None:
    world.publish("a", 30)
    out = Outbound(10_000)
    advance(RingPosition(2, at(2)), device_of(world), out)
    assert told(out) == [
        f"gap {EPOCH}-2 {EPOCH}-26 overrun",
        *(f"{EPOCH}-{seq}" for seq in range(26, 31)),
    ]


def test_position_inside_a_gap(world: World) -> None:
    world.publish("a")
    world.publish("a", skip=4)
    for _ in range(3):
        world.wait(3.0)
    out = Outbound(10_000)
    advance(RingPosition(1, at(3)), device_of(world), out)
    assert told(out) == [f"gap {EPOCH}-3 {EPOCH}-6 not_recovered", f"{EPOCH}-6"]


def test_gap_after_emptied_ring(world: World) -> None:
    world.publish("a", 3)
    world.wait(20.0)
    world.seqs["a"] = 0
    world.publish("a", epoch=EPOCH - 1)
    out = Outbound(10_000)
    advance(RingPosition(2, at(2)), device_of(world), out)
    assert told(out) == [f"gap {EPOCH}-2 {EPOCH - 1}-1 epoch_back", f"{EPOCH - 1}-1"]


def test_history_before_a_leading_gap(world: World) -> None:
    world.seqs["a"] = 3
    world.say_status("a")
    ring = device_of(world).ring
    ring.append(gap_entry(Gap("a", at(3), at(5), GapReason.NOT_RECOVERED), arrival=1))
    readings = (Reading("a", EPOCH, seq, 1, 20.0) for seq in (2, 3))
    ring.prepend([reading_entry(reading, 0) for reading in readings], at(1))
    out = Outbound(10_000)
    advance(RingPosition(ring.index_after(at(1)), at(1)), device_of(world), out)
    assert told(out) == [f"{EPOCH}-2", f"{EPOCH}-3", f"gap {EPOCH}-3 {EPOCH}-5 not_recovered"]
