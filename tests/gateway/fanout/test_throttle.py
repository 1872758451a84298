"""The newest reading of a device is sent at a limited rate."""

import json

import pytest

from gateway.devices.devices import Device
from gateway.fanout import throttle
from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client, Throttled
from gateway.fanout.throttle import SCAN_MAX_S, SCAN_MIN_S, SCAN_PER_DEVICE_S, ThrottleQueue
from gateway.feed.backfill import Stretch
from gateway.feed.effects import Prepend
from gateway.packets import packet_of
from shared.cursor import Cursor
from shared.reading import Reading
from tests.gateway.browsers import EPOCH, FakeConnection, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client() -> Client:
    return Client("c", FakeConnection(), names={"a": 2.0})


@pytest.fixture
def queue(client: Client, world: World) -> ThrottleQueue:
    queue = ThrottleQueue({"c": client})
    queue.reschedule(client, world.now)
    return queue


def sent(queue: ThrottleQueue, client: Client, world: World, room_frames: int = 100) -> list[int]:
    """Send the readings that are due; returns their numbers."""
    out = Outbound(100_000, room_frames)
    if list(queue.due(world.now)):
        queue.send_newest(client, world.devices, out, world.now)
    return [json.loads(packet_of(frame)[2:])[1]["seq"] for frame in out.frames]


def test_first_at_once_then_per_interval(
    queue: ThrottleQueue, client: Client, world: World
) -> None:
    world.publish("a", 3)
    times = []
    for _ in range(50):
        times += [world.time_s - 100.0] * len(sent(queue, client, world))
        world.publish("a")
        world.wait(0.1)
    assert times[0] == 0.0
    assert 9 <= len(times) <= 10


@pytest.mark.parametrize("rate_hz", [10.0, 50.0, 100.0])
def test_high_rates_are_reached(world: World, rate_hz: float) -> None:
    client = Client("c", FakeConnection(), names={"a": rate_hz})
    queue = ThrottleQueue({"c": client})
    queue.reschedule(client, world.now)
    count = 0
    for _ in range(2_000):
        world.publish("a")
        world.wait(0.001)
        count += len(sent(queue, client, world))
    assert 1.8 * rate_hz <= count <= 2 * rate_hz + 1


def test_bike_slower_than_its_rate(world: World) -> None:
    client = Client("c", FakeConnection(), names={"a": 50.0})
    queue = ThrottleQueue({"c": client})
    queue.reschedule(client, world.now)
    got: list[int] = []
    for tenth in range(20):
        world.publish("a")
        for _ in range(100):
            got += sent(queue, client, world)
            world.wait(0.001)
        assert got == [*range(1, tenth + 2)]


def test_scans_of_many_bikes_are_spread(world: World) -> None:
    for number in range(50):
        world.publish(f"bike-{number}")
    client = Client("c", FakeConnection(), names={f"bike-{number}": 100.0 for number in range(50)})
    queue = ThrottleQueue({"c": client})
    queue.reschedule(client, world.now)
    scans = 0
    for _ in range(200):
        world.publish("bike-7")
        scans += len(list(queue.due(world.now)))
        queue.send_newest(client, world.devices, Outbound(100_000), world.now)
        world.wait(0.001)
    assert 1 < scans <= 0.2 / (50 * SCAN_PER_DEVICE_S) + 1


def test_newest_reading_is_sent_once(queue: ThrottleQueue, client: Client, world: World) -> None:
    world.publish("a", 3)
    assert sent(queue, client, world) == [3]
    for _ in range(5):
        world.wait(1.0)
        assert sent(queue, client, world) == []


def test_since_suppresses_known_reading(queue: ThrottleQueue, client: Client, world: World) -> None:
    client.since["a"] = Cursor(EPOCH, 3)
    world.publish("a", 3)
    assert sent(queue, client, world) == []
    world.publish("a")
    world.wait(SCAN_MAX_S)
    assert sent(queue, client, world) == [4]


def test_position_after_epoch_back(queue: ThrottleQueue, client: Client, world: World) -> None:
    world.publish("a", 3)
    assert sent(queue, client, world) == [3]
    world.wait(20.0)
    world.seqs["a"] = 0
    world.publish("a", epoch=EPOCH - 1)
    assert sent(queue, client, world) == [1]
    assert client.throttled["a"].cursor == Cursor(EPOCH - 1, 1)


def test_pause_between_scans(queue: ThrottleQueue, client: Client, world: World) -> None:
    assert sent(queue, client, world) == []
    assert client.throttle_due_s == world.time_s + SCAN_MAX_S
    client.names["a"] = 100.0
    world.publish("a")
    world.wait(SCAN_MAX_S)
    assert sent(queue, client, world) == [1]
    world.wait(SCAN_MIN_S / 2)
    assert list(queue.due(world.now)) == []


def test_reading_without_room_stays_due(queue: ThrottleQueue, client: Client, world: World) -> None:
    world.publish("a")
    assert sent(queue, client, world, room_frames=0) == []
    world.wait(SCAN_MAX_S)
    assert sent(queue, client, world) == [1]


def test_no_scan_without_rate_or_client(queue: ThrottleQueue, client: Client, world: World) -> None:
    client.names["a"] = None
    queue.reschedule(client, world.now)
    assert client.throttle_due_s is None
    assert list(queue.due(world.now)) == []
    assert list(ThrottleQueue({}).due(world.now)) == []


def test_star_rate_skips_names_without_rate(
    queue: ThrottleQueue, client: Client, world: World
) -> None:
    client.everything, client.everything_rate_hz = True, 1.0
    client.names = {"b": None}
    queue.reschedule(client, world.now)
    world.publish("a")
    world.publish("b", 2)
    assert sent(queue, client, world) == [1]


def test_no_scan_without_arrivals(
    queue: ThrottleQueue, client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    def take_and_note(throttled: Throttled, device: Device, out: Outbound) -> bool:
        looked_at.append(device.device_id)
        return take_newest(throttled, device, out)

    take_newest = throttle._take_newest
    monkeypatch.setattr(throttle, "_take_newest", take_and_note)
    world.publish("a")
    for _ in range(20):
        sent(queue, client, world)
        world.time_s += 0.1
    assert looked_at == ["a"]
    world.publish("a")
    world.time_s += 1.0
    assert sent(queue, client, world) == [2]


def test_newest_reading_from_history(queue: ThrottleQueue, client: Client, world: World) -> None:
    world.seqs["a"] = 3
    world.say_status("a")
    for _ in range(20):
        assert sent(queue, client, world) == []
        world.time_s += 0.1
    device = world.devices.get("a")
    assert device is not None
    readings = (Reading("a", EPOCH, 3, 1, 20.0),)
    world.devices._carry_out(device, Prepend(Stretch(Cursor(EPOCH, 2), readings)), world.now)
    world.time_s += 1.0
    assert sent(queue, client, world) == [3]


def test_held_back_reading_is_sent_later(
    queue: ThrottleQueue, client: Client, world: World
) -> None:
    world.publish("a")
    assert sent(queue, client, world) == [1]
    world.publish("a")
    times = []
    for _ in range(20):
        world.time_s += 0.1
        times += [world.time_s - 100.0] * len(sent(queue, client, world))
    assert times == [pytest.approx(0.5, abs=0.15)]


def test_new_rate_for_silent_device(queue: ThrottleQueue, client: Client, world: World) -> None:
    world.publish("a")
    world.publish("b")
    assert sent(queue, client, world) == [1]
    world.time_s += 1.0
    assert sent(queue, client, world) == []
    client.names["b"] = 2.0
    queue.reschedule(client, world.now)
    assert sent(queue, client, world) == [1]
