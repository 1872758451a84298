"""Sends the same frames to many WebSockets, at the cost of one ``send`` for each.

How it works: ``send`` loops over the sockets, and calls the class's ``send`` with each: so it
touches one small object for each connection. A bound ``sock.send`` would be a second object. To ask
a connection whether it can be written to, and to find its socket, would touch six more. They are
out of the processor's caches after the kernel has sent to a thousand others.
"""

import _socket
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.transport.connection.connection import Connection
from gateway.transport.websocket.websocket_link import WebSocketLink

Key = TypeVar("Key")
send_on = _socket.socket.send


class WebSocketMulticast(Generic[Key]):
    """Synced connections: each was sent the same frames, and the kernel took all of them.

    A connection leaves by itself when its kernel takes less, or it closes or fails. ``on_left`` is
    called with the key that it was added with. The rest of the frames follows from its outbox.
    """

    __slots__ = ("_members", "_on_left")

    def __init__(self, on_left: Callable[[Key], None]) -> None:
        self._members: dict[_socket.socket, tuple[WebSocketLink, Key]] = {}
        self._on_left = on_left

    def __len__(self) -> int:
        return len(self._members)

    def add(self, connection: Connection, key: Key) -> bool:
        """Add a connection; return False when it polls or cannot be written to now."""
        link = connection.link
        if link is None or not link.writable:
            return False
        link.on_blocked = self._leave
        self._members[link.sock] = link, key
        return True

    def discard(self, connection: Connection) -> None:
        """Remove a connection, without a call of ``on_left``."""
        link = connection.link
        if link is not None and self._members.pop(link.sock, None) is not None:
            link.on_blocked = None

    def send(self, data: bytes) -> None:
        """Write whole frames to all connections, at most 64 kB in one call."""
        size = len(data)
        short: list[tuple[_socket.socket, int]] | None = None
        for sock in self._members:
            try:
                sent = send_on(sock, data)
            except OSError:
                sent = -1
            if sent != size:
                short = short or []
                short.append((sock, sent))
        for sock, sent in short or ():
            self._members[sock][0].finish_send(data, sent)

    def _leave(self, link: WebSocketLink) -> None:
        link.on_blocked = None
        _link, key = self._members.pop(link.sock)
        self._on_left(key)
