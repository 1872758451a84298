"""Random actions of browsers and devices: every event must follow the rules of the protocol."""

import gc
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.devices.devices import Device
from gateway.fanout.fanout import SENT_AT_ONCE
from gateway.fanout.group import COHORT_MAX, Cohort, Group
from gateway.packets import packet_of
from shared.cursor import START, Cursor, parse_cursor
from tests.gateway.browsers import EPOCH, Browser, FakeConnection, World, WorldOfJournals

DEVICES = ("a", "b", "c")
MORE_DEVICES = (*DEVICES, "d", "e")
"""More devices than the table holds, so that some are evicted."""
SUBSETS = st.lists(st.sampled_from(DEVICES), unique=True, max_size=3)
SINCE = st.one_of(st.none(), st.just("0-0"), st.integers(0, 60).map(lambda seq: f"{EPOCH}-{seq}"))
ACTIONS_OF_BROWSERS = st.one_of(
    st.tuples(st.just("subscribe"), st.one_of(SUBSETS, st.just("*")), SINCE),
    st.tuples(st.just("rate"), st.one_of(SUBSETS, st.just("*")), st.sampled_from([1, 10])),
    st.tuples(st.just("unsubscribe"), st.one_of(SUBSETS, st.just("*")), st.none()),
    st.tuples(st.just("take"), st.just(""), st.sampled_from([1, 300, 2_000, 65_536])),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.1, 1.0, 3.0, 31.0])),
    st.tuples(st.just("resume"), st.just(""), st.none()),
    st.tuples(st.just("room"), st.just(""), st.sampled_from([None, 0, 300, 5_000, 10**6])),
)
ACTIONS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(DEVICES), st.integers(1, 30)),
    st.tuples(st.just("lose"), st.sampled_from(DEVICES), st.integers(1, 4)),
    ACTIONS_OF_BROWSERS,
)


