"""Sending: blocked clients cost nothing, and a flush is sent in pieces."""

from itertools import pairwise

import gevent

from gateway.devices.devices import Limits
from gateway.fanout.subscription import Subscribe
from gateway.sender import SINGLE_SENDS_S
from gateway.timeouts import TURN_S
from tests.gateway.stage import Browser, Clock, Stage, come, make_stage


def test_blocked_clients_cost_nothing(stage: Stage) -> None:
    deaf = [Browser(writable=False) for _ in range(3_000)]
    for number, browser in enumerate(deaf):
        come(stage, f"deaf-{number}", browser)
    hearing = Browser()
    come(stage, "hearing", hearing)
    stage.hub.turn()  # each is found to be full once, as many in a turn as there is time for
    while stage.hub._has_more:
        stage.hub.turn()
    for seq in range(1, 21):
        before = hearing.sent
        stage.wire.publish(seq)
        stage.turn(TURN_S)
        assert hearing.sent != before
        assert not stage.hub._has_more


def test_writable_client_continues(stage: Stage) -> None:
    browser = Browser(writable=False)
    come(stage, "browser", browser)
    stage.wire.publish(1)
    stage.turn()
    assert browser.sent == b""
    browser.writable = True
    stage.hub.on_writable("browser")
    stage.turn(TURN_S)
    assert b'"seq":1' in browser.sent


class CostlySends:
    """In step: everybody is sent all of it, and each send takes its time."""

    COST_S = 0.000_01

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
    browsers = [Browser() for _ in range(2_000)]
    for number, browser in enumerate(browsers):
        come(stage, str(number), browser)
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


class Poller:
    """A connection by HTTP polling: counts how often its poll was woken."""

    transport, writable = "polling", True

    def __init__(self) -> None:
        self.woken = 0

    def wake_poll(self) -> None:
        self.woken += 1

    def send_frames(self, _data: bytes) -> None:
        raise AssertionError("it polls")

    def close_transport(self) -> None:
        raise AssertionError("nothing is wrong with it")


def test_polling_client_is_woken_and_pulls(stage: Stage) -> None:
    poller = Poller()
    stage.hub.connect("poller", poller)
    stage.hub.subscribe("poller", Subscribe(("a",), everything=False))
    stage.wire.publish(1)
    stage.turn()
    assert poller.woken == 1
    frames = stage.hub.pull("poller", room_bytes=100_000, room_frames=100)
    assert b'"seq":1' in b"".join(frames)
    assert not stage.hub.pull("poller", room_bytes=100_000, room_frames=100)
    assert stage.hub.pull("stranger", room_bytes=100_000, room_frames=100) == ()


def test_client_that_left_is_not_sent_to(stage: Stage) -> None:
    gone = Browser(writable=False)
    come(stage, "gone", gone)
    stage.turn()
    stage.hub.disconnect("gone")
    gone.writable = True
    stage.hub.on_writable("gone")
    stage.wire.publish(1)
    stage.turn(TURN_S)
    assert gone.sent == b""
    assert not stage.hub.sender.has_waiting


class SlowBrowser(Browser):
    """A browser that takes all of a turn's time for lagging clients with each send."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def send_frames(self, data: bytes) -> None:
        super().send_frames(data)
        self._clock.time_s += SINGLE_SENDS_S


def test_slow_clients_take_turns(stage: Stage) -> None:
    browsers = [SlowBrowser(stage.clock) for _ in range(3)]
    for number, browser in enumerate(browsers):
        come(stage, str(number), browser)
    stage.wire.publish(1)
    served = []
    for _ in browsers:
        stage.turn()
        served.append([b'"seq":1' in browser.sent for browser in browsers])
    assert served == [[True, False, False], [True, True, False], [True, True, True]]
