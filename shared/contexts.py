"""ZeroMQ contexts whose end is bounded.

libzmq 4.3.5 never ends a context when a peer leaves at the wrong moment of it: about once in 500
times, whatever LINGER is (https://github.com/zeromq/libzmq/issues/2586).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TypeAlias

import zmq

Context: TypeAlias = zmq.Context[zmq.Socket[bytes]]

FAREWELL_MAX_MS = 1_000
"""How long what was said last may take to leave, as LINGER; honcho kills after 5 s."""
ENDING_MAX_S = FAREWELL_MAX_MS / 1000 + 0.5


@contextmanager
def open_context() -> Iterator[Context]:
    """Give a context; its end sends what was said last, and takes :data:`ENDING_MAX_S` at most."""
    context: Context = zmq.Context()
    try:
        yield context
    finally:
        end_within(ENDING_MAX_S, context.term)


def end_within(max_s: float, end: Callable[[], None]) -> None:
    """Call what ends a context, and wait for it no longer than ``max_s`` seconds."""
    ending = Thread(target=end, name="context", daemon=True)
    ending.start()
    ending.join(max_s)
