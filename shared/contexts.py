"""ZeroMQ contexts that terminate within a bounded time, and receive messages without waste.

In libzmq 4.3.5, terminating a context hangs forever if a peer disconnects at the wrong moment. This
happens about once in 500 times, with any LINGER (https://github.com/zeromq/libzmq/issues/2586).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TypeAlias

import zmq

Context: TypeAlias = zmq.Context[zmq.Socket[bytes]]

FAREWELL_MAX_MS = 1_000
"""LINGER: how long the last messages may take to leave. honcho kills a process after 5 s."""
ENDING_MAX_S = FAREWELL_MAX_MS / 1000 + 0.5


ZERO_COPY_RECV = 10
"""An option of libzmq that pyzmq does not name: whether received messages share read buffers."""


def new_context() -> Context:
    """Create a context whose received messages take no more memory than they need.

    By default a received message shares the 9 kB that libzmq read it into, and keeps all of them.
    So unread messages take up to three times their bytes, or much more if each was read alone.
    """
    context: Context = zmq.Context()
    with suppress(zmq.ZMQError):  # a libzmq without the option
        context.set(ZERO_COPY_RECV, 0)
    return context


@contextmanager
def open_context() -> Iterator[Context]:
    """Open a context. Closing it sends the last messages and takes at most ENDING_MAX_S."""
    context = new_context()
    try:
        yield context
    finally:
        end_within(ENDING_MAX_S, context.term)


def end_within(max_s: float, end: Callable[[], None]) -> None:
    """Call ``end``, which terminates a context, and wait for at most ``max_s`` seconds."""
    ending = Thread(target=end, name="context", daemon=True)
    ending.start()
    ending.join(max_s)
