import itertools

import pytest

from gateway.devices.devices import REMEMBERED_MAX
from gateway.devices.ring import Ring
from gateway.fanout.membership import PARTS_MAX
from gateway.fanout.subscription import NAMES_MAX, SINCE_MAX, parse_subscribe
from gateway.fanout.subscription_budget import Entries
from shared.errors import TooManyDevices, Unavailable
from tests.gateway.browsers import EPOCH, Browser, Line, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)


def names_of(events: list[tuple[str, dict[str, object]]]) -> list[str]:
    return [name for name, _body in events]


def test_without_since_a_client_starts_from_now(world: World, browser: Browser) -> None:
    world.publish("a", 3)
    answer = browser.subscribe(["a"])
    assert answer["a"]["cursor"] == f"{EPOCH}-3"
    assert answer["a"]["latest"]["seq"] == 3
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == [4, 5]


def test_with_since_the_backlog_comes_before_live_without_a_seam(
    world: World, browser: Browser
) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-2"})
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == [3, 4, 5, 6, 7]


def test_the_order_is_status_then_backlog_then_live(world: World, browser: Browser) -> None:
    world.publish("a", 2)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-0"})
    world.publish("a")
    assert names_of(browser.drain()) == ["device_status", *["speed_change"] * 3]


def test_a_device_not_heard_yet_stands_before_everything(browser: Browser) -> None:
    answer = browser.subscribe(["a"])
    assert answer == {"a": {"online": False, "cursor": "0-0", "latest": None}}
    [(name, body)] = browser.drain()
    assert (name, body["online"], body["last_seq"]) == ("device_status", False, 0)


def test_a_device_that_appears_is_followed_from_first_contact(
    world: World, browser: Browser
) -> None:
    browser.subscribe("*")
    browser.drain()
    world.publish("a", 2)
    browser.drain()
    assert browser.seqs("a") == [1, 2]


def test_a_star_cursor_holds_for_devices_that_appear_later(world: World, browser: Browser) -> None:
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


@pytest.mark.parametrize("room", [10**6, None], ids=["in step", "polling"])
def test_a_new_bike_takes_nobody_out_of_the_group_for_the_others(room: int | None) -> None:
    world = World()
    browser = Browser(world, line=Line(room))
    for device_id in ("a", "b"):
        world.publish(device_id)
    browser.subscribe("*", since={"*": "0-0"})
    world.wait(70.0)  # no history will come
    browser.drain()
    client = world.fanout.clients[browser.name]
    assert client.is_live_in("a")

    world.publish("new")

    assert client.is_live_in("a")
    assert not client.is_live_in("new")
    world.publish("a")
    browser.drain()
    world.wait(70.0)
    browser.drain()
    assert client.is_live_in("new")
    world.publish("new")
    browser.drain()
    assert browser.seqs("a") == [1, 2]
    assert browser.seqs("new") == [1, 2]


def test_very_many_new_bikes_take_a_client_out_of_its_group() -> None:
    world = World(devices_max=PARTS_MAX + 10)
    browser = Browser(world, line=Line(10**6))
    world.publish("a")
    browser.subscribe("*", since={"*": "0-0"})
    browser.drain()
    client = world.fanout.clients[browser.name]
    bikes = [f"new-{number}" for number in range(PARTS_MAX + 1)]
    for bike in bikes:
        world.publish(bike)
    assert client.group is None
    world.publish("a")
    world.wait(70.0)
    browser.drain()
    assert client.is_live_in("a")
    assert browser.seqs("a") == [1, 2]
    assert [browser.seqs(bike) for bike in bikes] == [[1]] * len(bikes)


