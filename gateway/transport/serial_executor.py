"""One client's calls into the application: in order, one greenlet while there are any.

A call is put here to be alone or not. A call that is alone holds up all behind it until it returns.
Any other holds them up only while it computes: as soon as it waits for something, the next one
begins in another greenlet. So calls begin in order, and only calls that wait cost a greenlet each.
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

# Calls and bytes that may wait for one client before its connection is not read any further.
MAX_WAITING = 64
MAX_WAITING_BYTES = 1_000_000
# A client with more waiting goes behind all others: to parse it will take long.
MAX_NEW_BYTES = 64_000
# Beside its arguments, a call that waits costs its tuples and a place in the deque.
CALL_BYTES = 400

Call = tuple[Callable[..., object], tuple[object, ...], int, bool]


class Client(Protocol):
    """Whose calls a lane runs."""

    @property
    def is_new(self) -> bool:
        """True when it took so little time lately that it goes before the others."""

    def charge(self, began_s: float) -> None:
        """Charge the time since then to it."""

    def on_room(self) -> None:
        """More may be put into a lane again, or it is idle."""

    def on_size(self) -> None:
        """More or less waits in a lane, or runs."""


class Once:
    """A call that is made once, however often it is asked for."""

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


class Lane:
    """Run what is put here one after another, away from the event loop's own greenlet.

    Each call waits for a time slice, and before that for what ``wait`` waits for.
    """

    __slots__ = (
        "_aside",
        "_bytes",
        "_calls",
        "_client",
        "_inside",
        "_is_watched",
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
        self._inside = 0  # bytes of the call that the runner is in and that need not be alone
        self._is_watched = False
        self._aside = 0  # calls that wait for something while the next ones run

    @property
    def idle(self) -> bool:
        """True when nothing waits or runs."""
        return self._runner is None and not self._aside

    @property
    def held_bytes(self) -> int:
        """The bytes of the calls that wait, and of those that run."""
        return self._bytes + self._served_bytes

    @property
    def full(self) -> bool:
        """True while the client should not be listened to."""
        waiting = len(self._calls) + self._aside
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
        slices.give_way(is_new=self._is_new)
        while self._is_runner() and self._calls:
            self._use(slices, slices.ends_s)
            if self._is_runner() and self._calls:
                slices.park(is_new=self._is_new)
        if self._is_runner():
            self._runner = None
        self._client.on_room()

    def _is_runner(self) -> bool:
        """True in the greenlet that takes the next call."""
        return self._runner is gevent.getcurrent()

    @property
    def _is_new(self) -> bool:
        return self._bytes <= MAX_NEW_BYTES and self._client.is_new

    def _use(self, slices: TimeSlices, ends_s: float) -> None:
        """Run calls as long as the slice lasts that ends then, and charge the client for them."""
        began_s = monotonic()
        while self._calls:
            self._run_next()
            if slices.ends_s != ends_s or not self._is_runner():
                return  # it waited: what that took is not the loop's time
            if slices.ends_piece(began_s):
                break
        self._client.charge(began_s)

    def _run_next(self) -> None:
        if self._wait is not None:
            self._wait()
        if not self._calls:  # they were dropped meanwhile
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
            self._aside -= 1
            self._bytes -= size

    def _look(self) -> None:
        """Go on beside a call that waits: that the event loop runs means that it does."""
        self._is_watched = False
        if self._inside:
            self._aside += 1
            self._bytes += self._inside
            self._inside = self._served_bytes = 0
            self._runner = None
            self._start()
