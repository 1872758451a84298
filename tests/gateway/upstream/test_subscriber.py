"""The gateway's links at work, over real sockets: what comes in and what goes out."""

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import zmq

from gateway.upstream.replay_client import FeedReply, ReplayClient
from gateway.upstream.replay_routes import ReplayRoutes, Route
from gateway.upstream.sockets import (
    LIVE_FRAME_BYTES_MAX,
    REPLAY_QUEUE,
    SUBSCRIBE,
    Incoming,
    LinkSettings,
)
from gateway.upstream.subscriber import (
    LINK_MESSAGES,
    SILENCE_S,
    TAKE_BYTES,
    TAKE_MESSAGES,
)
from shared.reading import Reading
from shared.wire import (
    ReplayAnswer,
    decode_request,
    encode_answer,
    encode_reading,
    encode_refusal,
    encode_serve,
)
from tests.gateway.link_peers import (
    ANSWER,
    TOPIC,
    Peers,
    StartLinks,
    ask_until_heard,
    hearing,
)
from tests.timing import eventually


def test_messages_in_order(peers: Peers, start_links: StartLinks) -> None:
    publisher, loop = hearing(peers, start_links)
    sent = [b"%d" % number for number in range(5_000)]
    for payload in sent:
        publisher.send_multipart([TOPIC, payload])
    assert loop.payloads(5_000) == sent


def test_message_with_its_endpoint(peers: Peers, start_links: StartLinks) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    loop = start_links(LinkSettings(device_connect=(endpoint,)))
    loop.subscriptions(publisher)
    publisher.send_multipart([TOPIC, b"{}"])
    assert loop.take(1) == [Incoming("live", Route(endpoint), [TOPIC, b"{}"])]


