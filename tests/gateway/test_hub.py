"""The hub's turn: what comes in is taken in before anybody is judged, and each gets his share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from time import thread_time
from typing import Any

import gevent
import pytest
from gevent.event import Event
from loguru import logger

from gateway.devices.devices import Devices, Limits
from gateway.domain import LOGGED_FAULTS, Now
from gateway.fanout.subscription import Subscribe
from gateway.hub import ANSWERS_ABOUT_ALL, Hub, read_clocks
from gateway.receiver import EXPECTED, LINES_A_MINUTE
from gateway.timeouts import JUDGE_LATEST_S, LATE_S, TURN_S
from gateway.upstream.replay_client import ReplayClient
from gateway.upstream.replay_routes import ReplayRoutes, Route
from gateway.upstream.sockets import Incoming
from shared.cursor import Cursor
from shared.reading import Reading, Status
from shared.wire import (
    ReplayRequest,
    decode_request,
    encode_answer,
    encode_reading,
    encode_refusal,
    encode_serve,
    encode_status,
    reading_topic,
    status_topic,
)
from tests.timing import scaled_s

REPLAY = Route("tcp://replay:5557")
BIKE = Route("tcp://*:5558", b"bike")


@dataclass
class Wire:
    """The links, played by hand: what waits to be taken in, and what was asked."""

    waiting: list[Incoming] = field(default_factory=list)
    asked: list[ReplayRequest] = field(default_factory=list)
    is_emptied: bool = True

    def start(self) -> None:
        """Nothing has to be opened."""

    def take(self) -> list[Incoming]:
        taken, self.waiting = self.waiting, []
        return taken

    def ask(self, requests: Iterable[tuple[Route, bytes]]) -> None:
        self.asked += [decode_request(payload) for _route, payload in requests]

    def publish(self, seq: int, device_id: str = "a") -> None:
        payload = encode_reading(Reading(device_id, 1, seq, 5, 20.0))
        self.waiting.append(Incoming("live", REPLAY, [reading_topic(device_id), payload]))

    def say_status(self, last_seq: int) -> None:
        payload = encode_status(Status("a", 1, last_seq, 5, "online", 100))
        self.waiting.append(Incoming("live", REPLAY, [status_topic("a"), payload]))

    def reply(self, frames: list[bytes], route: Route = REPLAY) -> None:
        self.waiting.append(Incoming("replay", route, frames))

    def answer(self, request: ReplayRequest, seqs: Iterable[int]) -> None:
        found = [encode_reading(Reading("a", 1, seq, 5, 20.0)) for seq in seqs]
        self.reply(encode_answer(request, found, Cursor(1, 1), Cursor(1, 99)))


class Clock:
    """A clock that moves by hand."""

    def __init__(self) -> None:
        self.time_s = 1_000.0

    def __call__(self) -> Now:
        return Now(self.time_s, 1_700_000_000_000)


@dataclass
class Stage:
    """A hub whose links are played by hand."""

    hub: Hub
    wire: Wire
    clock: Clock

    def turn(self, wait_s: float = 0.0) -> None:
        self.clock.time_s += wait_s
        self.hub.turn()

    def pass_time(self, seconds: float) -> None:
        """Turn as often as the hub does, so that it does not take the time for a pause."""
        for _ in range(round(seconds / TURN_S)):
            self.turn(TURN_S)

    @property
    def is_online(self) -> bool:
        device = self.hub.devices.get("a")
        assert device is not None
        return device.feed.online


class NoMulticast:
    """Takes nobody in, so that everybody is served one by one."""

    def __init__(self, _on_left: object) -> None:
        pass

    def add(self, _connection: object, _client: object) -> bool:
        return False

    def discard(self, _connection: object) -> None:
        pass

    def send(self, _data: bytes) -> None:
        pass


@pytest.fixture
def stage() -> Stage:
    return make_stage(Clock(), NoMulticast)


def make_stage(clock: Clock, open_multicast: Any) -> Stage:
    wire = Wire()
    ids = (f"q{number}" for number in count())
    replay = ReplayClient(ReplayRoutes([REPLAY.endpoint], 10), ids.__next__, 10)
    devices = Devices(Limits(10, 100, 1_000_000, 5.0))
    hub = Hub(devices, replay, lambda _watch, _wake, _notice: wire, open_multicast, clock=clock)  # type: ignore[arg-type, return-value]  # as much of links as the hub needs
    hub.start()
    return Stage(hub, wire, clock)


# --- in ---------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(written.append, format="{message} {extra}", level="WARNING")
    yield written
    logger.remove(sink)


@pytest.mark.parametrize(
    ("topic", "payload", "words"),
    [
        (
            reading_topic("a"),
            b'{"v":1,"speed":20}',
            ["id_mismatch", "'a'", '"speed":20', "must be"],
        ),
        (reading_topic("a"), b"speed=20", ["bad_json", "'a'", "speed=20"]),
        (b"ebike/reading/a", b'{"v":1}', ["bad_topic", "ebike/reading/a", "<device_id>/"]),
        (b"bike\n/7", b'{"v":1}', ["bad_topic", "bike", "<device_id>/"]),
    ],
)
def test_refused_message_log_line(
    stage: Stage, lines: list[str], topic: bytes, payload: bytes, words: list[str]
) -> None:
    for _ in range(3):
        stage.wire.waiting.append(Incoming("live", REPLAY, [topic, payload]))
    stage.turn()
    (line,) = lines
    assert line.startswith("message_refused")
    for word in words:
        assert word in line
    assert line.count("\n") == 1


def test_refused_message_lines_are_limited(stage: Stage, lines: list[str]) -> None:
    for number in range(3 * LINES_A_MINUTE):
        frames = [reading_topic(f"bike-{number}"), b"?"]
        stage.wire.waiting.append(Incoming("live", REPLAY, frames))
    stage.turn()
    assert len(lines) == LINES_A_MINUTE
    stage.wire.waiting.append(Incoming("live", REPLAY, [reading_topic("bike-150"), b"?"]))
    stage.turn(61)
    assert len(lines) == LINES_A_MINUTE + 1


def test_expected_for_every_fault() -> None:
    assert set(EXPECTED) == LOGGED_FAULTS


def test_seq_back_log_line(stage: Stage, lines: list[str]) -> None:
    stage.wire.publish(100)
    for seq in range(1, 10):
        stage.wire.publish(seq)
        stage.turn(0.5)
    (line,) = lines
    for word in ("device_fault", "seq_back", "1-8", "1-100", "number after the one before"):
        assert word in line


def test_reading_starts_backfill(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    assert stage.is_online
    assert [(q.after, q.limit) for q in stage.wire.asked] == [(Cursor(1, 0), 4)]


def test_answer_leads_to_next_question(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.wire.answer(stage.wire.asked[0], [1, 2])
    stage.turn(0.1)
    assert stage.wire.asked[1].after == Cursor(1, 2)
    device = stage.hub.devices.get("a")
    assert device is not None
    assert device.feed.oldest == Cursor(1, 1)


def test_refused_and_busy_replay(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.wire.reply(encode_refusal(stage.wire.asked[0].id, "a", "busy", "later"))
    stage.turn()
    stage.pass_time(0.6)
    stage.wire.reply(encode_refusal(stage.wire.asked[1].id, "a", "unknown_device", "no"))
    stage.turn()
    stage.pass_time(1.1)
    assert [q.after for q in stage.wire.asked] == [Cursor(1, 0)] * 3


def test_offering_bike_asked_at_once(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.pass_time(1.5)
    asked = len(stage.wire.asked)
    stage.wire.reply([encode_serve(["a"])], BIKE)
    stage.turn()
    assert len(stage.wire.asked) == asked + 2  # the bike, and the endpoint beside it


def test_bad_messages_are_counted(stage: Stage) -> None:
    for _ in range(3):
        stage.wire.waiting.append(Incoming("live", REPLAY, [b"ebike/reading/a/", b"{"]))
    stage.wire.publish(1)
    stage.turn()
    assert stage.hub.devices.counts["bad_json"] == 3
    assert stage.is_online


def read_past(stage: Stage, timeout_s: float) -> "gevent.Greenlet[..., Any]":
    reader = gevent.spawn(stage.hub.read_past, "a", Cursor(1, 3), 7, timeout_s)
    gevent.idle()  # until it waits
    return reader


def test_past_is_read_in_one_call(stage: Stage) -> None:
    reader = read_past(stage, scaled_s(10))
    [request] = stage.wire.asked
    assert (request.after, request.limit) == (Cursor(1, 3), 7)
    stage.wire.answer(request, [4, 5])
    stage.turn()
    assert [reading.seq for reading in reader.get(timeout=scaled_s(10)).readings] == [4, 5]
    stage.wire.answer(request, [4, 5])
    stage.turn()
    assert stage.hub.devices.counts["stray_answer"] == 1


def test_past_is_refused_by_device(stage: Stage) -> None:
    reader = read_past(stage, scaled_s(10))
    stage.wire.reply(encode_refusal(stage.wire.asked[0].id, "a", "busy", "later"))
    stage.turn()
    assert reader.get(timeout=scaled_s(10)).code == "busy"


def test_past_without_answer_in_time(stage: Stage) -> None:
    stage.wire.publish(5)
    stage.turn()
    stage.wire.answer(stage.wire.asked[0], [1, 2])
    stage.turn()
    assert read_past(stage, 0.01).get(timeout=scaled_s(10)) is None
    device = stage.hub.devices.get("a")
    assert device is not None
    assert device.feed.oldest is None


def test_past_with_nobody_to_ask(stage: Stage) -> None:
    stage.hub.receiver.links = None
    assert stage.hub.read_past("a", None, 7, 60.0) is None


# --- who is judged, and when ------------------------------------------------------------------


def test_offline_after_three_seconds(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    for _ in range(29):
        stage.turn(0.1)
    assert stage.is_online
    for _ in range(8):
        stage.turn(0.1)
    assert not stage.is_online


def test_judging_waits_after_pause(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    stage.turn(15.0)
    assert stage.is_online
    stage.wire.say_status(1)
    stage.turn(LATE_S / 2)
    stage.turn(LATE_S)
    assert stage.is_online


def test_judging_under_flood(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    stage.wire.is_emptied = False
    turns = 0
    while stage.is_online:
        stage.turn(TURN_S)
        turns += 1
    assert 3.0 <= turns * TURN_S <= 3.0 + JUDGE_LATEST_S + 1.0


# --- who is sent to ---------------------------------------------------------------------------


class Browser:
    """A connection by WebSocket: what was sent, and whether the kernel takes more."""

    transport = "websocket"

    def __init__(self, *, writable: bool = True) -> None:
        self.writable = writable
        self.sent = b""
        self.is_closed = False

    def send_frames(self, data: bytes) -> None:
        assert self.writable
        self.sent += data

    def wake_poll(self) -> None:
        raise AssertionError("it does not poll")

    def close_transport(self) -> None:
        assert not self.is_closed
        self.is_closed = True


def _come(stage: Stage, name: str, browser: Browser) -> None:
    stage.hub.connect(name, browser)
    stage.hub.subscribe(name, Subscribe(("a",), everything=False))


def test_blocked_clients_cost_nothing(stage: Stage) -> None:
    deaf = [Browser(writable=False) for _ in range(3_000)]
    for number, browser in enumerate(deaf):
        _come(stage, f"deaf-{number}", browser)
    hearing = Browser()
    _come(stage, "hearing", hearing)
    stage.hub.turn()  # each is found to be full once, as many in a turn as there is time for
    while stage.hub._has_more:
        stage.hub.turn()
    for seq in range(1, 21):
        before = hearing.sent
        stage.wire.publish(seq)
        stage.turn(TURN_S)
        assert hearing.sent != before
        assert not stage.hub._has_more


def test_answers_about_all_are_limited(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    go_on, writing, answers = Event(), list[str](), list[str]()

    def come(name: str, request: Subscribe) -> None:
        def pause() -> None:
            writing.append(name)
            go_on.wait()

        stage.hub.connect(name, Browser())
        answers.append(stage.hub.subscribe(name, request, pause))

    names = [f"all-{number}" for number in range(2 * ANSWERS_ABOUT_ALL)]
    clients = [gevent.spawn(come, name, Subscribe((), everything=True)) for name in names]
    clients.append(gevent.spawn(come, "one", Subscribe(("a",), everything=False)))
    gevent.idle()  # until all of them wait
    assert sorted(writing) == [*names[:ANSWERS_ABOUT_ALL], "one"]
    go_on.set()
    gevent.joinall(clients, timeout=scaled_s(10))
    assert len(answers) == len(clients)


def test_answer_ends_when_client_left(stage: Stage) -> None:
    class Left(Exception):
        pass

    def leave() -> None:
        raise Left

    everything = Subscribe((), everything=True)
    for number in range(2 * ANSWERS_ABOUT_ALL):  # so that none keeps its place in the line
        stage.hub.connect(f"left-{number}", Browser())
        with pytest.raises(Left):
            stage.hub.subscribe(f"left-{number}", everything, leave)
        assert not stage.hub.fanout.clients[f"left-{number}"].everything
    stage.hub.connect("here", Browser())
    assert stage.hub.subscribe("here", everything) == '{"ok":true,"devices":{}}'


def test_writable_client_continues(stage: Stage) -> None:
    browser = Browser(writable=False)
    _come(stage, "browser", browser)
    stage.wire.publish(1)
    stage.turn()
    assert browser.sent == b""
    browser.writable = True
    stage.hub.on_writable("browser")
    stage.turn(TURN_S)
    assert b'"seq":1' in browser.sent


def test_judging_in_late_turns(stage: Stage) -> None:
    stage.wire.publish(1)
    stage.turn()
    for _ in range(20):
        stage.turn(LATE_S + 0.05)
    assert not stage.is_online


class CostlySends:
    """In step: everybody is sent all of it, and each send takes its time."""

    COST_S = 0.000_1

    def __init__(self, clock: Clock, browsers: list[Browser]) -> None:
        self._clock, self._browsers = clock, browsers

    def add(self, browser: Browser, _client: object) -> bool:
        self._browsers.append(browser)
        return True

    def discard(self, browser: Browser) -> None:
        self._browsers.remove(browser)

    def send(self, data: bytes) -> None:
        for browser in self._browsers:
            browser.sent += data
            self._clock.time_s += self.COST_S


def test_flush_is_sent_in_pieces() -> None:
    clock = Clock()
    stage = make_stage(clock, lambda _: CostlySends(clock, []))
    browsers = [Browser() for _ in range(500)]
    for number, browser in enumerate(browsers):
        _come(stage, str(number), browser)
    for seq in (1, 2):  # with the first reading they catch up; from the second on they are in step
        stage.wire.publish(seq)
        stage.turn(TURN_S)
        while stage.hub._has_more:
            stage.turn(TURN_S)
    for browser in browsers:
        browser.sent = b""
    served = [0]

    def count() -> None:
        served.append(sum(bool(browser.sent) for browser in browsers))

    polled = gevent.get_hub().loop.check()
    polled.start(count)
    stage.wire.publish(3)
    stage.turn(TURN_S)
    polled.close()
    count()
    assert served[-1] == len(browsers)
    longest_s = max(after - before for before, after in pairwise(served)) * CostlySends.COST_S
    assert longest_s <= 0.01


def test_full_batch_skips_flush_wait(stage: Stage) -> None:
    stage.hub.devices.limits = Limits(10, 5_000, 1_000_000, 5.0)
    browser = Browser()
    stage.hub.connect("browser", browser)
    stage.hub.subscribe("browser", Subscribe(("a", "b", "c", "d"), everything=False))
    for seq in (1, 2):
        stage.wire.publish(seq)
        stage.turn(TURN_S)
    before = browser.sent
    stage.hub._flush_s = 10.0
    for seq in range(3, 50):
        stage.wire.publish(seq)
    stage.turn(TURN_S)
    assert browser.sent == before
    for seq in range(50, 1_000):
        stage.wire.publish(seq)
    stage.turn(TURN_S)
    assert len(browser.sent) - len(before) > 60_000


def test_a_hostile_answer_is_read_in_pieces(stage: Stage) -> None:
    stage.hub._clock = read_clocks
    stage.wire.publish(2_000)
    stage.turn()
    after = stage.wire.asked[-1].after or Cursor(1, 0)
    hostile = [HOSTILE % (after.seq + number, b"[]," * 200) for number in range(1, 1_001)]
    stage.wire.reply(encode_answer(stage.wire.asked[-1], hostile, Cursor(1, 1), Cursor(1, 2_000)))
    times_s: list[float] = []
    polled = gevent.get_hub().loop.check()
    polled.start(lambda: times_s.append(thread_time()))
    gevent.sleep(0.001)
    stage.turn()
    gevent.sleep(0.001)
    polled.close()
    pieces_s = [after - before for before, after in pairwise(times_s)]
    assert max(pieces_s) < sum(pieces_s) / 4


HOSTILE = b'{"v":1,"device_id":"a","epoch":1,"seq":%d,"x":[%s1]}'
"""A reading that takes long to parse and is not valid."""
