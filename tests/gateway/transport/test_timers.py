"""Deadlines and heartbeats, on a clock that the test drives."""

import time

import gevent
import pytest

from gateway.transport.engineio.heartbeat import Heartbeat
from gateway.transport.event_loop.timers import Clock, Deadlines, Schedule
from tests.gateway.transport.clients import until


def test_due_items_oldest_first() -> None:
    called: list[tuple[str, float]] = []
    deadlines: Deadlines[str] = Deadlines(10, lambda item, due: called.append((item, due)))
    assert deadlines.add("a", 0) == 10
    assert deadlines.add("b", 3) == 13
    assert deadlines.next_due == 10
    deadlines.run(9.9)
    assert called == []
    deadlines.run(12)
    assert called == [("a", 10)]
    deadlines.run_all()
    assert called == [("a", 10), ("b", 13)]


def test_short_and_long_delays() -> None:
    clock, called = Clock(), list[str]()
    long: Schedule[str] = clock.queue(60, lambda item, due: called.append(item))
    short: Schedule[str] = clock.queue(0.02, lambda item, due: called.append(item))
    due = long.add("long")
    for word in ("first", "second"):
        short.add(word)
        until(lambda: called[-1:] == [word])  # noqa: B023  # called within the turn
    assert called == ["first", "second"]
    assert clock._armed_for == due
    clock.stop()


def test_failing_call_does_not_stop_clock(capsys: pytest.CaptureFixture[str]) -> None:
    clock, called = Clock(), list[str]()

    def call(item: str, due: float) -> None:
        called.append(item)
        if item == "bad":
            raise ZeroDivisionError

    queue: Schedule[str] = clock.queue(0.01, call)
    queue.add("bad")
    queue.add("good")
    until(lambda: called == ["bad", "good"])
    assert "ZeroDivisionError" in capsys.readouterr().err
    clock.stop()


def test_stopped_clock_calls_nobody() -> None:
    clock, called = Clock(), list[str]()
    queue: Schedule[str] = clock.queue(0.01, lambda item, due: called.append(item))
    queue.add("x")
    clock.stop()
    gevent.sleep(0.05)  # the absence of a call can only be waited for
    assert called == []


class Client:
    def __init__(self) -> None:
        self.closed = False
        self.listening = True
        self.pong_due: float | None = None
        self.did: list[str] = []

    def send_ping(self) -> None:
        self.did.append("ping")

    def expire(self) -> None:
        self.did.append("expire")
        self.closed = True


class Turned:
    """A ``Clock`` and a heartbeat; the test sets their time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Clock, "arm_for", lambda clock, due: None)
        self.clock = Clock()
        self.heart = Heartbeat(self.clock, interval_s=25, timeout_s=20)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            for queue in self.clock._queues:
                queue.run(self.now)


def test_ping_one_interval_after_pong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turned, client = Turned(monkeypatch), Client()
    turned.heart.start(client)
    turned.pass_time(24)
    assert client.did == []
    turned.pass_time(1)
    assert client.did == ["ping"]
    turned.pass_time(10)
    turned.heart.on_pong(client)
    turned.heart.on_pong(client)
    turned.pass_time(24)
    assert client.did == ["ping"]
    turned.pass_time(1)
    assert client.did == ["ping", "ping"]


def test_silent_client_expires_once(monkeypatch: pytest.MonkeyPatch) -> None:
    turned, client = Turned(monkeypatch), Client()
    turned.heart.start(client)
    turned.pass_time(44)
    assert not turned.heart.is_overdue(client, turned.now)
    assert turned.heart.is_overdue(client, turned.now + 1)
    turned.pass_time(100)
    assert client.did == ["ping", "expire"]


def test_unread_client_does_not_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turned, client = Turned(monkeypatch), Client()
    turned.heart.start(client)
    turned.pass_time(30)
    client.listening = False
    turned.pass_time(200)
    assert client.did == ["ping"] * 11
    client.listening = True
    turned.pass_time(20)
    assert client.did == ["ping"] * 11 + ["expire"]


def test_unasked_pong_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    turned, client = Turned(monkeypatch), Client()
    turned.heart.start(client)
    for _ in range(100):
        turned.heart.on_pong(client)
    turned.pass_time(25)
    assert client.did == ["ping"]
