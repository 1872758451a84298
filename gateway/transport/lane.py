"""One client's calls into the application: in order, one greenlet while there are any."""

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import gevent

from gateway.transport.timeslice import TimeSlices, time_slices

logger = logging.getLogger(__name__)

# Calls and bytes that may wait for one client before its connection is not read any further.
MAX_WAITING = 64
MAX_WAITING_BYTES = 1_000_000
# A client with more waiting goes behind all others: to parse it will take long.
MAX_NEW_BYTES = 64_000
# Beside its arguments, a call that waits costs its tuples and a place in the deque.
CALL_BYTES = 400

Call = tuple[Callable[..., object], tuple[object, ...], int]


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


class Lane:
    """Run what is put here one after another, away from the event loop's own greenlet.

    Each call waits for a time slice, and before that for what ``wait`` waits for.
    """

    __slots__ = ("_bytes", "_calls", "_client", "_running", "_served_bytes", "_wait")

    def __init__(self, client: Client, wait: Callable[[], None] | None = None) -> None:
        self._calls: deque[Call] = deque()
        self._bytes = self._served_bytes = 0
        self._client = client
        self._wait = wait
        self._running = False

    @property
    def idle(self) -> bool:
        """True when nothing waits or runs."""
        return not self._running

    @property
    def held_bytes(self) -> int:
        """What the calls hold that wait, and the one that runs."""
        return self._bytes + self._served_bytes

    @property
    def full(self) -> bool:
        """True while the client should not be listened to."""
        return len(self._calls) >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES

    def put(self, call: Callable[..., object], *args: object, size: int = 0) -> None:
        """Call ``call(*args)``, which holds ``size`` bytes, after everything put before."""
        size += CALL_BYTES
        self._calls.append((call, args, size))
        self._bytes += size
        self._client.on_size()
        if not self._running:
            self._running = True
            gevent.spawn(self._run)

    def drop(self) -> None:
        """Forget the calls that wait."""
        self._calls.clear()
        self._bytes = 0
        self._client.on_size()

    def _run(self) -> None:
        slices = time_slices()
        slices.give_way(is_new=self._is_new)
        while self._calls:
            self._use(slices, slices.ends_s)
            if self._calls:
                slices.park(is_new=self._is_new)
        self._running = False
        self._client.on_room()

    @property
    def _is_new(self) -> bool:
        return self._bytes <= MAX_NEW_BYTES and self._client.is_new

    def _use(self, slices: TimeSlices, ends_s: float) -> None:
        """Run calls as long as the slice lasts that ends then, and charge the client for them."""
        began_s = monotonic()
        while self._calls:
            self._run_next()
            if slices.ends_s != ends_s:  # it waited: what that took is not the loop's time
                return
            if slices.ends_piece(began_s):
                break
        self._client.charge(began_s)

    def _run_next(self) -> None:
        if self._wait is not None:
            self._wait()
        if not self._calls:  # they were dropped meanwhile
            return
        was_full = self.full
        call, args, size = self._calls.popleft()
        self._bytes -= size
        self._served_bytes = size
        if was_full and not self.full:
            self._client.on_room()
        self._call(call, args)
        self._served_bytes = 0
        self._client.on_size()

    def _call(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        # A handler that fails must not take the client's later events with it.
        try:
            call(*args)
        except Exception:
            logger.exception("handler failed: call=%s", getattr(call, "__name__", call))
