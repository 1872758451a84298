import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import zmq

from device.check.__main__ import main
from device.check.verdict import NOTHING_HEARD, RIGHT, WRONG
from device.sockets import Socket
from shared.wire import decode_request, encode_answer, encode_serve
from tests.device.peers import EPOCH, Peers, StartDevice, make_bike, steady
from tests.device.publishers import Frames, reading, status
from tests.timing import scaled_s

LISTEN = ["--seconds", "0.5"]
"""Enough for a steady publisher; what takes seconds to show is tested without sockets."""

Say = Callable[[int], list[Frames]]


@pytest.fixture
def pub(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def replay(free_port: Callable[[], int]) -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@contextmanager
def publishing(pub: Socket, say: Say) -> Iterator[None]:
    """Publish what ``say`` gives for 1, 2, 3 and so on, every 10 ms, from a thread."""
    stop = threading.Event()

    def publish() -> None:
        for number in count(1):
            for frames in say(number):
                pub.send_multipart(frames)
            if stop.wait(0.01):
                return

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(scaled_s(10))
        assert not thread.is_alive()


def right(number: int, **values: float) -> list[Frames]:
    """Say what a device without a clock and without a steady rate may say."""
    body = json.loads(reading(number, ts_ms=0)[1]) | values
    return [reading(number, payload=json.dumps(body).encode()), status(number, interval_ms=0)]


def test_correct_publisher_with_replay(
    start_device: StartDevice, pub: str, replay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bikes = [make_bike(steady(), device_id) for device_id in ("ebike-001", "ebike-002")]
    start_device(bikes, "--pub-bind", pub, "--replay-bind", replay)
    assert main([pub, "--replay", replay, "--seconds", "2"]) == RIGHT
    said = capsys.readouterr().out
    assert "heard   ebike-002: " in said
    assert f"replay  asked at {replay}\n" in said
    assert "wrong" not in said
    assert said.endswith("verdict right\n")


def test_a_fleet_is_right(start_device: StartDevice, pub: str, replay: str) -> None:
    bikes = [make_bike(steady(0.1), f"ebike-{number:03d}", 100) for number in range(1, 51)]
    start_device(bikes, "--pub-bind", pub, "--replay-bind", replay)
    assert main([pub, "--replay", replay, "--seconds", "2"]) == RIGHT


def test_unchecked_replay_is_reported(
    peers: Peers, pub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(peers.open(zmq.PUB, pub, bind=True), right):
        assert main([pub, *LISTEN]) == RIGHT
    assert "replay  not checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("say", "code"),
    [
        (lambda n: [reading(1), status(1)], "seq_repeated"),
        (lambda n: [reading(2 * n), status(2 * n)], "seq_jump"),
        (lambda n: [*right(n), [b"bike/speed", b"20"]], "bad_topic"),
        (lambda n: [*right(n), [b"20"]], "bad_frames"),
        (lambda n: [reading(n, speed_kmh="20"), status(n)], "invalid"),
        (
            lambda n: [reading(n, epoch=EPOCH + n), status(n, epoch=EPOCH + n)],
            "epoch_not_restarted",
        ),
        (lambda n: [reading(n, payload=b" " * 70_000), status(n)], "too_large"),
    ],
)
def test_wrong_publisher_and_reason(
    peers: Peers, pub: str, say: Say, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(peers.open(zmq.PUB, pub, bind=True), say):
        assert main([pub, *LISTEN]) == WRONG
    said = capsys.readouterr().out
    assert f"[{code}]" in said
    assert said.endswith("verdict wrong\n")


def test_advice_for_unknown_key(peers: Peers, pub: str, capsys: pytest.CaptureFixture[str]) -> None:
    with publishing(peers.open(zmq.PUB, pub, bind=True), lambda n: right(n, tyre_bar=4.5)):
        assert main([pub, *LISTEN]) == RIGHT
    said = capsys.readouterr().out
    assert "advice  ebike-001: unknown key 'tyre_bar' is dropped" in said
    assert '"extra": {"tyre_bar": ...}' in said


def test_silent_replay(
    peers: Peers, pub: str, replay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(peers.open(zmq.PUB, pub, bind=True), right):
        assert main([pub, "--replay", replay, *LISTEN]) == WRONG
    assert "[replay_silent]" in capsys.readouterr().out


def test_replay_without_envelope(
    peers: Peers, pub: str, replay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    router = peers.open(zmq.ROUTER, replay, bind=True)

    def answer() -> None:
        frames = router.recv_multipart()
        router.send_multipart(
            [frames[0], *encode_answer(decode_request(frames[-1]), (), None, None)]
        )

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with publishing(peers.open(zmq.PUB, pub, bind=True), right):
        assert main([pub, "--replay", replay, *LISTEN]) == WRONG
    thread.join(scaled_s(10))
    assert "[replay_envelope]" in capsys.readouterr().out


def test_bind_for_connecting_device(peers: Peers, pub: str) -> None:
    with publishing(peers.open(zmq.PUB, pub), right):
        assert main(["--bind", pub, "--seconds", "2"]) == RIGHT


@pytest.mark.parametrize(
    ("offers", "code"),
    [([], "no_serve"), ([b"{}"], "no_serve"), ([encode_serve(["other"])], "no_serve"),
     ([b"junk"], "bad_serve"), ([encode_serve(["ebike-001"])], "replay_silent")],
)  # fmt: skip
def test_connecting_publisher_without_a_right_replay(
    peers: Peers,
    pub: str,
    replay: str,
    offers: list[bytes],
    code: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dealer = peers.open(zmq.DEALER, replay)
    for offer in offers:
        dealer.send(offer)
    with publishing(peers.open(zmq.PUB, pub), right):
        assert main(["--bind", pub, "--replay", replay, *LISTEN]) == WRONG
    assert f"[{code}]" in capsys.readouterr().out


def test_connecting_device_with_replay(start_device: StartDevice, pub: str, replay: str) -> None:
    bikes = [make_bike(steady(), device_id) for device_id in ("ebike-001", "ebike-002")]
    start_device(bikes, "--pub-connect", pub, "--replay-connect", replay)
    assert main(["--bind", pub, "--replay", replay, "--seconds", "1.5"]) == RIGHT


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")
def test_a_publisher_on_ipv6_is_heard(peers: Peers, free_port: Callable[[], int]) -> None:
    place = f"tcp://[::1]:{free_port()}"
    with publishing(peers.open(zmq.PUB, place, bind=True), right):
        assert main([place, *LISTEN]) == RIGHT


def test_localhost_and_ipc_endpoints(
    peers: Peers, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    pub = peers.open(zmq.PUB, f"tcp://127.0.0.1:{port}", bind=True)
    pub.bind(f"ipc://{tmp_path}/bike")
    with publishing(pub, right):
        assert main([f"tcp://localhost:{port}", *LISTEN]) == RIGHT
        assert main([f"ipc://{tmp_path}/bike", *LISTEN]) == RIGHT


@pytest.mark.parametrize("between", [",", " , ", None])
def test_several_endpoints_are_heard_at_once(
    peers: Peers, tmp_path: Path, between: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"ipc://{tmp_path}/{name}" for name in ("one", "two")]
    first, second = (peers.open(zmq.PUB, place, bind=True) for place in places)

    def other(number: int) -> list[Frames]:
        told = status(number, device_id="ebike-002", interval_ms=0)
        return [reading(number, device_id="ebike-002", ts_ms=0), told]

    given = places if between is None else [between.join(places)]
    with publishing(first, right), publishing(second, other):
        assert main([*given, *LISTEN]) == RIGHT
    said = capsys.readouterr().out
    assert "heard   ebike-001: " in said
    assert "heard   ebike-002: " in said


@pytest.mark.parametrize("place", ["tcp://*:5556", "tcp://127.0.0.1", "inproc://bike", "udp://a:1"])
def test_endpoint_that_gateway_refuses(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([place]) == NOTHING_HEARD
    assert f"cannot connect to {place}: must " in capsys.readouterr().err


def test_nothing_heard_is_neither_right_nor_wrong(
    pub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([pub, *LISTEN]) == NOTHING_HEARD
    assert capsys.readouterr().out == "replay  not checked\nverdict nothing heard\n"


def test_the_verdict_in_json_says_the_same(
    peers: Peers, pub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(peers.open(zmq.PUB, pub, bind=True), lambda n: right(n, power_w=9999)):
        assert main([pub, "--json", *LISTEN]) == WRONG
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["verdict"], verdict["endpoint"]) == ("wrong", pub)
    assert verdict["replay"] == "not checked"
    assert verdict["devices"]["ebike-001"]["readings"] > 10
    (finding,) = verdict["findings"]
    assert (finding["level"], finding["code"]) == ("wrong", "bad_value")
    assert finding["count"] > 10


def test_what_is_no_endpoint_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["localhost"]) == NOTHING_HEARD
    said = capsys.readouterr().err
    assert "cannot connect to localhost" in said
    assert "such as tcp://127.0.0.1:5556" in said


def test_missing_endpoint_argument() -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
