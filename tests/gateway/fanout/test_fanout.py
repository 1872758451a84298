import itertools
from collections.abc import Callable

import pytest

from gateway.devices.devices import REMEMBERED_MAX
from gateway.devices.ring import Ring
from gateway.fanout.backlog import UNLIMITED
from gateway.fanout.group import Member
from gateway.fanout.membership import EXCLUDED_MAX
from gateway.fanout.subscription import NAMES_MAX, SINCE_MAX, parse_subscribe
from gateway.fanout.subscription_budget import SubscriptionBudget
from shared.errors import TooManyDevices, Unavailable
from tests.gateway.browsers import (
    EPOCH,
    Browser,
    FakeConnection,
    FakeMulticast,
    World,
    WorldOfJournals,
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)


def names_of(events: list[tuple[str, dict[str, object]]]) -> list[str]:
    return [name for name, _body in events]


def test_subscribe_without_since(world: World, browser: Browser) -> None:
    world.publish("a", 3)
    answer = browser.subscribe(["a"])
    assert answer["a"]["cursor"] == f"{EPOCH}-3"
    assert answer["a"]["latest"]["seq"] == 3
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == [4, 5]


def test_backlog_then_live(world: World, browser: Browser) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-2"})
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == [3, 4, 5, 6, 7]


def test_order_status_backlog_live(world: World, browser: Browser) -> None:
    world.publish("a", 2)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-0"})
    world.publish("a")
    assert names_of(browser.drain()) == ["device_status", *["speed_change"] * 3]


def test_subscribe_to_unknown_device(browser: Browser) -> None:
    answer = browser.subscribe(["a"])
    assert answer == {"a": {"online": False, "cursor": "0-0", "latest": None}}
    [(name, body)] = browser.drain()
    assert (name, body["online"], body["last_seq"]) == ("device_status", False, 0)


def test_device_that_appears(world: World, browser: Browser) -> None:
    browser.subscribe("*")
    browser.drain()
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == [1, 2]


def test_star_cursor_for_later_devices(world: World, browser: Browser) -> None:
    browser.subscribe("*", since={"*": "0-0"})
    world.seqs["a"] = 6
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == []
    world.wait(2.1)
    world.publish("a")
    browser.drain()
    assert browser.seqs("a") == [7, 8, 9]
    assert [gap["reason"] for gap in browser.gaps()] == ["expired"]


@pytest.mark.parametrize("room", [10**6, None], ids=["synced", "polling"])
def test_new_bike_is_excluded_from_group(room: int | None) -> None:
    world = World()
    browser = Browser(world, connection=FakeConnection(room))
    for device_id in ("a", "b"):
        world.publish(device_id)
    browser.subscribe("*", since={"*": "0-0"})
    world.wait(70.0)  # no history will come
    browser.drain()
    client = world.fanout.clients[browser.name]
    assert client.is_covered_by_group("a")

    world.publish("new")

    assert client.is_covered_by_group("a")
    assert not client.is_covered_by_group("new")
    world.publish("a")
    browser.drain()
    world.wait(70.0)
    browser.drain()
    assert client.is_covered_by_group("new")
    world.publish("new")
    browser.drain()
    assert browser.seqs("a") == [1, 2]
    assert browser.seqs("new") == [1, 2]


def test_too_many_excluded_bikes() -> None:
    world = World(devices_max=EXCLUDED_MAX + 10)
    browser = Browser(world, connection=FakeConnection(10**6))
    world.publish("a")
    browser.subscribe("*", since={"*": "0-0"})
    browser.drain()
    client = world.fanout.clients[browser.name]
    bikes = [f"new-{number}" for number in range(EXCLUDED_MAX + 1)]
    for bike in bikes:
        world.publish(bike)
    assert client.group is None
    world.publish("a")
    world.wait(70.0)
    browser.drain()
    assert client.is_covered_by_group("a")
    assert browser.seqs("a") == [1, 2]
    assert [browser.seqs(bike) for bike in bikes] == [[1]] * len(bikes)


