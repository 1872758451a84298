"""Sends the same frames to many WebSockets, at the cost of one ``send`` for each.

How it works: ``send`` loops over bound methods ``sock.send``, which touches two small objects for
each connection. To ask a connection whether it can be written to, and to find its socket, would
touch five more. They are out of the processor's caches after the kernel has sent to a thousand
others.
"""

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from gateway.transport.connection.connection import Connection
from gateway.transport.websocket.websocket_link import WebSocketLink

Key = TypeVar("Key")
Send: TypeAlias = Callable[[bytes], int]


class WebSocketMulticast(Generic[Key]):
    """Synced connections: each was sent the same frames, and the kernel took all of them.

    A connection leaves by itself when its kernel takes less, or it closes or fails. ``on_left`` is
    called with the key that it was added with. The rest of the frames follows from its outbox.
    """

    __slots__ = ("_members", "_on_left")

    def __init__(self, on_left: Callable[[Key], None]) -> None:
        # Each access to `sock.send` makes a new object, but those of one socket are equal.
        self._members: dict[Send, tuple[WebSocketLink, Key]] = {}
        self._on_left = on_left

    def __len__(self) -> int:
        return len(self._members)

    def add(self, connection: Connection, key: Key) -> bool:
        """Add a connection; return False when it polls or cannot be written to now."""
        link = connection.link
        if link is None or not link.writable:
            return False
        link.on_blocked = self._leave
        self._members[link.sender] = link, key
        return True

    def discard(self, connection: Connection) -> None:
        """Remove a connection, without a call of ``on_left``."""
        link = connection.link
        if link is not None and self._members.pop(link.sender, None) is not None:
            link.on_blocked = None

    def send(self, data: bytes) -> None:
        """Write whole frames to all connections, at most 64 kB in one call."""
        size = len(data)
        short: list[tuple[Send, int]] | None = None
        for send in self._members:
            try:
                sent = send(data)
            except OSError:
                sent = -1
            if sent != size:
                short = short or []
                short.append((send, sent))
        for send, sent in short or ():
            self._members[send][0].finish_send(data, sent)

    def _leave(self, link: WebSocketLink) -> None:
        link.on_blocked = None
        _link, key = self._members.pop(link.sender)
        self._on_left(key)
