"""Each client is sent the statuses that changed."""

import json
from typing import Any

import pytest

from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client
from gateway.fanout.statuses import LOG_MAX, StatusLog
from gateway.packets import packet_of
from shared.cursor import Cursor
from shared.reading import Status
from tests.gateway.browsers import EPOCH, FakeConnection, World


@pytest.fixture
def world() -> World:
    return World(devices_max=2)


@pytest.fixture
def log(world: World) -> StatusLog:
    return StatusLog(world.devices)


def client_of(*names: str) -> Client:
    return Client("c", FakeConnection(), names=dict.fromkeys(names))


def told(log: StatusLog, client: Client, room_frames: int = 100) -> list[tuple[str, int]]:
    """Send a client its statuses; returns ids and last numbers."""
    bodies = bodies_told(log, client, room_frames)
    return [(body["device_id"], body["last_seq"]) for body in bodies]


def bodies_told(log: StatusLog, client: Client, room_frames: int = 100) -> list[dict[str, Any]]:
    """Send a client its statuses; returns the payloads."""
    out = Outbound(100_000, room_frames)
    log.collect(client)
    log.send(client, out)
    return [json.loads(packet_of(frame)[2:])[1] for frame in out.frames]


def test_change_is_owed_to_watchers(world: World, log: StatusLog) -> None:
    world.publish("a", 2)
    client, other = client_of("a"), client_of("b")
    log.note("a")
    assert log.is_due(client)
    assert (told(log, client), told(log, other)) == ([("a", 2)], [])
    assert not log.is_due(client)


def test_many_changes_are_one_status(world: World, log: StatusLog) -> None:
    world.publish("a")
    client = client_of("a")
    for _ in range(3):
        log.note("a")
    world.publish("a")
    assert told(log, client) == [("a", 2)]


def test_statuses_without_room_stay_owed(world: World, log: StatusLog) -> None:
    client = client_of("b", "a")
    for name in ("a", "b"):
        log.note(name)
    assert told(log, client, room_frames=1) == [("a", 0)]
    assert told(log, client) == [("b", 0)]


def test_client_behind_the_log(world: World, log: StatusLog) -> None:
    world.publish("b")
    client = client_of("x")
    client.everything = True
    for _ in range(LOG_MAX + 1):
        log.note("a")
    assert told(log, client) == [("x", 0), ("b", 1)]


def test_same_status_shares_a_frame(world: World, log: StatusLog) -> None:
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


def test_interval_change_is_sent(world: World, log: StatusLog) -> None:
    client = client_of("a")
    world.publish("a")
    for interval_ms in (100, 10_000):
        world.devices.receive(Status("a", EPOCH, 1, 1, "online", interval_ms), world.now)
        log.note("a")
        assert bodies_told(log, client)[0]["interval_ms"] == interval_ms


def evict_and_overflow_log(world: World, log: StatusLog) -> None:
    """Evict device a, then note more changes than the log keeps."""
    world.publish("a", 3)
    world.publish("b")
    world.publish("c")
    for _ in range(LOG_MAX + 1):
        log.note("c")


def test_evicted_device_behind_the_log(world: World, log: StatusLog) -> None:
    evict_and_overflow_log(world, log)
    client = client_of()
    client.everything = True
    assert ("a", 3) in told(log, client)


def test_status_of_evicted_device(world: World, log: StatusLog) -> None:
    world.publish("a", 3)
    world.publish("b")
    world.publish("c")
    log.note("a")
    assert world.devices.evicted["a"][0] == Cursor(EPOCH, 3)
    assert told(log, client_of("a")) == [("a", 3)]


def test_eviction_before_subscribe_behind_the_log(world: World, log: StatusLog) -> None:
    evict_and_overflow_log(world, log)
    client = client_of()
    client.everything, client.everything_from = True, world.devices.arrival
    assert [name for name, _ in told(log, client)] == ["b", "c"]