def test_a_status_change_is_told_once(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.drain()
    world.say_status("a", "stopping")
    world.say_status("a", "stopping")
    told = [body for name, body in browser.drain() if name == "device_status"]
    assert [body["online"] for body in told] == [False]


def test_the_last_reading_comes_before_the_goodbye(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.drain()
    world.publish("a")
    world.say_status("a", "stopping")
    assert names_of(browser.drain()) == ["speed_change", "device_status"]


def test_a_client_that_falls_out_gets_one_gap_and_goes_on_from_the_middle(
    world: World, browser: Browser
) -> None:
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


def test_a_cursor_from_before_the_ring_gets_one_expired_gap(world: World, browser: Browser) -> None:
    world.publish("a", 100)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-3"})
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["before"], gap["lost"]) == (f"{EPOCH}-3", f"{EPOCH}-81", 77)
    assert browser.seqs("a") == list(range(81, 101))


def test_a_cursor_ahead_waits_and_is_then_told_unknown(world: World, browser: Browser) -> None:
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


def test_a_cursor_ahead_that_is_reached_gets_what_follows_it(
    world: World, browser: Browser
) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-7"})
    world.publish("a", 4)
    browser.drain()
    assert browser.seqs("a") == [8, 9]
    assert browser.gaps() == []


def test_a_client_inside_a_gap_is_told_the_rest_of_it(world: World, browser: Browser) -> None:
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


def test_after_unsubscribe_nothing_more_comes(world: World, browser: Browser) -> None:
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


def test_unsubscribing_everything_ends_names_too(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    browser.subscribe("*")
    browser.unsubscribe("*")
    world.publish("a")
    world.say_status("a", "stopping")
    assert browser.drain() == []


def test_a_name_beside_the_star_is_sent_once_at_its_own_rate(
    world: World, browser: Browser
) -> None:
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


def test_a_rate_sends_the_newest_at_most_that_often(world: World, browser: Browser) -> None:
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


def test_a_greater_rate_counts_from_now_on(world: World, browser: Browser) -> None:
    world.publish("a")
    browser.subscribe(["a"], max_rate_hz=0.01)
    browser.drain()
    browser.subscribe(["a"], max_rate_hz=10)
    world.publish("a")
    world.wait(0.3)
    browser.drain()
    assert browser.seqs("a") == [1, 2]


def test_with_a_rate_since_only_suppresses_what_the_client_has(
    world: World, browser: Browser
) -> None:
    world.publish("a", 5)
    browser.subscribe(["a"], since={"a": f"{EPOCH}-5"}, max_rate_hz=10)
    browser.drain()
    assert browser.seqs("a") == []
    world.publish("a")
    world.wait(0.3)
    browser.drain()
    assert browser.seqs("a") == [6]


def test_without_since_the_position_of_a_subscribed_device_stays(
    world: World, browser: Browser
) -> None:
    world.publish("a")
    browser.subscribe(["a"])
    world.publish("a", 3)
    answer = browser.subscribe(["a"])
    assert answer["a"]["cursor"] == f"{EPOCH}-1"
    browser.drain()
    assert browser.seqs("a") == [2, 3, 4]


def test_with_since_the_position_moves(world: World, browser: Browser) -> None:
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


def test_names_and_cursors_of_all_clients_are_bounded(world: World) -> None:
    first, second, third = (Browser(world, name) for name in ("first", "second", "third"))
    world.fanout._subscriptions.budget = entries = Entries(at_most=1_000)
    first.subscribe([f"a-{i}" for i in range(300)])
    second.subscribe("*", since={f"b-{i}": f"{EPOCH}-1" for i in range(600)})
    assert entries.total == 900
    with pytest.raises(Unavailable):
        third.subscribe([f"c-{i}" for i in range(101)])
    assert world.fanout.clients["third"].names == {}
    world.publish("b-0")  # it has a position of its own now, as every bike that is known
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


def test_an_automatic_subscription_ends_with_the_first_own_one(
    world: World, browser: Browser
) -> None:
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


def test_an_automatic_subscription_outlives_the_end_of_a_name(
    world: World, browser: Browser
) -> None:
    world.fanout.subscribe_automatically("browser", world.now)
    browser.unsubscribe(["a"])
    assert world.fanout.clients["browser"].everything
    browser.unsubscribe("*")
    assert not world.fanout.clients["browser"].everything


def test_a_client_that_subscribed_first_gets_nothing_automatically(
    world: World, browser: Browser
) -> None:
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


def test_an_evicted_device_is_told_offline_and_resumes_with_a_gap() -> None:
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


def test_what_was_not_taken_of_an_evicted_device_is_told_whatever_else_is_waited_for() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    world.publish("a", 2)
    browser.subscribe("*", since={f"bike-{n}": f"{EPOCH}-1" for n in range(SINCE_MAX)})
    browser.subscribe("*", since={"a": f"{EPOCH}-1"})  # and takes nothing of it
    world.publish("b")
    world.seqs["a"] += 5
    world.publish("a")
    world.wait(2.1)
    browser.drain()
    [gap] = [gap for gap in browser.gaps() if gap["device_id"] == "a"]
    assert (gap["after"], gap["before"]) == (f"{EPOCH}-1", f"{EPOCH}-8")


def test_who_is_sent_nothing_yet_of_an_older_epoch_stands_where_it_stood() -> None:
    world = World()
    browser = Browser(world, line=Line(10**6))
    world.publish("a", 3)
    browser.subscribe(["a"])
    browser.drain()
    browser.line.block()
    world.wait(20.0)
    world.seqs["a"] = 0
    world.publish("a", 2, epoch=EPOCH - 1)
    assert browser.subscribe(["a"])["a"]["cursor"] == f"{EPOCH}-3"
    browser.drain()
    [gap] = browser.gaps()
    assert (gap["after"], gap["before"]) == (f"{EPOCH}-3", f"{EPOCH - 1}-1")
    assert browser.seqs("a") == [1, 2]


def test_who_comes_after_an_eviction_begins_with_what_comes_then() -> None:
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


def test_a_device_watched_by_name_never_gives_way() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    browser.subscribe(["a"])
    world.publish("a")
    world.publish("b")
    assert world.devices.get("b") is None
    assert world.devices.counts["table_full"] == 1


def test_rings_lose_their_front_when_all_together_are_too_large() -> None:
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
    [gap] = browser.gaps()
    assert gap["after"] == f"{EPOCH}-1"
    assert browser.seqs("a")[-1] == 501


def test_a_removed_client_leaves_nothing_behind(world: World) -> None:
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
    assert fanout._positions.behind == empty._positions.behind
    assert fanout._subscriptions._watchers == empty._subscriptions._watchers
    assert len(fanout._groups) == 0


def test_clients_at_the_same_place_share_one_batch(world: World) -> None:
    world.publish("a")
    clients = [Browser(world, f"client-{i}") for i in range(3)]
    for client in clients:
        client.subscribe(["a"])
        client.drain()
    world.publish("a")
    batches = {id(world.fanout.take(client.name, world.now)) for client in clients}
    assert len(batches) == 1


def test_a_slow_rate_of_a_name_ends_with_the_name() -> None:
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


def test_who_watched_a_bike_that_gave_way_is_told_where_it_stands_when_it_names_it() -> None:
    world = World(devices_max=1)
    browser = Browser(world)
    world.publish("a", 2)
    browser.subscribe("*")
    browser.drain()
    world.publish("b")
    assert browser.subscribe(["a"])["a"]["cursor"] == f"{EPOCH}-2"


def test_who_comes_right_after_an_eviction_was_not_there() -> None:
    world = World(devices_max=1)
    world.publish("a", 2)
    world.say_status("b")  # which has no reading that would be another arrival
    browser = Browser(world)
    browser.subscribe("*")
    world.seqs["a"] += 5
    world.wait(1_000)
    world.publish("a")
    world.wait(2.1)
    browser.drain()
    assert [gap for gap in browser.gaps() if gap["device_id"] == "a"] == []


def test_bikes_that_give_way_do_not_use_up_the_cursors_of_a_client() -> None:
    world = World(devices_max=1)
    browser = Browser(world, line=Line(10**6))
    browser.subscribe("*")
    browser.drain()
    browser.line.block()
    for number in range(SINCE_MAX + NAMES_MAX + 1):
        world.publish(f"bike-{number}")
    assert len(world.devices.evicted) == REMEMBERED_MAX
    assert browser.subscribe(["mine"])["mine"]["cursor"] == "0-0"


PIECE = 20
BIKES = [f"bike-{number}" for number in range(10 * PIECE)]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world of many bikes, as many as are ten pieces of work."""
    for name in (
        "backlog_sender.STEPS_MAX",
        "subscription_table.ANSWERED_AT_ONCE",
        "statuses.TOLD_AT_ONCE",
    ):
        monkeypatch.setattr(f"gateway.fanout.{name}", PIECE)
    monkeypatch.setattr("gateway.fanout.subscription.READ_AT_ONCE", PIECE)
    world = World(devices_max=len(BIKES))
    for bike in BIKES:
        world.publish(bike)
    return world


def test_star_without_since_needs_no_positions(fleet: World) -> None:
    browser = Browser(fleet, line=Line(10**9))
    for _ in range(2):
        assert len(browser.subscribe("*")) == len(BIKES)
        client = fleet.fanout.clients[browser.name]
        assert client.group is not None
        assert not client.behind
        fleet.publish("bike-7")
        names = [name for name, _ in browser.drain()]
        assert names == ["device_status"] * len(BIKES) + ["speed_change"]
        assert client not in client.group.apart


def test_bikes_that_one_cursor_is_for_share_a_position(fleet: World) -> None:
    browser = Browser(fleet, line=Line(10**9))
    browser.subscribe("*", since={"*": "0-0"})
    positions = fleet.fanout.clients[browser.name].behind.values()
    assert len(positions) == len(BIKES)
    assert len({id(position) for position in positions}) == 1


def test_clients_at_the_head_of_a_bike_share_a_position(fleet: World) -> None:
    browsers = [Browser(fleet, name, line=Line(10**9)) for name in ("first", "second")]
    for browser in browsers:
        browser.subscribe("*", since=dict.fromkeys(BIKES, f"{EPOCH}-1"))
        fleet.fanout.take(browser.name, fleet.now)
        fleet.wait(0.1)
    first, second = (fleet.fanout.clients[browser.name].behind for browser in browsers)
    shared = [bike for bike in BIKES if first[bike] is second[bike]]
    assert len(shared) == PIECE


def test_return_to_many_bikes_is_served_in_pieces(fleet: World) -> None:
    browser = Browser(fleet, line=Line(10**9))
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
    assert fleet.fanout.clients[browser.name].is_live_in("bike-1")


def test_slow_clients_leave_their_group_without_a_look_at_every_ring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bikes = [f"bike-{number:03d}" for number in range(200)]
    world = World(readings=40, devices_max=len(bikes))
    slow = [Browser(world, str(number), line=Line(10**6)) for number in range(10)]
    for bike in bikes:
        world.publish(bike)
    for number, browser in enumerate(slow):  # each falls behind at a place of its own
        browser.subscribe("*")
        browser.drain()
        browser.line.block()
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