def test_device_connects_to_gateway(
    peers: Peers, start_links: StartLinks, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    loop = start_links(LinkSettings(device_bind=endpoint))
    publishers = [peers.connect(zmq.XPUB, endpoint) for _ in range(3)]
    for publisher in publishers:
        assert loop.subscriptions(publisher) == {b"\x01ebike/reading/", b"\x01ebike/status/"}
        publisher.send_multipart([TOPIC, b"{}"])
    assert loop.payloads(3) == [b"{}"] * 3


def test_several_endpoints_in_order(peers: Peers, start_links: StartLinks) -> None:
    publishers = [peers.bind(zmq.XPUB) for _ in range(3)]
    endpoints = tuple(endpoint for _, endpoint in publishers)
    loop = start_links(LinkSettings(device_connect=endpoints))
    sent = [b"%d" % number for number in range(500)]
    for publisher, _ in publishers:
        loop.subscriptions(publisher)
        for payload in sent:
            publisher.send_multipart([TOPIC, payload])
    taken = loop.take(1_500)
    for endpoint in endpoints:
        assert [m.frames[1] for m in taken if m.route.endpoint == endpoint] == sent


def test_request_and_answer(peers: Peers, start_links: StartLinks) -> None:
    device, endpoint = peers.bind(zmq.ROUTER)
    loop = start_links(LinkSettings(replay_connect=(endpoint,)))
    name = ask_until_heard(loop, device, Route(endpoint))
    device.send_multipart([name, *ANSWER])
    assert loop.take(1) == [Incoming("replay", Route(endpoint), ANSWER)]


def test_endpoint_that_knows_device_answers(peers: Peers, start_links: StartLinks) -> None:
    stranger, knower = peers.bind(zmq.ROUTER), peers.bind(zmq.ROUTER)
    endpoints = (stranger[1], knower[1])
    loop = start_links(LinkSettings(replay_connect=endpoints))
    for device, endpoint in (stranger, knower):
        ask_until_heard(loop, device, Route(endpoint))
    replay = ReplayClient(ReplayRoutes(endpoints, 10), lambda: "an-id", 10)
    loop.subscriber.send(replay.requests_for("ebike-001", "backfill", None, 5, 0.0))
    name, payload = loop.receive(stranger[0])
    stranger[0].send_multipart([name, *encode_refusal("an-id", "ebike-001", "unknown_device", "")])
    (refused,) = loop.take(1)
    assert replay.receive(refused.route, refused.frames, 0.1) is None
    name, payload = loop.receive(knower[0])
    reading = Reading("ebike-001", 7, 1, 0, 25.0)
    pages = encode_answer(
        decode_request(payload), [encode_reading(reading)], reading.cursor, reading.cursor
    )
    knower[0].send_multipart([name, *pages])
    (answered,) = loop.take(1)
    answer = replay.receive(answered.route, answered.frames, 0.2)
    assert isinstance(answer, FeedReply)
    assert isinstance(answer.reply, ReplayAnswer)
    assert answer.reply.readings == (reading,)


def test_connecting_bike_offers_replay(
    peers: Peers, start_links: StartLinks, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    loop = start_links(LinkSettings(replay_bind=endpoint))
    bikes = [peers.connect(zmq.DEALER, endpoint) for _ in range(2)]
    routes = []
    for number, bike in enumerate(bikes):
        offer = encode_serve([f"ebike-{number}"])
        bike.send(offer)
        (message,) = loop.take(1)
        assert (message.kind, message.frames) == ("replay", [offer])
        routes.append(message.route)
    for number, (bike, route) in enumerate(zip(bikes, routes, strict=True)):
        loop.subscriber.send([(route, b"question %d" % number)])
        assert loop.receive(bike) == [b"question %d" % number]
        bike.send_multipart(ANSWER)
        assert loop.take(1) == [Incoming("replay", route, ANSWER)]


def test_request_waits_for_device(
    peers: Peers, start_links: StartLinks, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    loop = start_links(LinkSettings(replay_connect=(endpoint,)))
    loop.subscriber.send([(Route(endpoint), b"early")])
    device = peers.open(zmq.ROUTER)
    device.bind(endpoint)
    assert loop.receive(device)[1:] == [b"early"]


def test_old_requests_are_dropped(
    peers: Peers, start_links: StartLinks, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    loop = start_links(LinkSettings(replay_connect=(endpoint,)))
    loop.subscriber.send([(Route(endpoint), b"too early")])
    loop.now_s += SILENCE_S
    loop.batches.clear()
    loop.subscriber.send([])
    loop.run_until(lambda: bool(loop.batches), what="a turn")
    device = peers.open(zmq.ROUTER)
    device.bind(endpoint)
    assert ask_until_heard(loop, device, Route(endpoint))
    assert loop.notices == []


def test_unsent_requests_are_counted(start_links: StartLinks, free_port: Callable[[], int]) -> None:
    offered = f"tcp://127.0.0.1:{free_port()}"
    loop = start_links(LinkSettings(replay_bind=offered))
    loop.subscriber.send([(Route(offered, b"gone"), b"too late")])
    assert loop.subscriber.unsent == 1


def test_hundreds_of_requests_at_once(peers: Peers, start_links: StartLinks) -> None:
    device, endpoint = peers.bind(zmq.ROUTER)
    loop = start_links(LinkSettings(replay_connect=(endpoint,)))
    name = ask_until_heard(loop, device, Route(endpoint))
    questions = [b"question %d" % number for number in range(REPLAY_QUEUE // 2)]
    loop.subscriber.send((Route(endpoint), question) for question in questions)
    assert [device.recv_multipart() for _ in questions] == [[name, it] for it in questions]


def test_requests_go_out_while_messages_pour_in(peers: Peers, start_links: StartLinks) -> None:
    publisher, endpoint = peers.bind(zmq.XPUB)
    device, replay = peers.bind(zmq.ROUTER)
    loop = start_links(LinkSettings(device_connect=(endpoint,), replay_connect=(replay,)))
    loop.subscriptions(publisher)
    for _ in range(5_000):
        publisher.send_multipart([TOPIC, b"{}"])
    name = ask_until_heard(loop, device, Route(replay))
    device.send_multipart([name, *ANSWER])
    taken = loop.take(5_001)
    assert Incoming("replay", Route(replay), ANSWER) in taken


def test_turn_is_bounded(peers: Peers, start_links: StartLinks) -> None:
    publisher, loop = hearing(peers, start_links)
    for _ in range(2_000):
        publisher.send_multipart([TOPIC, b"small"])
    for _ in range(100):
        publisher.send_multipart([TOPIC, bytes(20_000)])
    loop.run_until(lambda: sum(map(len, loop.batches)) == 2_100, what="all messages")
    sizes = [sum(len(f) for message in batch for f in message.frames) for batch in loop.batches]
    assert max(map(len, loop.batches)) <= TAKE_MESSAGES
    assert max(sizes) <= TAKE_BYTES + 20_000 + len(TOPIC)


def test_flood_delays_no_other_link(peers: Peers, start_links: StartLinks) -> None:
    flood, calm = peers.bind(zmq.XPUB), peers.bind(zmq.XPUB)
    loop = start_links(LinkSettings(device_connect=(flood[1], calm[1])))
    for publisher, _ in (flood, calm):
        loop.subscriptions(publisher)
    assert list(loop.subscriber.take()) == []

    def are_ready() -> bool:
        loop.look()
        return len(loop.subscriber._ready) == 2

    for publisher, payload, count in ((flood[0], b"flood", 5_000), (calm[0], b"calm", 1)):
        for _ in range(count):
            publisher.send_multipart([TOPIC, payload])
    eventually(are_ready, what="both messages")
    payloads = [message.frames[1] for message in loop.subscriber.take()]
    assert payloads.index(b"calm") <= LINK_MESSAGES


def test_dead_subscription_is_renewed(peers: Peers, start_links: StartLinks) -> None:
    publisher, loop = hearing(peers, start_links)
    publisher.xpub_verbose = 1  # tells of every subscription, not of the first of its topic only
    publisher.send_multipart([TOPIC, b"before"])
    loop.take(1)
    for _ in range(3):
        loop.now_s += SILENCE_S
        loop.subscriber.send([])
        topics: list[bytes] = []
        while len(topics) < 2:
            topics += [m for m in loop.receive(publisher) if m.startswith(SUBSCRIBE)]
    publisher.send_multipart([TOPIC, b"after"])
    assert loop.payloads(1) == [b"after"]
    [(event, fields)] = loop.notices
    assert event == "devices_silent"
    assert str(fields["endpoint"]).startswith("tcp://127.0.0.1:")


@pytest.mark.parametrize("was_heard", [True, False])
def test_cut_off_peer_heard_after_silence(
    peers: Peers, start_links: StartLinks, was_heard: bool
) -> None:
    publisher, loop = hearing(peers, start_links)
    if was_heard:
        publisher.send_multipart([TOPIC, b"before"])
        loop.take(1)
    publisher.send_multipart([TOPIC, bytes(LIVE_FRAME_BYTES_MAX + 1)])
    assert all(topic.startswith(b"\0") for topic in loop.subscriptions(publisher))
    loop.now_s += SILENCE_S
    loop.subscriber.send([])
    assert all(topic.startswith(SUBSCRIBE) for topic in loop.subscriptions(publisher))
    publisher.send_multipart([TOPIC, b"after"])
    assert loop.payloads(1) == [b"after"]
    assert len(loop.notices) == was_heard


def test_renewal_without_free_descriptor(peers: Peers, start_links: StartLinks) -> None:
    publisher, loop = hearing(peers, start_links)
    publisher.xpub_verbose = 1
    publisher.send_multipart([TOPIC, b"before"])
    loop.take(1)
    loop.now_s += SILENCE_S
    with no_descriptor_left():
        assert list(loop.subscriber.take()) == []
    assert [event for event, _ in loop.notices] == ["devices_silent", "link_not_renewed"]
    publisher.send_multipart([TOPIC, b"meanwhile"])
    assert loop.payloads(1) == [b"meanwhile"]
    loop.now_s += SILENCE_S
    loop.subscriber.send([])
    topics: list[bytes] = []
    while len(topics) < 2:
        topics += [m for m in loop.receive(publisher) if m.startswith(SUBSCRIBE)]


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Open files until no more may be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    greatest = max(int(entry.name) for entry in Path("/dev/fd").iterdir())
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (greatest + 1, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):
            while True:
                stack.enter_context(Path("/dev/null").open("rb"))
        yield


def test_unheard_publisher_is_not_logged(
    start_links: StartLinks, free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    loop = start_links(LinkSettings(device_connect=(endpoint,)))
    loop.now_s += 100 * SILENCE_S
    loop.subscriber.send([])
    loop.run_until(lambda: bool(loop.batches), what="a turn")
    assert loop.notices == []
