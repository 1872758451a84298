"""The newest reading of a device at most so often."""

import json

import pytest

from gateway.devices.devices import Device
from gateway.fanout import throttle
from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client, Rated
from gateway.fanout.throttle import LOOK_A_DEVICE_S, LOOK_MAX_S, LOOK_MIN_S, RateQueue
from gateway.feed.backfill import Stretch
from gateway.feed.effects import Prepend
from gateway.packets import packet_of
from shared.cursor import Cursor
from shared.reading import Reading
from tests.gateway.browsers import EPOCH, Line, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client() -> Client:
    return Client("c", Line(), names={"a": 2.0})


@pytest.fixture
def queue(client: Client, world: World) -> RateQueue:
    queue = RateQueue({"c": client})
    queue.settle(client, world.now)
    return queue


def sent(queue: RateQueue, client: Client, world: World, room_frames: int = 100) -> list[int]:
    """Send what is due now; returns the numbers."""
    out = Outbound(100_000, room_frames)
    if list(queue.due(world.now)):
        queue.send_newest(client, world.devices, out, world.now)
    return [json.loads(packet_of(frame)[2:])[1]["seq"] for frame in out.frames]


def test_the_newest_goes_out_at_once_and_then_once_an_interval(
    queue: RateQueue, client: Client, world: World
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
def test_a_greater_rate_is_kept_to_while_there_is_something_new(
    world: World, rate_hz: float
) -> None:
    client = Client("c", Line(), names={"a": rate_hz})
    queue = RateQueue({"c": client})
    queue.settle(client, world.now)
    count = 0
    for _ in range(2_000):
        world.publish("a")
        world.wait(0.001)
        count += len(sent(queue, client, world))
    assert 1.8 * rate_hz <= count <= 2 * rate_hz + 1


def test_a_bike_that_is_slower_than_the_rate_is_sent_soon_and_whole(world: World) -> None:
    client = Client("c", Line(), names={"a": 50.0})
    queue = RateQueue({"c": client})
    queue.settle(client, world.now)
    got: list[int] = []
    for tenth in range(20):
        world.publish("a")
        for _ in range(100):
            got += sent(queue, client, world)
            world.wait(0.001)
        assert got == [*range(1, tenth + 2)]


def test_who_watches_many_bikes_at_a_rate_is_not_looked_after_all_the_time(world: World) -> None:
    for number in range(50):
        world.publish(f"bike-{number}")
    client = Client("c", Line(), names={f"bike-{number}": 100.0 for number in range(50)})
    queue = RateQueue({"c": client})
    queue.settle(client, world.now)
    looks = 0
    for _ in range(200):
        world.publish("bike-7")
        looks += len(list(queue.due(world.now)))
        queue.send_newest(client, world.devices, Outbound(100_000), world.now)
        world.wait(0.001)
    assert 1 < looks <= 0.2 / (50 * LOOK_A_DEVICE_S) + 1


def test_a_newest_reading_is_sent_once(queue: RateQueue, client: Client, world: World) -> None:
    world.publish("a", 3)
    assert sent(queue, client, world) == [3]
    for _ in range(5):
        world.wait(1.0)
        assert sent(queue, client, world) == []


def test_what_the_client_has_is_not_sent_again(
    queue: RateQueue, client: Client, world: World
) -> None:
    client.since["a"] = Cursor(EPOCH, 3)
    world.publish("a", 3)
    assert sent(queue, client, world) == []
    world.publish("a")
    world.wait(LOOK_MAX_S)
    assert sent(queue, client, world) == [4]


def test_the_position_of_a_client_with_a_rate_follows_a_bike_that_went_back_an_epoch(
    queue: RateQueue, client: Client, world: World
) -> None:
    world.publish("a", 3)
    assert sent(queue, client, world) == [3]
    world.wait(20.0)
    world.seqs["a"] = 0
    world.publish("a", epoch=EPOCH - 1)
    assert sent(queue, client, world) == [1]
    assert client.rated["a"].cursor == Cursor(EPOCH - 1, 1)


def test_it_is_looked_no_more_often_than_is_of_use(
    queue: RateQueue, client: Client, world: World
) -> None:
    assert sent(queue, client, world) == []
    assert client.rate_due_s == world.time_s + LOOK_MAX_S
    client.names["a"] = 100.0
    world.publish("a")
    world.wait(LOOK_MAX_S)
    assert sent(queue, client, world) == [1]
    world.wait(LOOK_MIN_S / 2)
    assert list(queue.due(world.now)) == []


def test_without_room_a_reading_stays_due(queue: RateQueue, client: Client, world: World) -> None:
    world.publish("a")
    assert sent(queue, client, world, room_frames=0) == []
    world.wait(LOOK_MAX_S)
    assert sent(queue, client, world) == [1]


def test_a_client_that_left_or_has_no_rate_any_more_is_not_looked_at(
    queue: RateQueue, client: Client, world: World
) -> None:
    client.names["a"] = None
    queue.settle(client, world.now)
    assert client.rate_due_s is None
    assert list(queue.due(world.now)) == []
    assert list(RateQueue({}).due(world.now)) == []


def test_everything_at_a_rate_leaves_out_what_is_wanted_in_full(
    queue: RateQueue, client: Client, world: World
) -> None:
    client.everything, client.everything_rate_hz = True, 1.0
    client.names = {"b": None}
    queue.settle(client, world.now)
    world.publish("a")
    world.publish("b", 2)
    assert sent(queue, client, world) == [1]


def test_where_nothing_came_no_device_is_looked_at(
    queue: RateQueue, client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look(rated: Rated, device: Device, out: Outbound) -> bool:
        looks.append(device.device_id)
        return look_really(rated, device, out)

    look_really = throttle._take_newest
    monkeypatch.setattr(throttle, "_take_newest", look)
    world.publish("a")
    for _ in range(20):
        sent(queue, client, world)
        world.time_s += 0.1
    assert looks == ["a"]
    world.publish("a")
    world.time_s += 1.0
    assert sent(queue, client, world) == [2]


def test_a_newest_reading_that_comes_with_the_history_is_sent(
    queue: RateQueue, client: Client, world: World
) -> None:
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


def test_what_came_before_the_next_was_due_is_sent_then(
    queue: RateQueue, client: Client, world: World
) -> None:
    world.publish("a")
    assert sent(queue, client, world) == [1]
    world.publish("a")
    times = []
    for _ in range(20):
        world.time_s += 0.1
        times += [world.time_s - 100.0] * len(sent(queue, client, world))
    assert times == [pytest.approx(0.5, abs=0.15)]


def test_a_rate_that_comes_to_a_silent_fleet_gets_what_is_newest(
    queue: RateQueue, client: Client, world: World
) -> None:
    world.publish("a")
    world.publish("b")
    assert sent(queue, client, world) == [1]
    world.time_s += 1.0
    assert sent(queue, client, world) == []
    client.names["b"] = 2.0
    queue.settle(client, world.now)
    assert sent(queue, client, world) == [1]
