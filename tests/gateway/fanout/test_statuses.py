"""Who is owed which device_status."""

import json
from typing import Any

import pytest

from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client
from gateway.fanout.statuses import LOG_MAX, StatusLog
from gateway.packets import packet_of
from shared.cursor import Cursor
from shared.reading import Status
from tests.gateway.browsers import EPOCH, Line, World


@pytest.fixture
def world() -> World:
    return World(devices_max=2)


@pytest.fixture
def log(world: World) -> StatusLog:
    return StatusLog(world.devices)


def client_of(*names: str) -> Client:
    return Client("c", Line(), names=dict.fromkeys(names))


def told(log: StatusLog, client: Client, room_frames: int = 100) -> list[tuple[str, int]]:
    """Tell a client what it is owed; returns ids and last numbers."""
    bodies = bodies_told(log, client, room_frames)
    return [(body["device_id"], body["last_seq"]) for body in bodies]


def bodies_told(log: StatusLog, client: Client, room_frames: int = 100) -> list[dict[str, Any]]:
    """Tell a client what it is owed; returns the payloads."""
    out = Outbound(100_000, room_frames)
    log.owe(client)
    log.tell(client, out)
    return [json.loads(packet_of(frame)[2:])[1] for frame in out.frames]


def test_a_change_is_owed_to_whom_it_concerns(world: World, log: StatusLog) -> None:
    world.publish("a", 2)
    client, other = client_of("a"), client_of("b")
    log.note("a")
    assert log.is_due(client)
    assert (told(log, client), told(log, other)) == ([("a", 2)], [])
    assert not log.is_due(client)


def test_many_changes_are_told_once_as_things_are_now(world: World, log: StatusLog) -> None:
    world.publish("a")
    client = client_of("a")
    for _ in range(3):
        log.note("a")
    world.publish("a")
    assert told(log, client) == [("a", 2)]


def test_what_finds_no_room_stays_owed_in_order(world: World, log: StatusLog) -> None:
    client = client_of("b", "a")
    for name in ("a", "b"):
        log.note(name)
    assert told(log, client, room_frames=1) == [("a", 0)]
    assert told(log, client) == [("b", 0)]


def test_who_lags_too_far_is_told_everything_anew(world: World, log: StatusLog) -> None:
    world.publish("b")
    client = client_of("x")
    client.everything = True
    for _ in range(LOG_MAX + 1):
        log.note("a")
    assert told(log, client) == [("x", 0), ("b", 1)]


def test_a_status_is_written_once_for_all_who_are_told_the_same(
    world: World, log: StatusLog
) -> None:
    world.publish("a")
    device = world.devices.get("a")
    assert device is not None
    log.note("a")
    told(log, client_of("a"))
    frame = device.status_frame
    log.note("a")
    told(log, client_of("a"))
    assert device.status_frame is frame
    world.publish("a")
    log.note("a")
    told(log, client_of("a"))
    assert device.status_frame is not frame


def test_an_interval_that_changes_is_told(world: World, log: StatusLog) -> None:
    client = client_of("a")
    world.publish("a")
    for interval_ms in (100, 10_000):
        world.devices.receive(Status("a", EPOCH, 1, 1, "online", interval_ms), world.now)
        log.note("a")
        assert bodies_told(log, client)[0]["interval_ms"] == interval_ms


def let_one_give_way_and_lag(world: World, log: StatusLog) -> None:
    """Have a give way to c, and more change than is remembered."""
    world.publish("a", 3)
    world.publish("b")
    world.publish("c")
    for _ in range(LOG_MAX + 1):
        log.note("c")


def test_who_lags_far_behind_is_told_of_a_device_that_gave_way_too(
    world: World, log: StatusLog
) -> None:
    let_one_give_way_and_lag(world, log)
    client = client_of()
    client.everything = True
    assert ("a", 3) in told(log, client)


def test_of_a_device_that_gave_way_the_last_position_is_told(world: World, log: StatusLog) -> None:
    world.publish("a", 3)
    world.publish("b")
    world.publish("c")
    log.note("a")
    assert world.devices.evicted["a"][0] == Cursor(EPOCH, 3)
    assert told(log, client_of("a")) == [("a", 3)]


def test_who_lags_far_behind_is_not_told_of_what_gave_way_before_it_came(
    world: World, log: StatusLog
) -> None:
    let_one_give_way_and_lag(world, log)
    client = client_of()
    client.everything, client.everything_from = True, world.devices.arrival
    assert [name for name, _ in told(log, client)] == ["b", "c"]
