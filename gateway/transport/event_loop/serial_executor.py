"""Runs one client's calls into the application in order, in one greenlet while there are any.

How it works: a greenlet, the *runner*, takes one call after another from a deque, in time slices. A
call that is *alone* delays all calls behind it until it returns. With ``async_handlers=False``, as
in ``gateway.web.sockets``, all calls are alone. Any other call delays them only while it computes.
To notice that such a call waits for something, the executor schedules ``_park_current`` on the
event loop before the call. The loop runs it only when the runner gives control away: if the call is
not over then, it waits for something. The call is now *parked*: its greenlet ends with it, and
another greenlet becomes the runner for the calls behind it.

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

from gateway.transport.event_loop.timeslice import TimeSlices, time_slices

logger = logging.getLogger(__name__)

# When so many calls or bytes of one client wait, its connection is not read any further.
MAX_WAITING = 64
MAX_WAITING_BYTES = 128_000
# The work of a client with more bytes waiting is heavy (``timeslice``): parsing takes long.
MAX_LIGHT_BYTES = 64_000
# In addition to its arguments, a call that waits costs its tuples and its slot in the deque.
CALL_BYTES = 400

Call = tuple[Callable[..., object], tuple[object, ...], int, bool]


class ExecutorClient(Protocol):
    """The client whose calls an executor runs."""

    @property
    def is_light(self) -> bool:
        """True when the client took little of the loop's time lately."""

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

    ``wait`` is called before each call, and may delay it. Each call begins in a time slice.
    """

    __slots__ = (
        "_calls",
        "_client",
        "_parked",
        "_runner",
        "_running_bytes",
        "_wait",
        "_waiting_bytes",
        "_watch_is_due",
        "_watched_bytes",
    )

    def __init__(self, client: ExecutorClient, wait: Callable[[], None] | None = None) -> None:
        self._calls: deque[Call] = deque()
        self._waiting_bytes = 0  # of calls that have not begun, and of parked ones
        self._running_bytes = 0  # of the call that the runner makes
        self._client = client
        self._wait = wait
        self._runner: gevent.Greenlet[[], None] | None = None  # takes the next call
        self._watched_bytes = 0  # ``_running_bytes`` if the call is not alone, else 0
        self._watch_is_due = False  # ``_park_current`` is scheduled
        self._parked = 0  # calls that wait for something while the next ones run

    @property
    def idle(self) -> bool:
        """True when nothing waits or runs."""
        return self._runner is None and not self._parked

    @property
    def held_bytes(self) -> int:
        """The bytes of the calls that wait, run or are parked."""
        return self._waiting_bytes + self._running_bytes

    @property
    def full(self) -> bool:
        """True while the client should not be read."""
        waiting = len(self._calls) + self._parked
        return waiting >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES

    def put(
        self, call: Callable[..., object], *args: object, size: int = 0, is_alone: bool = True
    ) -> None:
        """Call ``call(*args)``, which holds ``size`` bytes, after everything put before."""
        size += CALL_BYTES
        self._calls.append((call, args, size, is_alone))
        self._waiting_bytes += size
        self._client.on_size()
        self._start()

    def drop(self) -> None:
        """Forget the calls that have not begun."""
        self._waiting_bytes -= sum(size for _, _, size, _ in self._calls)
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
        """True in the runner; False in a greenlet whose call was parked."""
        return self._runner is gevent.getcurrent()

    @property
    def _is_light(self) -> bool:
        return self._waiting_bytes <= MAX_LIGHT_BYTES and self._client.is_light

    def _use(self, slices: TimeSlices, ends_s: float) -> None:
        """Run calls until the slice ends at ``ends_s``, and charge the client for them."""
        began_s = monotonic()
        while self._calls:
            self._run_next()
            if slices.ends_s != ends_s or not self._is_runner():
                return  # the loop turned: a call waited, and waiting is not charged
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
        self._waiting_bytes -= size
        self._running_bytes = size
        if was_full and not self.full:
            self._client.on_room()
        if is_alone:
            self._call(call, args)
            self._running_bytes = 0
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
        self._watched_bytes = size
        if not self._watch_is_due:  # once for all calls of this turn
            self._watch_is_due = True
            get_hub().loop.run_callback(self._park_current)
        self._call(call, args)
        if self._is_runner():
            self._watched_bytes = self._running_bytes = 0
        else:  # ``_park_current`` counted the call as parked
            self._parked -= 1
            self._waiting_bytes -= size

    def _park_current(self) -> None:
        """Count the current call as parked, and start another runner."""
        self._watch_is_due = False
        if self._watched_bytes:  # the loop runs and the call is not over: it waits for something
            self._parked += 1
            self._waiting_bytes += self._watched_bytes
            self._watched_bytes = self._running_bytes = 0
            self._runner = None
            self._start()