def test_status_change_is_sent_once(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.drain()
    world.say_status("a", "stopping")
    world.say_status("a", "stopping")
    told = [body for name, body in browser.drain() if name == "device_status"]
    assert [body["online"] for body in told] == [False]


def test_last_reading_before_offline_status(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.drain()
    world.publish("a")
    world.say_status("a", "stopping")
    assert names_of(browser.drain()) == ["speed_change", "device_status"]


def test_overrun_client_gets_one_gap(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.drain()
    world.publish("a", 100)
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["reason"]) == (f"{EPOCH}-1", "overrun")
    assert browser.seqs("a") == list(range(int(gap["before"].split("-")[1]), 102))
    assert gap["lost"] == browser.seqs("a")[0] - 2
    assert len(browser.seqs("a")) == 10


def test_expired_cursor_gets_one_gap(world: World, browser: Browser) -> None:
    world.publish("a", 100)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-3"})
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["before"], gap["lost"]) == (f"{EPOCH}-3", f"{EPOCH}-81", 77)
    assert browser.seqs("a") == list(range(81, 101))


def test_unknown_cursor_after_wait(world: World, browser: Browser) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-50"})
    browser.drain()
    world.publish("a")
    browser.drain()
    assert browser.seqs("a") == []
    world.wait(30)
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["reason"], gap["lost"]) == (f"{EPOCH}-50", "unknown_cursor", None)
    assert browser.seqs("a") == [1, 2, 3, 4, 5, 6]


def test_cursor_ahead_that_is_reached(world: World, browser: Browser) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-7"})
    world.publish("a", 4)
    browser.drain()
    assert browser.seqs("a") == [8, 9]
    assert browser.gaps() == []


def test_cursor_inside_a_gap(world: World, browser: Browser) -> None:
    world.publish("a", 3)
    world.publish("a", skip=5)
    world.wait(0.6)
    world.wait(0.6)
    world.wait(6.0)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-5"})
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["before"], gap["lost"]) == (f"{EPOCH}-5", f"{EPOCH}-9", 3)
    assert browser.seqs("a") == [9]


def test_unsubscribe_one_of_two(world: World, browser: Browser) -> None:
    world.publish("a")
    world.publish("b")
    browser.subscribe(["a", "b"])
    browser.drain()
    world.publish("a")
    browser.unsubscribe(["a"])
    world.publish("a")
    world.publish("b")
    browser.drain()
    assert browser.seqs("a") == []
    assert browser.seqs("b") == [2]


