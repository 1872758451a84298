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


EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
"""As plain integers: pyzmq's enumerations cost more than what they are asked for."""


class Readiness:
    """The descriptors of some sockets, and who is told when one of them has a message."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._endings: dict[zmq.Socket[bytes], Callable[[], None]] = {}

    def add(self, socket: "zmq.Socket[bytes]", on_message: Callable[[], None]) -> None:
        """Watch a socket too, and have it read at once: what came before made no signal."""

        def look() -> None:
            """Take the signal, which would come again at once; it may have been for nothing."""
            if int(cast("int", socket.getsockopt(EVENTS))) & POLLIN:
                on_message()

        self._endings[socket] = self._watch(socket.fileno(), look)
        on_message()

    def remove(self, socket: "zmq.Socket[bytes]") -> None:
        """Watch a socket no more; to be called before it is closed."""
        self._endings.pop(socket)()

    def clear(self) -> None:
        """Watch nothing any more."""
        while self._endings:
            _socket, end = self._endings.popitem()
            end()
