"""Calls from other threads, brought to the event loop by one wake-up that is safe from anywhere.

gevent's callbacks, events and watchers belong to the thread of their loop. A device driver, an
MQTT client or a serial line often has a native thread of its own, from which it emits.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import gevent
from gevent import get_hub, getcurrent
from gevent.monkey import get_original

from gateway.transport.timeslice import give_way

logger = logging.getLogger(__name__)

MAX_CALLS = 10_000
"""Calls that may wait for the loop; a thread that makes more than the loop can take is told."""

# The thread's own number also where gevent has replaced it by the greenlet's.
get_ident: Callable[[], int] = get_original("_thread", "get_ident")


class TooManyCalls(RuntimeError):
    """A native thread calls faster than the event loop can take."""


class ThreadCalls:
    """Calls that threads made and the event loop has not taken yet, in their order."""

    def __init__(self) -> None:
        self._wake: Any = None
        self._ident = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def serve_here(self) -> None:
        """Take calls in this thread and its event loop; the first one to say so has it."""
        if self._wake is None:
            self._ident, self._wake = get_ident(), get_hub().loop.async_(ref=False)
            self._wake.start(self._start)

    @property
    def is_foreign(self) -> bool:
        """True in a thread other than that of the event loop, once there is one."""
        return get_ident() != self._ident and self._wake is not None

    def put(self, call: Callable[[], object]) -> None:
        """Have the event loop make a call; returns at once. Raises TooManyCalls."""
        if len(self._calls) >= MAX_CALLS:
            raise TooManyCalls(f"{MAX_CALLS} calls of native threads wait for the event loop")
        self._calls.append(call)
        self._wake.send()

    def may_wait(self) -> bool:
        """Tell whether the running greenlet may wait: others depend on the hub and on this."""
        return getcurrent() not in (get_hub(), self._greenlet)

    def stop(self) -> None:
        """Take no more calls."""
        if self._wake is not None:
            self._wake.stop()

    def _start(self) -> None:
        if self._calls and self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        try:
            while self._calls:
                give_way()
                self._make(self._calls.popleft())
        finally:
            self._greenlet = None

    def _make(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception:
            logger.exception("a call of a native thread failed: %s", call)


class Threaded(Protocol):
    """What has methods for any thread."""

    @property
    def threads(self) -> ThreadCalls:
        """Where calls of other threads go."""


Self = TypeVar("Self", bound=Threaded)
P = ParamSpec("P")


def from_any_thread(
    method: Callable[Concatenate[Self, P], None],
) -> Callable[Concatenate[Self, P], None]:
    """Let any thread call ``method``; from a foreign one it runs later, in the event loop's."""

    @wraps(method)
    def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.threads.is_foreign:
            self.threads.put(partial(method, self, *args, **kwargs))
        else:
            method(self, *args, **kwargs)

    return call
