"""The descriptors of ZeroMQ sockets: every message wakes the loop, few wakes do, none is left."""

import random
import threading
from collections.abc import Callable

import zmq

from gateway.upstream.replay_routes import Route
from gateway.upstream.sockets import LinkSettings
from gateway.upstream.subscriber import TAKE_MESSAGES
from tests.gateway.link_peers import (
    REQUEST,
    TOPIC,
    Loop,
    Peers,
    StartLinks,
    ask_until_heard,
    hearing,
    open_descriptors,
)
from tests.timing import eventually


def test_no_missed_message_after_calls(peers: Peers, start_links: StartLinks) -> None:
    chance = random.Random(7)
    publisher, live = peers.bind(zmq.XPUB)
    device, replay = peers.bind(zmq.ROUTER)
    loop = start_links(LinkSettings(device_connect=(live,), replay_connect=(replay,)))
    loop.subscriptions(publisher)
    name = ask_until_heard(loop, device, Route(replay))
    for number in range(1_000):
        count = chance.choice((1, 1, 2, TAKE_MESSAGES + 1))
        for _ in range(count):
            publisher.send_multipart([TOPIC, b"%d" % number])
        if chance.random() < 0.5:
            loop.subscriber.send([(Route(replay), REQUEST)])
        if chance.random() < 0.5:
            device.send_multipart([name, b"%d" % number])
            count += 1
        if chance.random() < 0.3:
            loop.look(0)
        assert loop.payloads(count) == [b"%d" % number] * count


def test_no_missed_message_while_reading(peers: Peers, start_links: StartLinks) -> None:
    publisher, loop = hearing(peers, start_links)
    chance, sent = random.Random(8), [b"%d" % number for number in range(20_000)]

    def publish() -> None:
        for payload in sent:
            publisher.send_multipart([TOPIC, payload])
            for _ in range(chance.randrange(200)):  # so that queues run empty now and then
                pass

    publishing = threading.Thread(target=publish)
    publishing.start()
    try:
        assert loop.payloads(len(sent)) == sent
    finally:
        publishing.join()


def test_no_signal_while_unread(peers: Peers, start_links: StartLinks) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    loop = start_links(LinkSettings(device_connect=(endpoint,)))
    for _ in range(2):  # subscriptions; the loop has not turned, so it has not read its socket
        publisher.recv_multipart()
    loop.read_until_empty()
    before = loop.wakes
    publisher.send_multipart([TOPIC, b"first"])
    loop.look_until_woken(before)
    for _ in range(100):
        publisher.send_multipart([TOPIC, b"more"])
    [live] = [link.socket for link in loop.subscriber._links]
    eventually(lambda: bool(live.poll(0)), what="a message")
    for _ in range(10):
        loop.look(0.001)
    assert loop.wakes <= before + 2
    assert len(loop.take(101)) == 101


def test_stopping_leaves_nothing_watched_and_no_descriptor(
    peers: Peers, free_port: Callable[[], int]
) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    _, replay = peers.bind(zmq.ROUTER)
    descriptors = open_descriptors()
    loop = Loop(LinkSettings((endpoint,), None, (replay,), f"tcp://127.0.0.1:{free_port()}"))
    loop.subscriber.start()
    assert loop.watched == 3
    loop.subscriptions(publisher)
    publisher.send_multipart([TOPIC, b"{}"])
    loop.subscriber.stop()
    assert loop.watched == 0
    assert list(loop.subscriber.take()) == []
    loop.close()
    # the peers' side of the connections ends in its own time
    eventually(lambda: open_descriptors() == descriptors, what="the end of the connections")


def test_stop_twice() -> None:
    loop = Loop(LinkSettings())
    loop.subscriber.stop()
    loop.close()
    loop.subscriber.send([(Route("tcp://127.0.0.1:1"), b"")])
    assert loop.subscriber.unsent == 1
    assert list(loop.subscriber.take()) == []