@pytest.fixture(scope="module", autouse=True, params=["large pieces", "small pieces"])
def _pieces(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run all tests twice: unchanged, and with pieces of one device and readings in the pauses."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "small pieces":
            patch.setattr("gateway.fanout.backlog_sender.DEVICES_AT_ONCE", 1)
            for name in ("PLACED_AT_ONCE", "ANSWERED_AT_ONCE"):
                patch.setattr(f"gateway.fanout.subscription_table.{name}", 1)
            patch.setattr("gateway.fanout.fanout.SENT_AT_ONCE", 1)
            patch.setattr("gateway.fanout.positions.COPIED_AT_ONCE", 0)
            patch.setattr("gateway.fanout.group.COHORT_MAX", 1)
            patch.setattr("gateway.fanout.throttle.SCANNED_AT_ONCE", 1)
            patch.setattr(Browser, "is_busy_world", True)
        yield


@dataclass
class Checker:
    """Checks every event that one browser receives against the rules of the protocol."""

    world: World
    browser: Browser
    names: dict[str, int | None] = field(default_factory=dict)
    star: bool = False
    star_rate: int | None = None
    at: dict[str, Cursor] = field(default_factory=dict)

    def covers(self, device_id: str) -> bool:
        return self.star or device_id in self.names

    def is_full(self, device_id: str) -> bool:
        return self.covers(device_id) and self.names.get(device_id, self.star_rate) is None

    def make_room(self, room: int | None) -> None:
        """Let the connection poll (None), be full (0), or take so many more bytes."""
        self.browser.connection.block()
        self.browser.connection.room = room

    def subscribe(self, devices: Any, since: str | None, rate: int | None = None) -> None:
        self.judge(self.browser.hear())
        more: dict[str, Any] = {} if since is None else {"since": dict.fromkeys(devices, since)}
        if rate is not None:
            more["max_rate_hz"] = rate
        if since is not None and devices == "*":
            more["since"] = {"*": since}
        before = {d for d, c in self.at.items() if c != START}
        answer = self.browser.subscribe(devices, **more)
        if devices == "*":
            self.star, self.star_rate = True, rate
        else:
            self.names |= dict.fromkeys(devices, rate)
        assert devices == "*" or set(answer) <= set(devices)
        for device_id, told in answer.items():
            cursor = parse_cursor(told["cursor"])
            assert cursor is not None
            if self.is_full(device_id) and (since is not None or cursor != START):
                kept = since is None and device_id in before
                assert not kept or self.is_at(device_id, cursor), "its position moved by itself"
                self.at[device_id] = cursor
            else:
                self.at.pop(device_id, None)
        self.forget_what_is_not_full()

    def unsubscribe(self, devices: Any) -> None:
        self.judge(self.browser.hear())
        self.browser.unsubscribe(devices)
        if devices == "*":
            self.names.clear()
            self.star = False
        for device_id in [] if devices == "*" else devices:
            self.names.pop(device_id, None)
        self.forget_what_is_not_full()

    def forget_what_is_not_full(self) -> None:
        self.at = {d: cursor for d, cursor in self.at.items() if self.is_full(d)}

    def judge(self, events: list[tuple[str, dict[str, Any]]]) -> None:
        for name, body in events:
            assert self.covers(body["device_id"]), "something uncovered was sent"
            if name == "speed_change" and self.is_full(body["device_id"]):
                self.judge_reading(body)
            elif name == "gap":
                self.judge_gap(body)

    def judge_reading(self, body: dict[str, Any]) -> None:
        cursor, before = Cursor(body["epoch"], body["seq"]), self.at.get(body["device_id"])
        if before is not None and before != START:
            follows = self.world.follows(body["device_id"], before, cursor)
            assert follows, f"{cursor} after {before}: missing or repeated without a gap"
        self.at[body["device_id"]] = cursor

    def judge_gap(self, body: dict[str, Any]) -> None:
        device_id = body["device_id"]
        before, after = parse_cursor(body["before"]), parse_cursor(body["after"])
        assert before is not None
        assert after is not None
        assert self.is_full(device_id), "a gap to a client with a rate"
        if device_id in self.at and self.at[device_id] != START:
            assert self.is_at(device_id, after), f"a gap from {after}, elsewhere"
        self.at[device_id] = Cursor(before.epoch, before.seq - 1)

    def is_at(self, device_id: str, position: Cursor) -> bool:
        """Tell whether the browser was sent all up to a position, and no more.

        The end of an epoch and the beginning of the next are the same position.
        """
        at = self.at[device_id]
        is_ahead = self.world.follows(device_id, at, Cursor(position.epoch, position.seq + 1))
        is_behind = self.world.follows(device_id, position, Cursor(at.epoch, at.seq + 1))
        return at == position or is_ahead or is_behind

    def resume(self) -> None:
        """Lose the connection, and subscribe again with the cursors."""
        self.judge(self.browser.hear())
        full = {d: str(c) for d, c in self.at.items() if self.is_full(d)}
        self.world.fanout.remove(self.browser.name)
        self.world.fanout.add(self.browser.name, self.browser.connection)
        names, star, star_rate = dict(self.names), self.star, self.star_rate
        self.names, self.star = {}, False
        if star:
            since = {d: c for d, c in full.items() if d not in names} | {"*": "0-0"}
            self.browser.subscribe("*", **_rate(star_rate), since=since)
            self.star, self.star_rate = True, star_rate
        for device_id, rate in names.items():
            since = {device_id: full[device_id]} if device_id in full else {}
            self.browser.subscribe([device_id], **_rate(rate), since=since)
            self.names[device_id] = rate


def _rate(rate: int | None) -> dict[str, Any]:
    return {} if rate is None else {"max_rate_hz": rate}


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), ACTIONS), max_size=40))
def test_browser_actions_keep_the_rules(
    actions: list[tuple[str, tuple[str, Any, Any]]],
) -> None:
    world = World(readings=10)
    checkers = {name: Checker(world, Browser(world, name)) for name in ("x", "y")}
    for name, (action, what, more) in actions:
        act(world, checkers[name], action, what, more)
    finish(world, checkers)
    for checker in checkers.values():
        for device_id in DEVICES:
            head = world.head(device_id)
            if head is not None and checker.is_full(device_id) and device_id in checker.at:
                assert checker.at[device_id] >= head, "the stream stopped before the head"


DEVICE_EVENTS = st.one_of(
    st.tuples(st.just("ride"), st.sampled_from(MORE_DEVICES), st.integers(1, 15)),
    st.tuples(st.just("ride_lossy"), st.sampled_from(MORE_DEVICES), st.integers(1, 4)),
    st.tuples(
        st.just("restart"), st.sampled_from(MORE_DEVICES), st.sampled_from(["on", "on", "back"])
    ),
    st.tuples(
        st.just("status"), st.sampled_from(MORE_DEVICES), st.sampled_from(["online", "stopping"])
    ),
    st.tuples(st.just("replay"), st.sampled_from(["answers", "silent", "absent"]), st.none()),
)


