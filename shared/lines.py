"""What keeps a ZeroMQ connection up, the same on both sides."""

from typing import Any

import zmq

HANDSHAKE_MAX_MS = 3_000
"""Who connects and says nothing is let go of after this."""
HEARTBEAT_MS, HEARTBEAT_LOST_MS = 1_000, 3_000
"""Finds a dead host or a cut cable, on which a socket would wait for ever; one side is enough."""
RECONNECT_MS, RECONNECT_MAX_MS = 100, 2_000


def limit_handshake(socket: zmq.Socket[Any]) -> None:
    """Let no peer that says nothing stay, and notice one whose host is gone."""
    socket.handshake_ivl = HANDSHAKE_MAX_MS
    socket.tcp_keepalive = 1


def keep_up(socket: zmq.Socket[Any]) -> None:
    """Notice when a line is dead, and connect anew."""
    socket.heartbeat_ivl = HEARTBEAT_MS
    socket.heartbeat_timeout = HEARTBEAT_LOST_MS
    socket.reconnect_ivl = RECONNECT_MS
    socket.reconnect_ivl_max = RECONNECT_MAX_MS
