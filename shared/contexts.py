"""ZeroMQ contexts that terminate within a bounded time.

In libzmq 4.3.5, terminating a context hangs forever if a peer disconnects at the wrong moment. This
happens about once in 500 times, with any LINGER (https://github.com/zeromq/libzmq/issues/2586).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TypeAlias

import zmq

Context: TypeAlias = zmq.Context[zmq.Socket[bytes]]

FAREWELL_MAX_MS = 1_000
"""LINGER: how long the last messages may take to leave. honcho kills a process after 5 s."""
ENDING_MAX_S = FAREWELL_MAX_MS / 1000 + 0.5


@contextmanager
def open_context() -> Iterator[Context]:
    """Open a context. Closing it sends the last messages and takes at most ENDING_MAX_S."""
    context: Context = zmq.Context()
    try:
        yield context
    finally:
        end_within(ENDING_MAX_S, context.term)


def end_within(max_s: float, end: Callable[[], None]) -> None:
    """Call ``end``, which terminates a context, and wait for at most ``max_s`` seconds."""
    ending = Thread(target=end, name="context", daemon=True)
    ending.start()
    ending.join(max_s)