CURSOR_INSIDE_A_GAP: list[tuple[str, tuple[str, Any, Any]]] = [
    ("x", ("ride", "a", 1)),
    ("x", ("ride", "b", 1)),
    ("y", ("subscribe", "*", "1000-2")),
    ("y", ("take", "", 1)),
    ("x", ("restart", "b", "on")),
    ("x", ("ride", "b", 1)),
]
"""A cursor of readings that the gateway never had, then a new epoch, during a sweep."""


@settings(max_examples=80, deadline=None)
@example(CURSOR_INSIDE_A_GAP)
@given(
    st.lists(
        st.tuples(st.sampled_from(["x", "y"]), st.one_of(ACTIONS_OF_BROWSERS, DEVICE_EVENTS)),
        min_size=12,
        max_size=40,
    )
)
def test_device_events_keep_the_rules(
    actions: list[tuple[str, tuple[str, Any, Any]]],
) -> None:
    world = WorldOfJournals(readings=10, devices_max=3)
    checkers = {name: Checker(world, Browser(world, name)) for name in ("x", "y")}
    for name, (action, what, more) in actions:
        act_in_world(world, checkers[name], action, what, more)
    finish(world, checkers)
    for checker in checkers.values():
        for device in world.devices:
            device_id, head = device.device_id, device.feed.head or START
            at = checker.at.get(device_id, START)
            from_nothing = at == START and head.seq == 0  # there is no reading before the head
            if device_id in checker.at and checker.is_full(device_id) and not from_nothing:
                assert checker.is_at(device_id, head), f"stands at {at}, the head is at {head}"
    if not any(action == "replay" and what != "answers" for _, (action, what, _) in actions):
        assert not world.devices.counts["gap_not_recovered"]


def act_in_world(
    world: WorldOfJournals, checker: Checker, action: str, what: Any, more: Any
) -> None:
    match action:
        case "ride":
            world.ride(what, more)
        case "ride_lossy":
            world.ride(what, more + 1, lost=more)
        case "restart":
            world.restart(what, back=more == "back")
        case "status":
            world.say_status(what, more, epoch=world.epochs.setdefault(what, EPOCH))
        case "replay":
            world.replay = what
        case _:
            act_as(checker, action, what, more)
    world.answer()


def act(world: World, checker: Checker, action: str, what: Any, more: Any) -> None:
    match action:
        case "publish":
            world.publish(what, more)
        case "lose":
            world.publish(what, skip=more)
        case _:
            act_as(checker, action, what, more)


def act_as(checker: Checker, action: str, what: Any, more: Any) -> None:
    match action:
        case "subscribe":
            checker.subscribe(what, more)
        case "rate":
            checker.subscribe(what, None, more)
        case "unsubscribe":
            checker.unsubscribe(what)
        case "take":
            checker.judge(checker.browser.take(more))
        case "wait":
            checker.world.wait(more)
        case "resume":
            checker.resume()
        case "room":
            checker.make_room(more)


def finish(world: World, checkers: dict[str, Checker]) -> None:
    """Wait until no gap or cursor is open, and send every client everything."""
    for seconds in (0.6, 0.6, 6.0, 31.0, 31.0):
        world.wait(seconds)
        for checker in checkers.values():
            checker.judge(checker.browser.drain())


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(["a", "b"]), st.integers(1, 5)),
    st.tuples(st.just("flush"), st.none(), st.none()),
    st.tuples(st.just("serve"), st.integers(0, 2), st.sampled_from([300, 65_536])),
    st.tuples(st.just("room"), st.integers(0, 2), st.sampled_from([0, 300, 10**6])),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_synced_or_lagging_in_order(
    steps: list[tuple[str, Any, Any]],
) -> None:
    world = World(readings=1_000)
    browsers = [Browser(world, str(n), connection=FakeConnection(10**6)) for n in range(3)]
    for browser in browsers:
        browser.subscribe(["a", "b"])
    world.publish("a")
    for browser in browsers:
        browser.drain()
    for kind, what, more in steps:
        match kind:
            case "publish":
                world.publish(what, more)
            case "flush":
                world.fanout.send_live()
            case "serve" if browsers[what].connection.room:
                browsers[what].serve(more)
            case "room":
                browsers[what].connection.block()
                browsers[what].connection.room = more
    for browser in browsers:
        browser.drain()
        for device_id in ("a", "b"):
            assert browser.seqs(device_id) == [*range(1, world.seqs.get(device_id, 0) + 1)]


