"""The same frames to many WebSockets, at the price of a ``send`` for each.

A loop over what Python calls ``sock.send`` touches two small objects for each connection. Asking a
connection whether it can be written to, and finding its socket, touches five more, which are out
of the processor's caches by the time the kernel has sent to a thousand others.
"""

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from gateway.transport.connection import Connection
from gateway.transport.websocket import WebSocketLink

Key = TypeVar("Key")
Send: TypeAlias = Callable[[bytes], int]


class Multicast(Generic[Key]):
    """Connections in step: each was sent the same, and the kernel took all of it.

    One that takes less, closes or fails leaves by itself; ``on_left`` is told by the key it was
    added with. What it was sent then reaches it all the same, from its outbox.
    """

    __slots__ = ("_members", "_on_left")

    def __init__(self, on_left: Callable[[Key], None]) -> None:
        self._members: dict[Send, tuple[WebSocketLink, Key]] = {}
        self._on_left = on_left

    def __len__(self) -> int:
        return len(self._members)

    def add(self, connection: Connection, key: Key) -> bool:
        """Take a connection in; False when it polls or cannot be written to now."""
        link = connection.link
        if link is None or not link.writable:
            return False
        link.on_blocked = self._leave
        self._members[link.sender] = link, key
        return True

    def discard(self, connection: Connection) -> None:
        """Leave a connection out from now on, without a word."""
        link = connection.link
        if link is not None and self._members.pop(link.sender, None) is not None:
            link.on_blocked = None

    def send(self, data: bytes) -> None:
        """Write whole frames to everybody, at most 64 kB in one call."""
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
