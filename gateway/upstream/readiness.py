"""Readiness: tells the event loop when a ZeroMQ socket has a message.

How it works: the descriptor of a ZeroMQ socket is edge-triggered. It becomes readable when the
first message comes into an empty queue, and not again for further messages. Any call on the socket,
even a ``send``, may consume that signal (libzmq, ``socket_base.cpp`` and ``mailbox.cpp``). So after
a signal the socket must be read until a read finds nothing. A caller that stops earlier, or that
sends, must look at the socket again without a signal.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

import gevent
import zmq

Watch: TypeAlias = Callable[[int, Callable[[], None]], Callable[[], None]]
"""Calls a function whenever a descriptor is readable; returns a function that ends this."""

EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
"""As plain integers: converting pyzmq's enumerations costs more than the call itself."""
READABLE = 1
"""libev's EV_READ."""


def watch_descriptor(descriptor: int, on_readable: Callable[[], None]) -> Callable[[], None]:
    """Call a function whenever a descriptor is readable; returns a function that ends this."""
    watcher = gevent.get_hub().loop.io(descriptor, READABLE)
    watcher.start(on_readable)

    def end() -> None:
        watcher.stop()
        watcher.close()

    return end


def has_message(socket: "zmq.Socket[bytes]") -> bool:
    """Tell whether a message can be read; consumes the signal of one that came."""
    return bool(int(cast("int", socket.getsockopt(EVENTS))) & POLLIN)


class Readiness:
    """Watches the descriptors of sockets, and calls a function when one has a message."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._endings: dict[zmq.Socket[bytes], Callable[[], None]] = {}

    def add(self, socket: "zmq.Socket[bytes]", on_message: Callable[[], None]) -> None:
        """Watch a socket, and have it read at once: earlier messages made no signal."""

        def look() -> None:
            """Consume the signal, or it comes again at once; there may be no message."""
            if has_message(socket):
                on_message()

        self._endings[socket] = self._watch(socket.fileno(), look)
        on_message()

    def remove(self, socket: "zmq.Socket[bytes]") -> None:
        """Stop watching a socket; to be called before it is closed."""
        self._endings.pop(socket)()

    def clear(self) -> None:
        """Stop watching all sockets."""
        while self._endings:
            _socket, end = self._endings.popitem()
            end()