WATCHED = st.sampled_from([["a"], ["b"], ["a", "b"], ["a", "b", "c"]])


@settings(max_examples=130, deadline=None)
@given(
    watched=st.lists(WATCHED, min_size=2, max_size=4),
    everything=st.booleans(),
    total_bytes=st.sampled_from([3_000, 100_000]),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.sampled_from(["a", "b"]), st.sampled_from([1, 8, 40])),
            st.tuples(st.just("flush"), st.none(), st.none()),
            st.tuples(st.just("block"), st.integers(0, 3), st.none()),
        ),
        min_size=5,
        max_size=20,
    ),
)
@example([["a"], ["a", "b"]], False, 100_000, [("block", 0, None), ("publish", "a", 40)])
@example(
    [["a"], ["a", "b"]],
    False,
    3_000,
    [("block", 0, None), ("block", 1, None)] + [("publish", "a", 8)] * 9,
)
def test_groups_with_a_shared_device(
    watched: list[list[str]],
    everything: bool,
    total_bytes: int,
    steps: list[tuple[str, Any, Any]],
) -> None:
    world = World(readings=20, total_bytes=total_bytes)
    world.publish("a")
    world.publish("b")
    wishes: list[Any] = [*watched, *(["*"] if everything else [])]
    checkers = [
        Checker(world, Browser(world, str(number), connection=FakeConnection(10**6)))
        for number in range(len(wishes))
    ]
    for checker, wish in zip(checkers, wishes, strict=True):
        checker.subscribe(wish, None)
        checker.judge(checker.browser.drain())
    for kind, what, more in steps:
        if kind == "publish":
            world.publish(what, more)
        elif kind == "flush":
            world.fanout.send_live()
        elif what < len(checkers):
            checkers[what].browser.connection.block()
    for checker in checkers:
        checker.judge(checker.browser.drain())
        for device_id in ("a", "b"):
            if checker.covers(device_id):
                assert checker.at[device_id] == world.head(device_id)


def test_blocked_client_lags_and_recovers() -> None:
    world = World()
    browsers = [Browser(world, str(n), connection=FakeConnection(10**6)) for n in range(3)]
    world.publish("a")
    for browser in browsers:
        browser.subscribe(["a"])
        browser.drain()
    for browser in browsers:
        browser.drain()
    world.publish("a")
    assert world.fanout.send_live() == []
    assert [browser.connection.sent for browser in browsers] == [browsers[0].connection.sent] * 3
    browsers[1].connection.block()
    world.publish("a", 2)
    assert world.fanout.send_live() == ["1"]
    assert [len(browser.hear()) for browser in browsers] == [3, 1, 3]
    last = browsers[1].seqs("a")[-1]
    assert [body["seq"] for _, body in browsers[1].take()] == [last + 1, last + 2]


def test_full_send_wants_a_flush() -> None:
    world = World(readings=2_000)
    browser = Browser(world, connection=FakeConnection(10**6))
    world.publish("a")
    browser.subscribe(["a", "b"])
    browser.drain()
    wanted = []
    for count in (100, 900):
        world.publish("a", count)
        wanted.append(world.fanout.has_full_send)
    assert len(browser.take()) == 1_000
    assert [*wanted, world.fanout.has_full_send] == [False, True, False]


INTERRUPTIONS = st.tuples(
    st.integers(0, 3),
    st.one_of(
        st.tuples(st.just("subscribe"), st.sampled_from([["a"], ["b"], "*"]), st.none()),
        st.tuples(st.just("unsubscribe"), st.sampled_from([["a"], "*"]), st.none()),
        st.tuples(st.just("resume"), st.just(""), st.none()),
        st.tuples(st.just("room"), st.just(""), st.sampled_from([0, 300, 10**6])),
        st.tuples(st.just("serve"), st.just(""), st.sampled_from([300, 65_536])),
        st.tuples(st.just("publish"), st.sampled_from(DEVICES), st.integers(1, 12)),
        st.tuples(st.just("flush"), st.just(""), st.none()),
    ),
)


