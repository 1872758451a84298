"""Tells the event loop when something came in on its ZeroMQ sockets.

The descriptor of a ZeroMQ socket is edge-triggered: it becomes readable when a queue that was found
empty is so no more, and stays silent for what comes on top. That is safe under one rule, which
libzmq's source gives (``socket_base.cpp``, ``mailbox.cpp``): whatever is done with a socket, even a
``send``, may take the signal away, so the last thing done must be a read that found nothing. Who
does not get so far looks again by itself.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

import zmq

Watch: TypeAlias = Callable[[int, Callable[[], None]], Callable[[], None]]
"""Calls a function whenever a descriptor is readable, until what it returned is called."""


class Arrivals:
    """The descriptors of some sockets; ``wake`` is called when one of them has a message."""

    def __init__(self, watch: Watch, wake: Callable[[], None]) -> None:
        self._watch = watch
        self._wake = wake
        self._endings: dict[zmq.Socket[bytes], Callable[[], None]] = {}

    def add(self, socket: "zmq.Socket[bytes]") -> None:
        """Watch a socket too, and look at it at once: what came before made no signal."""
        self._endings[socket] = self._watch(socket.fileno(), lambda: self._look_at(socket))
        self._wake()

    def remove(self, socket: "zmq.Socket[bytes]") -> None:
        """Watch a socket no more; to be called before it is closed."""
        self._endings.pop(socket)()

    def clear(self) -> None:
        """Watch nothing any more."""
        while self._endings:
            _socket, end = self._endings.popitem()
            end()

    def _look_at(self, socket: "zmq.Socket[bytes]") -> None:
        """Take the signal, which would come again at once, and wake if it was for a message."""
        events = cast("int", socket.getsockopt(zmq.EVENTS))
        if events & zmq.POLLIN:
            self._wake()
