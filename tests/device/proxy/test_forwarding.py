"""The real proxy between peers that speak the protocol by hand."""

from collections.abc import Callable, Iterator

import pytest
import zmq

from shared.wire import (
    READING_TOPIC,
    ReplayRefusal,
    ReplayRequest,
    decode_answer,
    encode_request,
    encode_serve,
    reading_topic,
)
from tests.conftest import StartProcess
from tests.device.peers import Peers
from tests.processes import RunningProcess
from tests.timing import eventually

NAMES = ("bikes-live", "bikes-replay", "gateways-live", "gateways-replay")
QUESTION = encode_request(ReplayRequest("7", "bike-a", None, 10))


@pytest.fixture
def ends(free_port: Callable[[], int]) -> dict[str, str]:
    return {name: f"tcp://127.0.0.1:{free_port()}" for name in NAMES}


@pytest.fixture
def peers() -> Iterator[Peers]:
    opened = Peers()
    yield opened
    opened.close()


@pytest.fixture
def proxy(start_process: StartProcess, ends: dict[str, str]) -> RunningProcess:
    process = start_process(["python", "-m", "device.proxy", *flags(ends)])
    process.wait_for_line("forwarding")
    return process


def flags(ends: dict[str, str]) -> list[str]:
    return [word for name, endpoint in ends.items() for word in (f"--{name}", endpoint)]


def test_reading_reaches_every_gateway(
    proxy: RunningProcess, peers: Peers, ends: dict[str, str]
) -> None:
    bike = peers.open(zmq.PUB, ends["bikes-live"])
    gateways = [peers.open(zmq.SUB, ends["gateways-live"]) for _ in range(2)]
    picky = peers.open(zmq.XSUB, ends["gateways-live"])
    for number in range(20_000):  # none of them is accepted
        picky.send(b"\1other/%d" % number)
    message = [reading_topic("bike-a"), b"anything"]

    def is_through() -> bool:
        bike.send_multipart(message)
        return all(gateway.poll(50) for gateway in gateways)

    eventually(is_through, what="the reading")
    assert [gateway.recv_multipart() for gateway in gateways] == [message, message]
    bike.send_multipart([READING_TOPIC.encode(), b"three", b"frames"])
    bike.send_multipart([reading_topic("bike-b"), b"last"])
    for gateway in gateways:
        while (heard := gateway.recv_multipart()) == message:
            pass
        assert heard == [reading_topic("bike-b"), b"last"]
    assert proxy.stop() == 0
    assert "bad_frames=1" in proxy.output


def test_question_goes_to_bike_that_claims_device(
    proxy: RunningProcess, peers: Peers, ends: dict[str, str]
) -> None:
    gateway = peers.open(zmq.DEALER, ends["gateways-replay"])
    assert ask(gateway) == "busy"  # bikes that ran before may yet come
    eventually(lambda: ask(gateway) == "unknown_device", what="the end of the wait for claims")
    gateway.send(b"{")  # is dropped
    others, bike = (peers.open(zmq.DEALER, ends["bikes-replay"]) for _ in range(2))
    others.send(encode_serve(["bike-b"]))
    bike.send(encode_serve(["bike-a"]))

    def is_claimed() -> bool:
        gateway.send(QUESTION)
        return bool(bike.poll(50))

    eventually(is_claimed, what="the question")
    *envelope, question = bike.recv_multipart()
    assert question == QUESTION
    bike.send_multipart([*envelope, b"head", b"reading 1", b"reading 2"])
    while len(answer := gateway.recv_multipart()) == 1:
        pass  # a refusal from before the claim
    assert answer == [b"head", b"reading 1", b"reading 2"]
    assert not others.poll(0)


def test_bike_that_left_is_busy(proxy: RunningProcess, peers: Peers, ends: dict[str, str]) -> None:
    gateway = peers.open(zmq.DEALER, ends["gateways-replay"])
    leaving = Peers()
    leaving.open(zmq.DEALER, ends["bikes-replay"]).send(encode_serve(["bike-a"]))
    eventually(lambda: ask_briefly(gateway) is None, what="the claim")
    leaving.close()
    eventually(lambda: ask_briefly(gateway) is not None, what="the end of the link")
    assert ask(gateway) == "busy"


def test_port_in_use(
    proxy: RunningProcess, start_process: StartProcess, ends: dict[str, str]
) -> None:
    second = start_process(["python", "-m", "device.proxy", *flags(ends)])
    assert second.wait() == 2
    assert f"cannot listen on {ends['bikes-live']}" in second.output


def ask(gateway: "zmq.Socket[bytes]") -> str:
    """Ask, and return the code of the refusal."""
    gateway.send(QUESTION)
    answer = decode_answer(gateway.recv_multipart())
    assert isinstance(answer, ReplayRefusal)
    return answer.code


def ask_briefly(gateway: "zmq.Socket[bytes]") -> str | None:
    """Ask, and return the code of a refusal; None if the bike got the question."""
    gateway.send(QUESTION)
    if not gateway.poll(100):
        return None
    answer = decode_answer(gateway.recv_multipart())
    return answer.code if isinstance(answer, ReplayRefusal) else None
