"""Options of ZeroMQ sockets that both sides set: heartbeats, keepalive, queues."""

from typing import Any

import zmq

HANDSHAKE_MAX_MS = 3_000
"""Who connects and says nothing is let go of after this."""
HEARTBEAT_MS, HEARTBEAT_LOST_MS = 1_000, 3_000
"""Finds a dead host or a cut cable, on which a socket would wait for ever; one side is enough. Only
the side that connects sends heartbeats, because it is the side that has to connect anew."""
KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_TRIES = 10, 5, 3
UNACKNOWLEDGED_MAX_MS = 30_000
"""Where this side binds, the kernel finds a dead host by these, within 30 s. Nothing waits for that
host; it only takes up a place."""
KERNEL_BYTES = 256 * 1024
"""What the kernel takes in for libzmq to read. Left alone it takes 6 MB, which libzmq makes 80 MB
of where messages are tiny, also once their sender is cut off."""
RECONNECT_MS, RECONNECT_MAX_MS = 100, 2_000


def limit_handshake(socket: zmq.Socket[Any]) -> None:
    """Let no peer that says nothing stay, and have the kernel notice one whose host is gone."""
    socket.handshake_ivl = HANDSHAKE_MAX_MS
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = KEEPALIVE_IDLE_S
    socket.tcp_keepalive_intvl = KEEPALIVE_EVERY_S
    socket.tcp_keepalive_cnt = KEEPALIVE_TRIES
    socket.setsockopt(zmq.TCP_MAXRT, UNACKNOWLEDGED_MAX_MS)


def never_full(socket: zmq.Socket[Any]) -> None:
    """Let libzmq never stop reading; :mod:`shared.intake` says why, and has the bound."""
    socket.rcvhwm = 0
    socket.rcvbuf = KERNEL_BYTES


def keep_up(socket: zmq.Socket[Any]) -> None:
    """Notice when a line is dead, and connect anew; for a socket that connects, no other."""
    socket.heartbeat_ivl = HEARTBEAT_MS
    socket.heartbeat_timeout = HEARTBEAT_LOST_MS
    socket.reconnect_ivl = RECONNECT_MS
    socket.reconnect_ivl_max = RECONNECT_MAX_MS
