"""What both sides set on their sockets."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import zmq

from shared.keepalive import KERNEL_BYTES, keep_up, limit_handshake, never_full


@pytest.fixture
def socket() -> Iterator["zmq.Socket[bytes]"]:
    with zmq.Context() as context, closing(context.socket(zmq.DEALER)) as opened:
        yield opened


def test_dead_connection_is_reopened(
    socket: "zmq.Socket[bytes]",
) -> None:
    keep_up(socket)
    assert (socket.heartbeat_ivl, socket.heartbeat_timeout) == (1_000, 3_000)
    assert (socket.reconnect_ivl, socket.reconnect_ivl_max) == (100, 2_000)


def test_who_says_nothing_is_let_go_of(socket: "zmq.Socket[bytes]") -> None:
    limit_handshake(socket)
    assert (socket.handshake_ivl, socket.tcp_keepalive) == (3_000, 1)


def test_libzmq_never_stops_reading(socket: "zmq.Socket[bytes]") -> None:
    never_full(socket)
    assert (socket.rcvhwm, socket.rcvbuf) == (0, KERNEL_BYTES)


def test_a_dead_host_is_noticed_by_keepalive(socket: "zmq.Socket[bytes]") -> None:
    limit_handshake(socket)
    options = (zmq.TCP_KEEPALIVE_IDLE, zmq.TCP_KEEPALIVE_INTVL, zmq.TCP_KEEPALIVE_CNT)
    idle_s, every_s, tries = (int(str(socket.getsockopt(option))) for option in options)
    assert idle_s + every_s * tries <= 30
    assert socket.heartbeat_ivl == 0