def test_unsubscribe_star_ends_names(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.subscribe("*")
    browser.unsubscribe("*")
    world.publish("a")
    world.say_status("a", "stopping")
    assert browser.drain() == []


def test_name_with_own_rate_beside_star(world: World, browser: Browser) -> None:
    world.publish("a")
    world.publish("b")
    browser.subscribe("*", max_rate_hz=1)
    browser.subscribe(["a"])
    browser.drain()
    browser.received.clear()
    for _ in range(10):
        world.publish("a")
        world.publish("b")
        world.wait(0.1)
        browser.drain()
    assert browser.seqs("a") == list(range(2, 12))
    assert len(browser.seqs("b")) <= 2


def test_rate_limits_newest_readings(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"], max_rate_hz=2)
    times = []
    for _ in range(100):
        world.publish("a")
        world.wait(0.05)
        times += [world.time_s] * len([1 for name in names_of(browser.drain()) if "speed" in name])
    assert 9 <= len(times) <= 11
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.5 - 1e-6
    assert browser.gaps() == []


def test_greater_rate_holds_at_once(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"], max_rate_hz=0.01)
    browser.drain()
    browser.subscribe(["a"], max_rate_hz=10)
    world.publish("a")
    world.wait(0.3)
    browser.drain()
    assert browser.seqs("a") == [1, 2]


def test_since_with_rate(world: World, browser: Browser) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-5"}, max_rate_hz=10)
    browser.drain()
    assert browser.seqs("a") == []
    world.publish("a")
    world.wait(0.3)
    browser.drain()
    assert browser.seqs("a") == [6]


def test_resubscribe_keeps_position(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    world.publish("a", 3)
    answer = browser.subscribe(["a"])
    assert answer["a"]["cursor"] == f"{EPOCH}-1"
    browser.drain()
    assert browser.seqs("a") == [2, 3, 4]


def test_resubscribe_with_since(world: World, browser: Browser) -> None:
    world.publish("a", 4)
    browser.subscribe(["a"])
    browser.drain()
    browser.subscribe(["a"], since={"a": f"{EPOCH}-1"})
    browser.drain()
    assert browser.seqs("a") == [2, 3, 4]


def test_too_many_names_change_nothing(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe([f"bike-{i}" for i in range(999)])
    with pytest.raises(TooManyDevices):
        browser.subscribe(["a", "b"])
    browser.drain()
    world.publish("a")
    browser.drain()
    assert browser.seqs("a") == []


def test_budget_of_all_clients(world: World) -> None:
    first, second, third = (Browser(world, name) for name in ("first", "second", "third"))
    world.fanout._subscriptions.budget = entries = SubscriptionBudget(at_most=1_000)
    first.subscribe([f"a-{i}" for i in range(300)])
    second.subscribe("*", since={f"b-{i}": f"{EPOCH}-1" for i in range(600)})
    assert entries.total == 900
    with pytest.raises(Unavailable):
        third.subscribe([f"c-{i}" for i in range(101)])
    assert world.fanout.clients["third"].names == {}
    world.publish("b-0")  # its cursor becomes a position, which is not counted
    assert entries.total == 899
    first.unsubscribe([f"a-{i}" for i in range(200)])
    assert entries.total == 699
    third.subscribe([f"c-{i}" for i in range(101)])
    world.fanout.remove("second")
    second_again = Browser(world, "second")
    second_again.subscribe("*", since={f"b-{i}": f"{EPOCH}-1" for i in range(600)})
    for browser in (first, third, second_again):
        browser.unsubscribe("*")
    assert entries.total == 0


def test_own_subscription_replaces_automatic(world: World, browser: Browser) -> None:
    world.publish("a")
    world.publish("b")
    world.fanout.subscribe_automatically("browser", world.now)
    browser.drain()
    assert browser.seqs("a") == [1]
    browser.subscribe(["b"])
    world.publish("a", 3)
    world.wait(3)
    browser.drain()
    assert browser.seqs("a") == [1]


def test_unsubscribe_keeps_automatic_subscription(world: World, browser: Browser) -> None:
    world.fanout.subscribe_automatically("browser", world.now)
    browser.unsubscribe(["a"])
    assert world.fanout.clients["browser"].everything
    browser.unsubscribe("*")
    assert not world.fanout.clients["browser"].everything


def test_no_automatic_after_own_subscription(world: World, browser: Browser) -> None:
    browser.subscribe(["a"])
    world.fanout.subscribe_automatically("browser", world.now)
    world.publish("a")
    world.publish("b")
    world.wait(1.5)
    browser.drain()
    browser.subscribe(["c"])
    world.publish("a")
    browser.drain()
    assert (browser.seqs("a"), browser.seqs("b")) == ([1, 2], [])


def test_evicted_device_resumes_with_gap() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    browser.subscribe("*")
    world.publish("a", 2)
    browser.drain()
    world.publish("b")
    told = [body for name, body in browser.drain() if name == "device_status"]
    assert next((body["device_id"], body["online"]) for body in told) == ("a", False)
    world.seqs["a"] += 5
    world.publish("a")
    world.wait(2.1)
    browser.drain()
    assert browser.seqs("a") == [1, 2, 8]
    [gap] = [gap for gap in browser.gaps() if gap["device_id"] == "a"]
    assert (gap["after"], gap["before"], gap["reason"]) == (
        f"{EPOCH}-2",
        f"{EPOCH}-8",
        "evicted",
    )


def test_eviction_with_backlog_and_full_cursors() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    world.publish("a", 2)
    browser.subscribe("*", since={f"bike-{n}": f"{EPOCH}-1" for n in range(SINCE_MAX)})
    browser.subscribe("*", since={"a": f"{EPOCH}-1"})  # and takes no frame
    world.publish("b")
    world.seqs["a"] += 5
    world.publish("a")
    world.wait(2.1)
    browser.drain()
    [gap] = [gap for gap in browser.gaps() if gap["device_id"] == "a"]
    assert (gap["after"], gap["before"]) == (f"{EPOCH}-1", f"{EPOCH}-8")


def test_cursor_before_epoch_back_gap() -> None:
    world = World()
    browser = Browser(world, connection=FakeConnection(10**6))
    world.publish("a", 3)
    browser.subscribe(["a"])
    browser.drain()
    browser.connection.block()
    world.wait(20.0)
    world.seqs["a"] = 0
    world.publish("a", 2, epoch=EPOCH - 1)
    assert browser.subscribe(["a"])["a"]["cursor"] == f"{EPOCH}-3"
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["before"]) == (f"{EPOCH}-3", f"{EPOCH - 1}-1")
    assert browser.seqs("a") == [1, 2]


def test_subscribe_after_eviction() -> None:
    world = World(devices_max=1)
    world.publish("a", 2)
    world.publish("b")
    named, everything = Browser(world, "named"), Browser(world, "everything")
    named.subscribe(["a"])
    everything.subscribe("*")
    world.seqs["a"] += 5
    world.wait(1_000)
    world.publish("a")
    world.wait(2.1)
    for browser in (named, everything):
        browser.drain()
        assert [gap for gap in browser.gaps() if gap["device_id"] == "a"] == []
        assert browser.seqs("a") == [8]


def test_watched_device_is_not_evicted() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    browser.subscribe(["a"])
    world.publish("a")
    world.publish("b")
    assert world.devices.get("b") is None
    assert world.devices.counts["table_full"] == 1


def test_memory_limit_trims_longest_ring() -> None:
    world = World(readings=1_000, total_bytes=40_000)
    browser = Browser(world)
    browser.subscribe("*")
    world.publish("a")
    world.publish("b", 10)
    browser.drain()
    world.publish("a", 500)
    assert world.devices.size_bytes <= 40_000
    assert len(world.devices.get("b").ring) == 10  # type: ignore[union-attr]  # known above
    browser.drain()
    assert browser.seqs("a") == [*range(1, 502)], "the group's tail has what the ring lost"
    browser.received.clear()
    world.publish("a", 1_500)
    browser.drain()
    [gap] = browser.gaps()
    assert gap["after"] == f"{EPOCH}-501"
    assert browser.seqs("a")[-1] == 2_001


def test_removed_client_leaves_no_state(world: World) -> None:
    fanout = world.fanout
    for i in range(10):
        client = Browser(world, f"client-{i}")
        client.subscribe(["a", f"b{i}"])
        client.subscribe("*", max_rate_hz=1)
        client.drain()
    world.publish("a", 3)
    for i in range(10):
        fanout.remove(f"client-{i}")
    empty = World().fanout
    assert fanout.clients == empty.clients
    assert fanout._positions.with_backlog == empty._positions.with_backlog
    assert fanout._subscriptions._watchers == empty._subscriptions._watchers
    assert len(fanout._groups) == 0


def test_same_position_shares_batch(world: World) -> None:
    world.publish("a")
    clients = [Browser(world, f"client-{i}") for i in range(3)]
    for client in clients:
        client.subscribe(["a"])
        client.drain()
    world.publish("a")
    first, *others = [world.fanout.take(client.name, world.now) for client in clients]
    assert all(batch is first for batch in others)


def test_polls_share_a_batch_that_fits() -> None:
    world = World()
    world.publish("a")
    clients = [Browser(world, f"client-{i}") for i in range(2)]
    for client in clients:
        client.subscribe(["a"])
        client.drain()
    world.publish("a", 4)
    first, second = (world.fanout.take(it.name, world.now, room_frames=4) for it in clients)
    assert first is second
    assert len(first.frames) == 4
    world.publish("a", 4)
    polls = [world.fanout.take(clients[0].name, world.now, room_frames=3).frames for _ in range(3)]
    assert [len(frames) for frames in polls] == [3, 1, 0]
    small = world.fanout.take(clients[1].name, world.now, room_bytes=1, room_frames=16)
    assert len(small.frames) == 1


def test_poll_opens_no_multicast(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[FakeMulticast] = []
    monkeypatch.setattr(FakeMulticast, "__init__", note_opened(opened))
    world = World()
    browser = Browser(world)
    world.publish("a")
    browser.subscribe(["a"])
    browser.drain()
    opened.clear()
    for room_frames, opens in ((16, 0), (UNLIMITED, 1)):
        world.publish("a")
        batch = world.fanout.take(browser.name, world.now, room_frames=room_frames)
        assert (len(batch.frames), len(opened)) == (1, opens)


def note_opened(opened: list[FakeMulticast]) -> Callable[..., None]:
    begin = FakeMulticast.__init__

    def begin_noted(multicast: FakeMulticast, on_left: Callable[[Member], None]) -> None:
        opened.append(multicast)
        begin(multicast, on_left)

    return begin_noted


def test_rate_ends_with_its_name() -> None:
    world = World()
    browser = Browser(world)
    browser.subscribe("*", max_rate_hz=10)
    browser.subscribe(["a"], max_rate_hz=0.01)
    world.publish("a")
    browser.drain()
    browser.unsubscribe(["a"])
    world.publish("a")
    world.wait(0.3)
    browser.drain()
    assert browser.seqs("a") == [1, 2]


def test_subscribe_to_evicted_device_by_name() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    world.publish("a", 2)
    browser.subscribe("*")
    browser.drain()
    world.publish("b")
    assert browser.subscribe(["a"])["a"]["cursor"] == f"{EPOCH}-2"


def test_subscribe_right_after_eviction() -> None:
    world = World(devices_max=1)
    world.publish("a", 2)
    world.say_status("b")  # a status is no arrival
    browser = Browser(world)
    browser.subscribe("*")
    world.seqs["a"] += 5
    world.wait(1_000)
    world.publish("a")
    world.wait(2.1)
    browser.drain()
    assert [gap for gap in browser.gaps() if gap["device_id"] == "a"] == []


def test_evictions_do_not_use_up_cursors() -> None:
    world = World(devices_max=1)
    browser = Browser(world, connection=FakeConnection(10**6))
    browser.subscribe("*")
    browser.drain()
    browser.connection.block()
    for number in range(SINCE_MAX + NAMES_MAX + 1):
        world.publish(f"bike-{number}")
    assert len(world.devices.evicted) == REMEMBERED_MAX
    assert browser.subscribe(["mine"])["mine"]["cursor"] == "0-0"


PIECE = 20
BIKES = [f"bike-{number}" for number in range(10 * PIECE)]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world with bikes for ten pieces of work."""
    for name in (
        "backlog_sender.DEVICES_AT_ONCE",
        "subscription_table.ANSWERED_AT_ONCE",
        "statuses.STATUSES_AT_ONCE",
    ):
        monkeypatch.setattr(f"gateway.fanout.{name}", PIECE)
    monkeypatch.setattr("gateway.fanout.subscription.READ_AT_ONCE", PIECE)
    world = World(devices_max=len(BIKES))
    for bike in BIKES:
        world.publish(bike)
    return world


def test_star_without_since_needs_no_positions(fleet: World) -> None:
    browser = Browser(fleet, connection=FakeConnection(10**9))
    for _ in range(2):
        assert len(browser.subscribe("*")) == len(BIKES)
        client = fleet.fanout.clients[browser.name]
        assert client.group is not None
        assert not client.ring_positions
        fleet.publish("bike-7")
        names = [name for name, _ in browser.drain()]
        assert names == ["device_status"] * len(BIKES) + ["speed_change"]
        assert client not in client.group.lagging


def test_one_cursor_is_one_position(fleet: World) -> None:
    browser = Browser(fleet, connection=FakeConnection(10**9))
    browser.subscribe("*", since={"*": "0-0"})
    positions = fleet.fanout.clients[browser.name].ring_positions.values()
    assert len(positions) == len(BIKES)
    assert len({id(position) for position in positions}) == 1


def test_head_position_is_shared(fleet: World) -> None:
    browsers = [
        Browser(fleet, name, connection=FakeConnection(10**9)) for name in ("first", "second")
    ]
    for browser in browsers:
        browser.subscribe("*", since=dict.fromkeys(BIKES, f"{EPOCH}-1"))
        fleet.fanout.take(browser.name, fleet.now)
        fleet.wait(0.1)
    first, second = (fleet.fanout.clients[browser.name].ring_positions for browser in browsers)
    shared = [bike for bike in BIKES if first[bike] is second[bike]]
    assert len(shared) == PIECE


def test_sweep_works_in_pieces(fleet: World) -> None:
    browser = Browser(fleet, connection=FakeConnection(10**9))
    pauses: list[str] = []
    since = dict.fromkeys(BIKES, f"{EPOCH}-0")
    request = parse_subscribe({"devices": "*", "since": since}, lambda: pauses.append("parse"))
    fleet.fanout.subscribe(browser.name, request, fleet.now, lambda: pauses.append("answer"))
    assert pauses.count("parse") == 10
    assert pauses.count("answer") >= 10
    while fleet.fanout.has_due(browser.name):
        assert len(browser.take()) <= 2 * PIECE + 1
        fleet.publish("bike-0")
    assert {len(browser.seqs(bike)) for bike in BIKES[1:]} == {1}
    numbers = browser.seqs("bike-0")
    assert numbers == list(range(1, len(numbers) + 1))
    assert fleet.fanout.clients[browser.name].is_covered_by_group("bike-1")


def test_eviction_looks_up_no_ring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bikes = [f"bike-{number:03d}" for number in range(200)]
    world = World(readings=40, devices_max=len(bikes))
    slow = [Browser(world, str(number), connection=FakeConnection(10**6)) for number in range(10)]
    for bike in bikes:
        world.publish(bike)
    for number, browser in enumerate(slow):  # each lags at another arrival number
        browser.subscribe("*")
        browser.drain()
        browser.connection.block()
        world.publish(bikes[number])
    lookups: list[int] = []
    look_up = Ring.index_arrived_after

    def look_up_and_count(ring: Ring, arrival: int) -> int:
        lookups.append(arrival)
        return look_up(ring, arrival)

    monkeypatch.setattr(Ring, "index_arrived_after", look_up_and_count)
    for bike in bikes:
        world.publish(bike)
    assert not lookups
    for number, browser in enumerate(slow):
        heard = [name for name, _body in browser.drain() if name == "speed_change"]
        assert len(heard) == len(bikes) + len(slow) - number


def test_clients_that_leave_a_group_share_its_devices(
    fleet: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many lagging clients fall out of a tail at once, each gets its backlog later."""
    monkeypatch.setattr("gateway.fanout.positions.COPIED_AT_ONCE", PIECE)
    slow = [Browser(fleet, str(number), connection=FakeConnection(10**6)) for number in range(5)]
    for number, browser in enumerate(slow):  # each lags at another arrival number
        browser.subscribe("*")
        browser.drain()
        browser.connection.block()
        fleet.publish(BIKES[number])
    clients = [fleet.fanout.clients[browser.name] for browser in slow]
    for bike in BIKES[:PIECE]:
        fleet.publish(bike)
    assert all(client.group is None for client in clients)
    assert not any(client.ring_positions for client in clients), "made before it is needed"
    for number, browser in enumerate(slow):
        heard = [name for name, _body in browser.drain() if name == "speed_change"]
        assert len(heard) == PIECE + len(slow) - number


def test_bike_that_appears_reaches_clients_that_left_their_group(fleet: World) -> None:
    browser = Browser(fleet, connection=FakeConnection(10**6))
    browser.subscribe("*")
    browser.drain()
    browser.connection.block()
    fleet.devices.limits = fleet.devices.limits._replace(devices=500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.fanout.positions.COPIED_AT_ONCE", 0)
        fleet.publish("bike-1", 25)
        fleet.publish("a new bike", 3)
    browser.drain()
    assert browser.seqs("a new bike") == [1, 2, 3]


@pytest.mark.parametrize("loss", ["emptied", "trimmed"])
def test_ring_that_loses_entries_sends_nothing_at_once(loss: str) -> None:
    """Synced clients are sent the entries that a ring lost with the next flush, in pieces."""
    world = World(readings=100, total_bytes=5_000)
    browsers = [Browser(world, str(n), connection=FakeConnection(10**6)) for n in range(100)]
    world.publish("a", 3)
    for browser in browsers:
        browser.subscribe("*")
        browser.drain()
    for browser in browsers:
        browser.drain()
        browser.connection.sent = b""
    world.publish("a", 3)
    if loss == "emptied":
        world.time_s += 20
        world.seqs["a"] = 0
        world.publish("a", 2, epoch=EPOCH - 1)
    else:
        world.publish("a", 37)
    assert len(world.devices.get("a").ring) < 30  # type: ignore[union-attr]  # known above
    assert not any(browser.connection.sent for browser in browsers)
    for browser in browsers:
        browser.drain()
        told = [
            body.get("seq") or body["reason"]
            for name, body in browser.received
            if name != "device_status"
        ]
        assert told == [4, 5, 6, *(["epoch_back", 1, 2] if loss == "emptied" else range(7, 44))]


def test_found_history_is_due() -> None:
    """A client that polls is woken only for what is due."""
    world = WorldOfJournals(readings=100, devices_max=3, replay="silent")
    world.ride("a", 10, lost=9)
    browser = Browser(world, "browser")
    browser.subscribe(["a"], since={"a": f"{EPOCH}-5"})
    browser.take()
    browser.take()
    assert not world.fanout.has_due("browser")
    world.replay = "answers"
    world.wait(0.5)
    world.fanout.due(world.now)
    assert world.fanout.has_due("browser")
    browser.drain()
    assert browser.seqs("a") == [6, 7, 8, 9, 10]
