"""The gateway's sockets: endpoints that cannot be had, and what hostile peers can do."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from gateway.upstream.replay_routes import Route
from gateway.upstream.sockets import LinkSettings, link_settings, open_connected
from shared.contexts import open_context
from shared.errors import SettingsError
from shared.settings import load_settings
from shared.wire import READING_BYTES_MAX
from tests.faults.relay import Relay
from tests.gateway.link_peers import (
    TOPIC,
    WAIT_S,
    DeafPublisher,
    Loop,
    Peers,
    StartLinks,
    ask_until_heard,
    open_descriptors,
)
from tests.timing import eventually, scaled_s


def test_the_links_are_those_of_the_settings(tmp_path: Path) -> None:
    environ = {"SPOKE_MAX_DEVICES": "7"}
    assert link_settings(load_settings("gateway", [], environ, tmp_path)) == LinkSettings(
        device_connect=("tcp://127.0.0.1:5556",),
        device_bind=None,
        replay_connect=("tcp://127.0.0.1:5557",),
        replay_bind=None,
        devices_max=7,
    )


@pytest.mark.parametrize(
    ("setting", "devices_max", "queue", "frame_bytes_max"),
    [
        ("SPOKE_DEVICE_CONNECT", 10, 10_000, 65_536),
        ("SPOKE_DEVICE_CONNECT", 1_000, 20_000, 65_536),
        ("SPOKE_REPLAY_CONNECT", 1_000, 1_000, 1_048_576),
    ],
)
def test_queue_limits(setting: str, devices_max: int, queue: int, frame_bytes_max: int) -> None:
    settings = LinkSettings(devices_max=devices_max)
    with (
        open_context() as context,
        open_connected(context, setting, "tcp://127.0.0.1:9", settings) as opened,
    ):
        assert (opened.rcvhwm, opened.sndhwm) == (0, queue)  # received ones wait in an Intake
        assert opened.maxmsgsize == frame_bytes_max
        assert (opened.linger, opened.handshake_ivl) == (0, 3_000)
        assert (opened.heartbeat_ivl, opened.heartbeat_timeout) == (1_000, 3_000)
        assert (opened.reconnect_ivl, opened.reconnect_ivl_max) == (100, 2_000)


@pytest.mark.parametrize("setting", ["SPOKE_DEVICE_BIND", "SPOKE_REPLAY_BIND"])
def test_address_in_use_message(peers: Peers, setting: str) -> None:
    _, taken = peers.bind(zmq.REP)
    settings = {
        "SPOKE_DEVICE_BIND": LinkSettings(device_bind=taken),
        "SPOKE_REPLAY_BIND": LinkSettings(replay_bind=taken),
    }
    threads, descriptors = threading.active_count(), open_descriptors()
    loop = Loop(settings[setting])
    with pytest.raises(SettingsError) as caught:
        loop.subscriber.start()
    text = str(caught.value)
    assert text.startswith(f"{setting}: {taken} is in use")
    assert "\n" not in text
    flag = setting.removeprefix("SPOKE_").lower().replace("_", "-")
    assert f"another address with {setting} or --{flag}" in text
    loop.close()
    assert (threading.active_count(), open_descriptors()) == (threads, descriptors)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (LinkSettings(device_bind="tcp://192.0.2.1:5556"), "cannot listen on tcp://192.0.2.1:5556"),
        (LinkSettings(device_connect=("nonsense",)), "cannot connect to nonsense"),
    ],
)
def test_unavailable_endpoint_is_settings_error(settings: LinkSettings, expected: str) -> None:
    with closing(Loop(settings)) as loop, pytest.raises(SettingsError, match=expected):
        loop.subscriber.start()


def test_publisher_ignores_subscriptions(peers: Peers, start_links: StartLinks) -> None:
    with closing(DeafPublisher()) as deaf:
        publisher, endpoint = peers.bind(zmq.XPUB)
        loop = start_links(LinkSettings(device_connect=(deaf.endpoint, endpoint)))
        loop.subscriptions(publisher)
        deaf.accept()
        deaf.send(b"wrong", b"{}", times=10_000)
        publisher.send_multipart([TOPIC, b"{}"])
        taken = loop.take(10_001)
    assert [m.frames[0] for m in taken].count(b"wrong") == 10_000
    assert [m.frames[0] for m in taken if m.route.endpoint == endpoint] == [TOPIC]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([TOPIC], [TOPIC]),
        ([TOPIC, b""], [TOPIC, b""]),
        ([TOPIC, b"", b""], [TOPIC, b"", b""]),
        ([TOPIC, bytes(60_000)], [TOPIC, bytes(READING_BYTES_MAX + 1)]),
        ([TOPIC, *[b"frame"] * 10_000], [TOPIC, b"frame", b"frame"]),
        ([b"", b""], [b"", b""]),
    ],
)
def test_strange_message_is_bounded(
    start_links: StartLinks, frames: list[bytes], expected: list[bytes]
) -> None:
    with closing(DeafPublisher()) as deaf:
        loop = start_links(LinkSettings(device_connect=(deaf.endpoint,)))
        deaf.accept()
        deaf.send(*frames)
        deaf.send(TOPIC, b"valid")
        assert [message.frames for message in loop.take(2)] == [expected, [TOPIC, b"valid"]]


def test_oversized_frame_cuts_sender_off(peers: Peers, start_links: StartLinks) -> None:
    with closing(DeafPublisher()) as deaf:
        publisher, endpoint = peers.bind(zmq.XPUB)
        loop = start_links(LinkSettings(device_connect=(deaf.endpoint, endpoint)))
        loop.subscriptions(publisher)
        deaf.accept()
        deaf.send(TOPIC, bytes(65_537))
        assert deaf.wait_until_cut_off()
        publisher.send_multipart([TOPIC, b"valid"])
        assert loop.payloads(1) == [b"valid"]


def test_answer_of_too_many_frames(peers: Peers, start_links: StartLinks) -> None:
    device, endpoint = peers.bind(zmq.ROUTER)
    loop = start_links(LinkSettings(replay_connect=(endpoint,)))
    name = ask_until_heard(loop, device, Route(endpoint))
    device.send_multipart([name, *[b"frame"] * 10_000])
    device.send_multipart([name, *[bytes(1_000_000)] * 10])
    many, large = loop.take(2)
    assert len(many.frames) == 1_003
    assert sum(len(frame) for frame in large.frames) <= 2_100_000


def test_line_cut_during_answer(peers: Peers, free_port: Callable[[], int]) -> None:
    """With its option IMMEDIATE libzmq drops what is left, and aborts the process soon after."""
    device, target = peers.bind(zmq.ROUTER)
    answer = [b"header", *[b"reading"] * 1_000]
    with (
        closing(Relay(free_port(), int(target.rpartition(":")[2]))) as relay,
        open_context() as context,
        closing(
            open_connected(
                context, "SPOKE_REPLAY_CONNECT", f"tcp://127.0.0.1:{relay.port}", LinkSettings()
            )
        ) as asker,
    ):
        asker.send(b"question")
        name, _question = device.recv_multipart()
        device.send_multipart([name, *answer])
        assert asker.poll(int(scaled_s(WAIT_S) * 1_000))
        read = [asker.recv()]
        relay.drop()
        eventually(lambda: relay.accepted == 2, what="a new connection")
        while asker.getsockopt(zmq.RCVMORE):
            read.append(asker.recv(zmq.NOBLOCK))
        assert read == answer
