"""Calls from native threads: in order, in the loop's thread, bounded."""

import threading
from collections.abc import Callable

import pytest

from gateway.transport.event_loop.wakeup import MAX_CALLS, ThreadCalls, TooManyCalls, get_ident
from tests.gateway.transport.clients import until


def in_thread(call: Callable[[], object]) -> list[BaseException]:
    """Run a call in a native thread to its end; return the error that it raised, if any."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # it belongs to the test's own thread
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


def test_calls_run_in_order_in_loop() -> None:
    threads, ran = ThreadCalls(), list[tuple[int, int]]()
    threads.serve_here()
    foreign: list[bool] = []

    def call_often() -> None:
        foreign.append(threads.is_foreign)
        for number in range(100):
            threads.put(lambda number=number: ran.append((number, get_ident())))  # type: ignore[misc]  # it has a default

    assert in_thread(call_often) == []
    assert not ran
    until(lambda: len(ran) == 100)
    assert [number for number, _ in ran] == list(range(100))
    assert {ident for _, ident in ran} == {get_ident()}
    assert foreign == [True]
    assert not threads.is_foreign
    threads.stop()


def test_call_that_fails_stops_no_other() -> None:
    threads, ran = ThreadCalls(), list[str]()
    threads.serve_here()
    threads.put(lambda: 1 / 0)
    threads.put(lambda: ran.append("next"))
    until(lambda: len(ran) > 0)
    threads.stop()
    assert ran == ["next"]


def test_waiting_calls_are_bounded() -> None:
    threads = ThreadCalls()
    threads.serve_here()

    def flood() -> None:
        for _ in range(MAX_CALLS + 1):
            threads.put(lambda: None)

    (raised,) = in_thread(flood)
    assert isinstance(raised, TooManyCalls)
    until(lambda: not threads._calls)
    threads.stop()


def test_no_foreign_thread_before_loop() -> None:
    threads, foreign = ThreadCalls(), list[bool]()
    in_thread(lambda: foreign.append(threads.is_foreign))
    assert foreign == [False]


@pytest.mark.parametrize("inside", [True, False])
def test_calling_greenlet_may_not_wait(inside: bool) -> None:
    threads, said = ThreadCalls(), list[bool]()
    threads.serve_here()
    if inside:
        threads.put(lambda: said.append(threads.may_wait()))
        until(lambda: said)
    else:
        said.append(threads.may_wait())
    assert said == [not inside]
    threads.stop()
