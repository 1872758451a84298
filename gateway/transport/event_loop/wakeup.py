"""Calls from native threads, run by the event loop.

gevent's callbacks, events and watchers may be used only in the thread of their loop. A device
driver, an MQTT client or a serial line often has a native thread of its own and emits from there.

How it works. ``from_any_thread`` decorates the methods that any thread may call:

1. In the loop's own thread the method just runs.
2. In another thread the call is appended to a deque, which is safe between threads, and the
   thread wakes the loop through an async watcher: the only operation of libev that another thread
   may use. The method returns at once, without a result.
3. The loop starts one greenlet that makes the calls in order, in time slices, until none is left.

One greenlet at a time makes the calls, so calls of one thread keep their order. A call that fails
is logged; the next one runs. At most ``MAX_CALLS`` calls wait.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import gevent
from gevent import get_hub, getcurrent
from gevent.monkey import get_original

from gateway.transport.event_loop.timeslice import give_way

logger = logging.getLogger(__name__)

MAX_CALLS = 10_000
"""Calls that may wait for the loop. Beyond this the calling thread gets ``TooManyCalls``."""

# The native thread's number, also where monkey-patching has replaced it by the greenlet's.
get_ident: Callable[[], int] = get_original("_thread", "get_ident")


class TooManyCalls(RuntimeError):
    """A native thread calls faster than the event loop can follow."""


class ThreadCalls:
    """Calls of native threads that the event loop has not made yet, in order."""

    def __init__(self) -> None:
        self._wake: Any = None
        self._ident = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def serve_here(self) -> None:
        """Make the calls in this thread's event loop; later calls of this method do nothing."""
        if self._wake is None:
            self._ident, self._wake = get_ident(), get_hub().loop.async_(ref=False)
            self._wake.start(self._start)

    @property
    def is_foreign(self) -> bool:
        """True in a thread other than the event loop's; False in any before ``serve_here``."""
        return get_ident() != self._ident and self._wake is not None

    def put(self, call: Callable[[], object]) -> None:
        """Have the event loop make a call; returns at once. Raises TooManyCalls."""
        if len(self._calls) >= MAX_CALLS:
            raise TooManyCalls(f"{MAX_CALLS} calls of native threads wait for the event loop")
        self._calls.append(call)
        self._wake.send()

    def may_wait(self) -> bool:
        """True when the running greenlet may wait.

        The hub and the greenlet of this object may not: all others depend on them.
        """
        return getcurrent() not in (get_hub(), self._greenlet)

    def stop(self) -> None:
        """Make no more calls."""
        if self._wake is not None:
            self._wake.stop()

    def _start(self) -> None:
        if self._calls and self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        try:
            # A call that arrives after the last look wakes the loop, which starts a new greenlet.
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
    """An object whose methods may be called from any thread."""

    @property
    def threads(self) -> ThreadCalls:
        """Takes the calls of other threads."""


Self = TypeVar("Self", bound=Threaded)
P = ParamSpec("P")


def from_any_thread(
    method: Callable[Concatenate[Self, P], None],
) -> Callable[Concatenate[Self, P], None]:
    """Let any thread call ``method``; for other threads the event loop runs it later."""

    @wraps(method)
    def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.threads.is_foreign:
            self.threads.put(partial(method, self, *args, **kwargs))
        else:
            method(self, *args, **kwargs)

    return call
