"""Newcomers past the limit are cut off, and so is a flood; others go on meanwhile."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import process_time

import pytest
import zmq

from shared import doorkeeper
from shared.contexts import open_context
from shared.doorkeeper import Allowance, Door, Doorkeeper, cut_off, peers_allowed
from shared.unread import bytes_received
from tests.timing import eventually, scaled_s

PEERS_MAX = 20


class House:
    """A REP that a doorkeeper watches, and peers of it."""

    def __init__(self, stack: ExitStack, allowance: Allowance | None) -> None:
        self._stack = stack
        self.context = stack.enter_context(open_context())
        self.notices: list[tuple[str, dict[str, object]]] = []
        self.keeper = Doorkeeper(self.context, self.note)
        self.socket = stack.enter_context(self.context.socket(zmq.ROUTER))
        self.socket.linger = self.socket.rcvhwm = 0
        stack.callback(self.keeper.close)
        self.door: Door = self.keeper.bind(
            self.socket, "tcp://127.0.0.1:*", PEERS_MAX, allowance=allowance
        )
        self.port = int(self.door.endpoint.rpartition(":")[2])
        self.keeper.start()

    def note(self, event: str, **fields: object) -> None:
        self.notices.append((event, fields))

    def connect(self) -> socket.socket:
        return self._stack.enter_context(socket.create_connection(("127.0.0.1", self.port)))

    def dealer(self) -> "zmq.Socket[bytes]":
        dealer = self._stack.enter_context(self.context.socket(zmq.DEALER))
        dealer.linger, dealer.sndhwm, dealer.reconnect_ivl = 0, 0, 20
        dealer.connect(self.door.endpoint)
        return dealer

    def refuses(self) -> bool:
        """Tell whether one more peer is cut off."""
        with closing(socket.create_connection(("127.0.0.1", self.port))) as peer:
            peer.settimeout(scaled_s(10.0))
            with suppress(ConnectionError):
                while peer.recv(1_024):
                    pass
            return True

    def hears(self, dealer: "zmq.Socket[bytes]") -> bool:
        dealer.send(b"hello")
        return bool(self.socket.poll(2_000)) and self.socket.recv_multipart()[1:] == [b"hello"]


@pytest.fixture
def house() -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack, None)


@pytest.fixture
def counted() -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack, Allowance(burst_bytes=10_000, bytes_a_s=1_000))


def test_full_endpoint_refuses_newcomers(house: House) -> None:
    established = house.dealer()
    assert house.hears(established)
    strangers = [house.connect() for _ in range(PEERS_MAX - 1)]
    eventually(lambda: house.door.peers == PEERS_MAX, what="all peers")
    assert house.refuses()
    assert house.refuses()
    assert house.hears(established)
    [(event, fields)] = house.notices
    assert (event, fields["peers"]) == ("endpoint_full", PEERS_MAX)
    for stranger in strangers:
        stranger.close()
    eventually(lambda: house.door.peers == 1, what="the places")
    assert house.hears(house.dealer())
    assert house.hears(established)


def test_newcomer_gets_in_when_one_leaves(house: House) -> None:
    peers = [house.dealer() for _ in range(PEERS_MAX)]
    assert all(house.hears(peer) for peer in peers)
    newcomer = house.dealer()
    eventually(lambda: house.door.cuts > 1, what="two attempts of the newcomer")
    assert all(house.hears(peer) for peer in peers)
    peers.pop().close()
    eventually(lambda: house.hears(newcomer), what="the newcomer")
    cuts = house.door.cuts
    assert all(house.hears(peer) for peer in [*peers, newcomer])
    assert (house.door.peers, house.door.cuts) == (PEERS_MAX, cuts)


def test_unbinding_would_lose_all_peers(house: House) -> None:
    """The reason why newcomers are cut off, and a full endpoint is not unbound."""
    established = house.dealer()
    established.send(b"hello")
    name, _ = house.socket.recv_multipart()
    house.socket.router_mandatory = 1
    house.socket.send_multipart([name, b"a peer"])
    house.socket.unbind(house.door.endpoint)

    def is_gone() -> bool:
        with suppress(zmq.Again):
            try:
                house.socket.send_multipart([name, b"a peer no more"], zmq.NOBLOCK)
            except zmq.ZMQError as error:
                return error.errno == zmq.EHOSTUNREACH
        return False

    eventually(is_gone, what="the loss of the peer")


def test_no_descriptors_cuts_newcomers(house: House) -> None:
    established = house.dealer()
    assert house.hears(established)
    with no_descriptor_left() as spare:
        spare.close()
        assert house.refuses()
        assert house.hears(established)
        before_s = process_time()
        assert not house.socket.poll(500)
        assert process_time() - before_s < 0.25
    assert house.notices[0][1]["why"] == "no descriptor is free"
    eventually(lambda: not house.door.is_starved, what="spare descriptors")
    assert house.hears(house.dealer())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what came in")
def test_peer_over_allowance_is_cut(counted: House) -> None:
    calm, loud = counted.dealer(), counted.dealer()
    assert counted.hears(calm)
    for _ in range(20_000):
        loud.send(b"x" * 10)
    eventually(lambda: counted.door.cuts > 0, what="the cut")
    assert counted.notices[0][0] == "peer_cut_off"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what came in")
def test_who_sends_little_is_left_alone(counted: House) -> None:
    calm = counted.dealer()
    for _ in range(30):
        assert counted.hears(calm)
    assert counted.door.cuts == 0


def test_other_connection_is_not_cut(house: House) -> None:
    other = socket.create_server(("127.0.0.1", 0))
    with closing(other), house.connect():
        eventually(lambda: house.door.peers == 1, what="the peer")
        assert not doorkeeper.cut_off(other.fileno(), house.door.endpoint, is_bound=True)
        assert not house.door.cut(other.fileno())
        assert other.fileno() >= 0
        (descriptor,) = [it for it in range(1_000) if house.door.peer(it) is not None]
        assert house.door.cut(descriptor)


def test_what_a_cut_peer_sent_is_discarded() -> None:
    """Whole messages and torn ones: the owner of the connection hears only that it ended."""
    sent = bytes(50_000)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as peer,
        closing(listener.accept()[0]) as accepted,
    ):
        peer.sendall(sent)
        eventually(lambda: bytes_received(accepted.fileno()) == len(sent), what="all that was sent")
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        assert cut_off(accepted.fileno(), endpoint, is_bound=True)
        assert accepted.recv(1) == b""


def test_a_limit_fits_the_descriptors() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert peers_allowed(10**9) == min(soft // doorkeeper.DESCRIPTORS_PART, doorkeeper.PEERS_MOST)
    assert peers_allowed(1) == doorkeeper.PEERS_LEAST


@contextmanager
def no_descriptor_left() -> Iterator[socket.socket]:
    """Open files until no more may be opened; gives one to be closed for the test itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    greatest = max(int(entry.name) for entry in Path("/dev/fd").iterdir())
    with ExitStack() as stack:
        spare = stack.enter_context(socket.socket())
        resource.setrlimit(resource.RLIMIT_NOFILE, (greatest + 1, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):
            while True:
                stack.enter_context(Path("/dev/null").open("rb"))
        yield spare