@settings(max_examples=130, deadline=None)
@given(
    together=st.sampled_from([1, 2, 64]),
    readings=st.sampled_from([10, 100]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(DEVICES), st.integers(1, 12), st.lists(INTERRUPTIONS, max_size=6)
        ),
        min_size=1,
        max_size=10,
    ),
)
def test_changes_within_a_flush(
    together: int,
    readings: int,
    steps: list[tuple[str, int, list[tuple[int, tuple[str, Any, Any]]]]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.fanout.group.COHORT_MAX", together)
        patch.setattr("gateway.fanout.fanout.SENT_AT_ONCE", 1)
        world = World(readings=readings)
        for device_id in DEVICES:
            world.publish(device_id)
        checkers = [
            Checker(world, Browser(world, str(n), connection=FakeConnection(10**6)))
            for n in range(4)
        ]
        for checker in checkers:
            checker.subscribe("*", None)
            checker.judge(checker.browser.drain())
        for device_id, count, interruptions in steps:
            world.publish(device_id, count)
            world.fanout.send_live(partial(interrupt, checkers, iter(interruptions)))
        for checker in checkers:
            checker.make_room(10**6)
            checker.judge(checker.browser.drain())
            for device_id, at in checker.at.items():
                assert at == world.head(device_id)


def interrupt(checkers: list[Checker], waiting: Iterator[tuple[int, tuple[str, Any, Any]]]) -> None:
    """Do the next of some actions, between two pieces of a flush."""
    nothing: tuple[int, tuple[str, Any, Any]] = 0, ("", None, None)
    number, (action, what, more) = next(waiting, nothing)
    checker = checkers[number]
    match action:
        case "flush":
            checker.world.fanout.send_live()
        case "serve":
            if checker.browser.connection.room:
                checker.browser.serve(more)
        case _:
            act(checker.world, checker, action, what, more)


@pytest.mark.parametrize("clients", [1, 200])
def test_flush_pauses_between_cohorts(clients: int) -> None:
    world = World()
    connections = [FakeConnection(10**6) for _ in range(clients)]
    browsers = [Browser(world, str(n), connection=it) for n, it in enumerate(connections)]
    world.publish("a")
    for browser in browsers:
        browser.subscribe(["a"])
        browser.drain()
    for browser in browsers:
        browser.drain()
    world.publish("a")
    served = [0]
    assert (
        world.fanout.send_live(
            lambda: served.append(sum(map(bool, (it.sent for it in connections))))
        )
        == []
    )
    served.append(clients)
    assert all(bool(it.sent) for it in connections)
    assert max(b - a for a, b in pairwise(served)) <= COHORT_MAX + SENT_AT_ONCE


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 4_000))
def test_whole_frames_within_the_room(count: int, room: int) -> None:
    world = World(readings=100)
    browser = Browser(world)
    browser.subscribe(["a"], since={"a": "0-0"})
    world.publish("a", count)
    world.wait(2.1)
    while frames := world.fanout.take("browser", world.now, room_bytes=room).frames:
        sizes = [len(frame) for frame in frames]
        assert sum(sizes[:-1]) < room
        assert all(packet_of(frame).endswith(b"]") for frame in frames)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400))
def test_memory_of_a_lagging_client(first: int, second: int) -> None:
    world = World(readings=50)
    lagging, idle = Browser(world, "lagging"), Browser(world, "idle")
    for browser in (lagging, idle):
        browser.subscribe(["a", "b"])
        browser.drain()
    world.publish("a", first)
    world.publish("b", first)
    size = cost_bytes(world, "lagging")
    world.publish("a", second)
    world.publish("b", second)
    idle.drain()
    assert abs(cost_bytes(world, "lagging") - size) <= POSITIONS_BYTES
    tails = [group for device in DEVICES for group in world.fanout._groups.covering(device)]
    assert all(len(group._frames) <= 2 * group.length for group in tails)


POSITIONS_BYTES = 2_000
"""Two positions and their tables: a client may have a backlog or not."""


def cost_bytes(world: World, name: str) -> int:
    """Add up the size of a client's state: all objects that only this client refers to."""
    shared = (Group, Cohort, Device, type, types.FunctionType, types.ModuleType)
    seen: set[int] = set()
    todo: list[object] = [world.fanout.clients[name]]
    total = 0
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, shared):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        todo += gc.get_referents(item)
    return total
