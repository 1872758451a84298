"""What an XPUB takes of its peers' subscriptions, and what it does with all the others."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
import zmq

from device import subscriptions
from device.sockets import Socket, Sockets, open_sockets
from device.subscriptions import Subscriptions
from shared.contexts import open_context
from shared.settings import load_settings
from tests.device.peers import Peers
from tests.timing import eventually, scaled_s

IDS = ["ebike-001", "ebike-002"]
READING, STATUS = b"ebike/reading/ebike-001/", b"ebike/status/ebike-002/"


class Publishing:
    """The XPUB of a device, and its subscriptions; the test takes its turns."""

    def __init__(self, stack: ExitStack, endpoint: str, *flags: str) -> None:
        settings = load_settings("device", [*flags, "--fleet-size", "2"], {}, Path("/nonexistent"))
        context = stack.enter_context(open_context())
        self.sockets: Sockets = stack.enter_context(closing(open_sockets(context, settings)))
        self.endpoint = endpoint
        self.subscriptions = Subscriptions(self.sockets.pub, self.sockets.pub_doors, IDS)

    def reaches(self, subscriber: Socket, topic: bytes) -> bool:
        """Publish until a subscriber hears something; tell whether it is this topic."""

        def is_heard() -> bool:
            self.subscriptions.turn()
            self.sockets.pub.send_multipart([topic, b"{}"])
            return bool(subscriber.poll(20))

        eventually(is_heard, what="a message")
        return subscriber.recv_multipart() == [topic, b"{}"]

    def turn_until(self, condition: Callable[[], bool], what: str) -> None:
        def is_so() -> bool:
            self.subscriptions.turn()
            return condition()

        eventually(is_so, what=what)


@pytest.fixture
def device(free_port: Callable[[], int]) -> Iterator[Publishing]:
    with ExitStack() as stack:
        endpoint, replay = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        yield Publishing(stack, endpoint, "--pub-bind", endpoint, "--replay-bind", replay)


def subscriber(peers: Peers, endpoint: str, topic: bytes) -> Socket:
    """Open a SUB with this subscription only."""
    sub = peers.open(zmq.XSUB, endpoint)
    sub.send(b"\1" + topic)
    return sub


@pytest.mark.parametrize("topic", [b"", b"e", b"ebike/", b"ebike/reading/", READING])
def test_the_beginning_of_a_topic_is_taken(device: Publishing, peers: Peers, topic: bytes) -> None:
    assert device.reaches(subscriber(peers, device.endpoint, topic), READING)
    assert device.subscriptions.ignored == 0


def test_only_what_was_asked_for_comes(device: Publishing, peers: Peers) -> None:
    sub = subscriber(peers, device.endpoint, b"ebike/status/")
    assert device.reaches(sub, STATUS)
    device.sockets.pub.send_multipart([READING, b"{}"])
    device.sockets.pub.send_multipart([STATUS, b"last"])
    while (frames := sub.recv_multipart())[1] != b"last":
        assert frames[0] == STATUS


def test_an_unsubscription_is_taken(device: Publishing, peers: Peers) -> None:
    sub = subscriber(peers, device.endpoint, b"ebike/status/")
    sub.send(b"\1ebike/reading/")
    assert device.reaches(sub, READING)
    sub.send(b"\0ebike/reading/")
    sub.send(b"\1nothing")
    device.turn_until(lambda: device.subscriptions.ignored == 1, "the last subscription")
    while sub.poll(0):
        sub.recv_multipart()
    device.sockets.pub.send_multipart([READING, b"{}"])
    assert device.reaches(sub, STATUS)


@pytest.mark.parametrize("topic", [b"fbike/", READING + b"x", b"ebike/reading/ebike-003/"])
def test_another_topic_is_ignored(device: Publishing, peers: Peers, topic: bytes) -> None:
    subscriber(peers, device.endpoint, topic)
    device.turn_until(lambda: device.subscriptions.ignored > 0, "the subscription")
    assert device.subscriptions.ignored == 1


@pytest.mark.parametrize("message", [b"", b"\2ebike/", b"hello"])
def test_what_is_no_subscription_is_ignored(
    device: Publishing, peers: Peers, message: bytes
) -> None:
    sub = subscriber(peers, device.endpoint, b"")
    sub.send(message)
    assert device.reaches(sub, READING)
    device.turn_until(lambda: device.subscriptions.ignored > 0, "the message")
    assert device.subscriptions.ignored == 1


def test_peer_with_most_ignored_is_cut(
    device: Publishing, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "IGNORED_MAX", 100)
    (door,) = device.sockets.pub_doors
    honest = subscriber(peers, device.endpoint, b"ebike/")
    honest.send(b"\1another/bike")
    device.turn_until(lambda: door.peers == 1, "the honest peer")
    (first,) = door._peers.values()
    hostile = peers.open(zmq.XSUB, device.endpoint)
    numbers = itertools.count()

    def is_cut() -> bool:
        """Send more each time: what comes before the doorkeeper knows a peer is not counted."""
        for number in itertools.islice(numbers, 20):
            hostile.send(b"\1stranger/%d" % number)
        return door.cuts > 0

    device.turn_until(is_cut, "the cut")
    assert device.reaches(honest, READING)
    assert door.peer(first.descriptor) is first  # it never left: the other one was cut off


def test_a_flood_of_subscriptions_costs_no_memory(device: Publishing, peers: Peers) -> None:
    process = psutil.Process()
    assert device.reaches(honest := subscriber(peers, device.endpoint, b""), READING)
    before = process.memory_info().rss
    hostile = peers.open(zmq.XSUB, device.endpoint)
    for number in range(50_000):
        hostile.send(b"\1%060d" % number)
    (door,) = device.sockets.pub_doors
    device.turn_until(lambda: door.cuts > 0, "the cut")
    assert device.reaches(honest, READING)
    assert process.memory_info().rss - before < 60_000_000


def test_a_device_that_connects_takes_subscriptions(
    peers: Peers, free_port: Callable[[], int]
) -> None:
    endpoint, replay = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    sub = peers.open(zmq.SUB, endpoint, bind=True)
    with ExitStack() as stack:
        flags = ("--pub-connect", endpoint, "--replay-bind", replay)
        assert Publishing(stack, endpoint, *flags).reaches(sub, READING)


def test_through_a_proxy(device: Publishing, peers: Peers, free_port: Callable[[], int]) -> None:
    behind = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        front, back = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
        front.linger = back.linger = 0
        front.connect(device.endpoint)
        back.bind(behind)

        def forward() -> None:
            with front, back:
                try:
                    zmq.proxy(front, back)
                except zmq.ContextTerminated:
                    return

        thread = threading.Thread(target=forward)
        thread.start()
        stack.callback(thread.join, scaled_s(10.0))
        stack.callback(context.term)
        sub = peers.open(zmq.SUB, behind)
        assert device.reaches(sub, READING)
