"""Runs one client's calls into the application in order, in one greenlet while there are any.

How it works: a greenlet, the runner, takes one call after another from a deque, in time slices. A
call that is *alone* delays all calls behind it until it returns. Any other call delays them only
while it computes. To notice that such a call waits for something, the executor schedules
``_look`` on the event loop before the call: if ``_look`` runs while the call is not over, the call
has given control away. The executor then counts the call as parked and starts another runner.

Invariants: calls begin in order; at most one greenlet is the runner; only parked calls cost a
greenlet each; the bytes of waiting, running and parked calls are all counted.
"""

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import gevent
from gevent import get_hub

from gateway.transport.timeslice import TimeSlices, time_slices

logger = logging.getLogger(__name__)

# When so many calls or bytes of one client wait, its connection is not read any further.
MAX_WAITING = 64
MAX_WAITING_BYTES = 1_000_000
# A client with more bytes waiting runs after all others: parsing them will take long.
MAX_LIGHT_BYTES = 64_000
# In addition to its arguments, a call that waits costs its tuples and its slot in the deque.
CALL_BYTES = 400

Call = tuple[Callable[..., object], tuple[object, ...], int, bool]


class Client(Protocol):
    """The client whose calls an executor runs."""

    @property
    def is_light(self) -> bool:
        """True when it took so little time lately that it goes before the others."""

    def charge(self, began_s: float) -> None:
        """Charge the client for the time since ``began_s``."""

    def on_room(self) -> None:
        """The executor is no longer full, or it is idle."""

    def on_size(self) -> None:
        """The bytes of waiting or running calls changed."""


class CallOnce:
    """A call that is made once, however often this object is called."""

    __slots__ = ("_args", "_call", "began")

    def __init__(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        self._call = call
        self._args = args
        self.began = False

    def __call__(self) -> None:
        """Make the call, unless it was made before."""
        if not self.began:
            self.began = True
            self._call(*self._args)


class SerialExecutor:
    """Runs calls one after another, outside of the event loop's own greenlet.

    Each call begins in a time slice, after ``wait`` has returned.
    """

    __slots__ = (
        "_bytes",
        "_calls",
        "_client",
        "_inside",
        "_is_watched",
        "_parked",
        "_runner",
        "_served_bytes",
        "_wait",
    )

    def __init__(self, client: Client, wait: Callable[[], None] | None = None) -> None:
        self._calls: deque[Call] = deque()
        self._bytes = self._served_bytes = 0
        self._client = client
        self._wait = wait
        self._runner: gevent.Greenlet[[], None] | None = None  # takes the next call
        self._inside = 0  # bytes of the call that the runner makes, if it is not alone
        self._is_watched = False
        self._parked = 0  # calls that wait for something while the next ones run

    @property
    def idle(self) -> bool:
        """True when nothing waits or runs."""
        return self._runner is None and not self._parked

    @property
    def held_bytes(self) -> int:
        """The bytes of the calls that wait, and of those that run."""
        return self._bytes + self._served_bytes

    @property
    def full(self) -> bool:
        """True while the client should not be read."""
        waiting = len(self._calls) + self._parked
        return waiting >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES

    def put(
        self, call: Callable[..., object], *args: object, size: int = 0, is_alone: bool = True
    ) -> None:
        """Call ``call(*args)``, which holds ``size`` bytes, after everything put before."""
        size += CALL_BYTES
        self._calls.append((call, args, size, is_alone))
        self._bytes += size
        self._client.on_size()
        self._start()

    def drop(self) -> None:
        """Forget the calls that have not begun."""
        self._bytes -= sum(size for _, _, size, _ in self._calls)
        self._calls.clear()
        self._client.on_size()

    def _start(self) -> None:
        if self._runner is None and self._calls:
            self._runner = gevent.spawn(self._run)

    def _run(self) -> None:
        slices = time_slices()
        slices.give_way(is_light=self._is_light)
        while self._is_runner() and self._calls:
            self._use(slices, slices.ends_s)
            if self._is_runner() and self._calls:
                slices.park(is_light=self._is_light)
        if self._is_runner():
            self._runner = None
        self._client.on_room()

    def _is_runner(self) -> bool:
        """True in the greenlet that takes the next call."""
        return self._runner is gevent.getcurrent()

    @property
    def _is_light(self) -> bool:
        return self._bytes <= MAX_LIGHT_BYTES and self._client.is_light

    def _use(self, slices: TimeSlices, ends_s: float) -> None:
        """Run calls until the slice ends at ``ends_s``, and charge the client for them."""
        began_s = monotonic()
        while self._calls:
            self._run_next()
            if slices.ends_s != ends_s or not self._is_runner():
                return  # a call waited, and waiting is not charged
            if slices.ends_piece(began_s):
                break
        self._client.charge(began_s)

    def _run_next(self) -> None:
        if self._wait is not None:
            self._wait()
        if not self._calls:  # ``drop`` removed them meanwhile
            return
        was_full = self.full
        call, args, size, is_alone = self._calls.popleft()
        self._bytes -= size
        self._served_bytes = size
        if was_full and not self.full:
            self._client.on_room()
        if is_alone:
            self._call(call, args)
            self._served_bytes = 0
        else:
            self._call_watched(call, args, size)
        self._client.on_size()

    def _call(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        # A handler that fails must not take the client's later events with it.
        try:
            call(*args)
        except Exception:
            logger.exception("handler failed: call=%s", getattr(call, "__name__", call))

    # Calls that need not be alone

    def _call_watched(
        self, call: Callable[..., object], args: tuple[object, ...], size: int
    ) -> None:
        self._inside = size
        if not self._is_watched:
            self._is_watched = True
            get_hub().loop.run_callback(self._look)
        self._call(call, args)
        if self._is_runner():
            self._inside = self._served_bytes = 0
        else:
            self._parked -= 1
            self._bytes -= size

    def _look(self) -> None:
        """Start another runner: the event loop runs, so the current call waits for something."""
        self._is_watched = False
        if self._inside:
            self._parked += 1
            self._bytes += self._inside
            self._inside = self._served_bytes = 0
            self._runner = None
            self._start()
