"""Options of ZeroMQ sockets that both sides set: heartbeats, keepalive, queues."""

from typing import Any

import zmq

HANDSHAKE_MAX_MS = 3_000
"""A peer that connects and sends nothing is disconnected after this time."""
HEARTBEAT_MS, HEARTBEAT_LOST_MS = 1_000, 3_000
"""Heartbeats detect a dead host or a cut cable, on which a socket would wait forever. One side is
enough: the side that connects sends them, because it has to reconnect."""
KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_TRIES = 10, 5, 3
UNACKNOWLEDGED_MAX_MS = 30_000
"""For a bound socket the kernel detects a dead host within 30 s. This may take longer than with
heartbeats, because a dead host only occupies a connection slot."""
KERNEL_BYTES = 64 * 1024
"""The receive buffer of a connection in the kernel. By default it grows to 6 MB. If messages are
tiny, libzmq turns 6 MB into 80 MB of memory, even after their sender is cut off. 64 kB carry 2,000
readings a second over a line that takes 100 ms."""
RECONNECT_MS, RECONNECT_MAX_MS = 100, 2_000


def limit_handshake(socket: zmq.Socket[Any]) -> None:
    """Disconnect silent peers, and let the kernel detect peers whose host is gone."""
    socket.handshake_ivl = HANDSHAKE_MAX_MS
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = KEEPALIVE_IDLE_S
    socket.tcp_keepalive_intvl = KEEPALIVE_EVERY_S
    socket.tcp_keepalive_cnt = KEEPALIVE_TRIES
    socket.setsockopt(zmq.TCP_MAXRT, UNACKNOWLEDGED_MAX_MS)


def never_full(socket: zmq.Socket[Any]) -> None:
    """Never let libzmq stop reading. :mod:`shared.intake` explains why and has the bound."""
    socket.rcvhwm = 0
    socket.rcvbuf = KERNEL_BYTES


def keep_up(socket: zmq.Socket[Any]) -> None:
    """Detect a dead connection and reconnect. For sockets that connect, not for bound ones."""
    socket.heartbeat_ivl = HEARTBEAT_MS
    socket.heartbeat_timeout = HEARTBEAT_LOST_MS
    socket.reconnect_ivl = RECONNECT_MS
    socket.reconnect_ivl_max = RECONNECT_MAX_MS
