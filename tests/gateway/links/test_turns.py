"""The thread that waits for the loop: whose turn it is, how it fails, how it ends."""

import threading
from collections.abc import Callable

import pytest
import zmq

from gateway.links.links import LinkSettings
from gateway.links.replay_routes import Route
from tests.gateway.link_peers import (
    TOPIC,
    WAIT_S,
    Loop,
    Peers,
    StartLinks,
    hearing,
    open_descriptors,
)
from tests.timing import eventually, scaled_s


def test_the_loop_is_not_woken_again_while_it_has_the_turn(
    peers: Peers, start_links: StartLinks
) -> None:
    publisher, loop = hearing(peers, start_links)
    publisher.send_multipart([TOPIC, b"first"])
    assert loop.woken.wait(scaled_s(WAIT_S))
    eventually(lambda: loop.subscriber._turns.is_loops, what="the turn")
    wakes = loop.wakes
    for _ in range(100):
        publisher.send_multipart([TOPIC, b"more"])
    assert loop.wakes == wakes
    assert len(loop.take(101)) == 101


def test_what_kills_the_thread_comes_out_of_take_and_stopping_still_works(
    monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    loop = Loop(LinkSettings(device_bind=f"tcp://127.0.0.1:{free_port()}"))
    fault = RuntimeError("injected")

    def fail_once() -> None:
        monkeypatch.setattr(loop.subscriber._turns, "_wake", loop.wake)
        raise fault

    monkeypatch.setattr(loop.subscriber._turns, "_wake", fail_once)
    loop.subscriber.start()
    loop.subscriber.ask([])
    with pytest.raises(RuntimeError, match="injected"):
        loop.run_until(lambda: False, what="the fault")
    assert loop.subscriber.failed is fault
    eventually(lambda: not loop.subscriber.is_alive, what="the end of the thread")
    loop.subscriber.stop()


@pytest.mark.parametrize("has_turn", [False, True])
def test_stopping_leaves_no_thread_and_no_descriptor(
    peers: Peers, free_port: Callable[[], int], *, has_turn: bool
) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    _, replay = peers.bind(zmq.ROUTER)
    offered = f"tcp://127.0.0.1:{free_port()}"
    threads, descriptors = threading.active_count(), open_descriptors()
    loop = Loop(LinkSettings((endpoint,), None, (replay,), offered))
    loop.subscriber.start()
    loop.subscriptions(publisher)
    assert threading.active_count() == threads + 1
    if has_turn:
        publisher.send_multipart([TOPIC, b"{}"])
        eventually(lambda: loop.subscriber._turns.is_loops, what="the turn")
    loop.subscriber.stop()
    assert threading.active_count() == threads
    assert loop.subscriber.take() == []
    # the peers' side of the connections ends in its own time
    eventually(lambda: open_descriptors() == descriptors, what="the end of the connections")


def test_a_thread_that_does_not_end_keeps_its_sockets_and_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = Loop(LinkSettings())
    reached, released = threading.Event(), threading.Event()

    def hang() -> None:
        reached.set()
        released.wait(scaled_s(WAIT_S))

    monkeypatch.setattr(loop.subscriber._turns, "_wake", hang)
    monkeypatch.setattr("gateway.links.turns.STOP_MAX_S", 0.01)
    loop.subscriber.start()
    loop.subscriber.ask([])
    assert reached.wait(scaled_s(WAIT_S))
    loop.subscriber.stop()
    assert [event for event, _ in loop.notices] == ["links_stuck"]
    released.set()
    eventually(lambda: not loop.subscriber.is_alive, what="the end of the thread")
    loop.subscriber.stop()
    assert len(loop.notices) == 1


def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    loop = Loop(LinkSettings())
    loop.subscriber.stop()
    loop.subscriber.stop()
    loop.subscriber.ask([(Route("tcp://127.0.0.1:1"), b"")])
    assert loop.subscriber.take() == []
