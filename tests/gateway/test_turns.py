"""The thread that waits for the loop: whose turn it is, how it fails, how it ends."""

import threading
from collections.abc import Callable

import pytest
import zmq

from gateway.links import LinkSettings
from gateway.replay_routes import Route
from tests.gateway.link_peers import (
    TOPIC,
    WAIT_S,
    Loop,
    Peers,
    StartLinks,
    hearing,
    open_descriptors,
    subscriptions,
)
from tests.timing import eventually, scaled_s


def test_the_loop_is_not_woken_again_while_it_has_the_turn(
    peers: Peers, start_links: StartLinks
) -> None:
    publisher, loop = hearing(peers, start_links)
    publisher.send_multipart([TOPIC, b"first"])
    assert loop.woken.wait(scaled_s(WAIT_S))
    for _ in range(100):
        publisher.send_multipart([TOPIC, b"more"])
    wakes = loop.wakes
    assert len(loop.take(101)) == 101
    assert loop.wakes - wakes < 50


def test_take_without_a_turn_hands_out_nothing(peers: Peers, start_links: StartLinks) -> None:
    publisher, loop = hearing(peers, start_links)
    assert loop.subscriber.take() == []
    publisher.send_multipart([TOPIC, b"{}"])
    assert loop.payloads(1) == [b"{}"]


def test_what_kills_the_thread_comes_out_of_take_and_stopping_still_works(
    peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    loop = Loop(LinkSettings(device_connect=(endpoint,)))
    fault = RuntimeError("injected")

    def fail_once() -> None:
        monkeypatch.setattr(loop.subscriber._turns, "_wake", loop.wake)
        raise fault

    monkeypatch.setattr(loop.subscriber._turns, "_wake", fail_once)
    loop.subscriber.start()
    subscriptions(publisher)
    publisher.send_multipart([TOPIC, b"{}"])
    with pytest.raises(RuntimeError, match="injected"):
        loop.turn()
    assert loop.subscriber.failed is fault
    eventually(lambda: not loop.subscriber.is_alive, what="the end of the thread")
    loop.subscriber.stop()


def test_stopping_leaves_no_thread_and_no_descriptor(
    peers: Peers, free_port: Callable[[], int]
) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    _, replay = peers.bind(zmq.ROUTER)
    offered = f"tcp://127.0.0.1:{free_port()}"
    threads, descriptors = threading.active_count(), open_descriptors()
    for has_turn in (False, True):
        loop = Loop(LinkSettings((endpoint,), None, (replay,), offered))
        loop.subscriber.start()
        subscriptions(publisher)
        if has_turn:
            publisher.send_multipart([TOPIC, b"{}"])
            assert loop.woken.wait(scaled_s(WAIT_S))
        loop.subscriber.stop()
        assert loop.subscriber.take() == []
        subscriptions(publisher)  # unsubscribed
    # the publisher's side of the connections goes in its own time
    eventually(lambda: open_descriptors() == descriptors, what="the end of the connections")
    assert threading.active_count() == threads


def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    loop = Loop(LinkSettings())
    loop.subscriber.stop()
    loop.subscriber.stop()
    loop.subscriber.ask([(Route("tcp://127.0.0.1:1"), b"")])
    assert loop.subscriber.take() == []
