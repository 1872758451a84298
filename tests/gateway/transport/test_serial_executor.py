"""Calls of one client into the application."""

import time

import gevent
from gevent.event import Event

from gateway.transport.event_loop.serial_executor import (
    MAX_WAITING,
    MAX_WAITING_BYTES,
    CallOnce,
    SerialExecutor,
)
from tests.gateway.transport.clients import until
from tests.timing import scaled_s


class Client:
    def __init__(self) -> None:
        self.is_light = True
        self.charged_s = 0.0

    def charge(self, began_s: float) -> None:
        self.charged_s += time.monotonic() - began_s

    def on_room(self) -> None:
        """Mind nothing."""

    def on_size(self) -> None:
        """Mind nothing."""


def wait_until_idle(executor: SerialExecutor) -> None:
    until(lambda: executor.idle)


def test_calls_in_order_in_one_greenlet() -> None:
    seen: list[tuple[int, int]] = []
    executor = SerialExecutor(Client())

    def call(number: int) -> None:
        seen.append((number, id(gevent.getcurrent())))
        gevent.sleep(0)

    for number in range(10):
        executor.put(call, number)
    assert not executor.idle
    wait_until_idle(executor)
    assert [number for number, _ in seen] == list(range(10))
    assert len({greenlet for _, greenlet in seen}) == 1


def test_full_by_number_or_bytes() -> None:
    gate, said = Event(), list[bool]()
    executor = SerialExecutor(client := Client())
    client.on_room = lambda: said.append(executor.full)  # type: ignore[method-assign]  # this one
    begun = Event()

    def wait_at_gate() -> None:
        begun.set()
        gate.wait()

    executor.put(wait_at_gate)
    assert begun.wait(scaled_s(5))
    for _ in range(MAX_WAITING):
        assert not executor.full
        executor.put(lambda: None)
    assert executor.full
    gate.set()
    wait_until_idle(executor)
    assert said == [False, False]
    executor.put(lambda: None, size=MAX_WAITING_BYTES)
    assert executor.full
    wait_until_idle(executor)
    assert not executor.full


def test_failed_call_does_not_stop_next() -> None:
    seen: list[str] = []
    executor = SerialExecutor(Client())
    executor.put(lambda: 1 / 0)
    executor.put(seen.append, "next")
    wait_until_idle(executor)
    assert seen == ["next"]


def test_only_computing_is_charged() -> None:
    executor = SerialExecutor(client := Client())
    executor.put(gevent.sleep, 0.05)
    wait_until_idle(executor)
    assert client.charged_s < 0.05
    executor.put(time.sleep, 0.05)
    wait_until_idle(executor)
    assert client.charged_s >= 0.05


def test_calls_that_were_dropped_do_not_run() -> None:
    seen: list[str] = []
    executor = SerialExecutor(Client())
    executor.put(executor.drop)
    executor.put(seen.append, "dropped")
    wait_until_idle(executor)
    assert not executor.full
    executor.put(seen.append, "later")
    wait_until_idle(executor)
    assert seen == ["later"]


def test_waiting_call_lets_next_begin() -> None:
    gate, seen = Event(), list[str]()
    executor = SerialExecutor(Client())

    def call(name: str) -> None:
        seen.append(f"{name} begins")
        gate.wait()
        seen.append(f"{name} ends")

    executor.put(call, "a", is_alone=False)
    executor.put(call, "b", is_alone=True)
    executor.put(call, "c", is_alone=False)
    until(lambda: len(seen) == 2)
    assert seen == ["a begins", "b begins"]
    assert not executor.idle
    gate.set()
    wait_until_idle(executor)
    assert seen[2:] == ["a ends", "b ends", "c begins", "c ends"]
    assert not executor._waiting_bytes


def test_quick_calls_share_one_greenlet() -> None:
    greenlets = set[int]()
    executor = SerialExecutor(Client())
    for _ in range(10):
        executor.put(lambda: greenlets.add(id(gevent.getcurrent())), is_alone=False)
    wait_until_idle(executor)
    assert len(greenlets) == 1


def test_parked_calls_fill_the_executor() -> None:
    gate, begun = Event(), list[int]()
    executor = SerialExecutor(Client())

    def call(number: int) -> None:
        begun.append(number)
        gate.wait()

    for number in range(MAX_WAITING):
        executor.put(call, number, is_alone=False)
    until(lambda: len(begun) == MAX_WAITING)
    assert executor.full
    gate.set()
    until(lambda: not executor.full)
    executor.put(gevent.sleep, 0, size=MAX_WAITING_BYTES, is_alone=False)
    until(lambda: executor.full)
    until(lambda: not executor.full)


def test_call_is_made_once() -> None:
    seen: list[str] = []
    once = CallOnce(seen.append, ("made",))
    once()
    once()
    assert seen == ["made"]
