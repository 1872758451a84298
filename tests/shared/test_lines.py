"""What both sides set on their sockets."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import zmq

from shared.lines import keep_up, limit_handshake


@pytest.fixture
def socket() -> Iterator["zmq.Socket[bytes]"]:
    with zmq.Context() as context, closing(context.socket(zmq.DEALER)) as opened:
        yield opened


def test_a_dead_line_is_noticed_within_seconds_and_opened_anew(
    socket: "zmq.Socket[bytes]",
) -> None:
    keep_up(socket)
    assert (socket.heartbeat_ivl, socket.heartbeat_timeout) == (1_000, 3_000)
    assert (socket.reconnect_ivl, socket.reconnect_ivl_max) == (100, 2_000)


def test_who_says_nothing_is_let_go_of(socket: "zmq.Socket[bytes]") -> None:
    limit_handshake(socket)
    assert (socket.handshake_ivl, socket.tcp_keepalive) == (3_000, 1)
