"""One client's calls into the application: in order, one greenlet while there are any."""

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic

import gevent

from gateway.transport.timeslice import time_slices

logger = logging.getLogger(__name__)

# Calls and bytes that may wait for one client before its connection is not read any further.
MAX_WAITING = 64
MAX_WAITING_BYTES = 1_000_000
# Beside its arguments, a call that waits costs its tuples and a place in the deque.
CALL_BYTES = 400
# A call that ran longer than this used up a slice: its client waits behind all others.
LONG_S = 0.0025

Call = tuple[Callable[..., object], tuple[object, ...], int]


class Lane:
    """Run what is put here one after another, away from the event loop's own greenlet.

    Each call waits for a time slice, and before that for what ``wait`` waits for. ``is_new`` says
    that the client used up no slice the last time; the next lane of the client gets it.
    """

    __slots__ = ("_bytes", "_calls", "_on_room", "_running", "_wait", "is_new")

    def __init__(
        self,
        on_room: Callable[[], None],
        wait: Callable[[], None] | None = None,
        *,
        is_new: bool = True,
    ) -> None:
        self._calls: deque[Call] = deque()
        self._bytes = 0
        self._on_room = on_room
        self._wait = wait
        self._running = False
        self.is_new = is_new

    @property
    def idle(self) -> bool:
        """True when nothing waits or runs."""
        return not self._running

    @property
    def full(self) -> bool:
        """True while the client should not be listened to."""
        return len(self._calls) >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES

    def put(self, call: Callable[..., object], *args: object, size: int = 0) -> None:
        """Call ``call(*args)``, which holds ``size`` bytes, after everything put before."""
        size += CALL_BYTES
        self._calls.append((call, args, size))
        self._bytes += size
        if not self._running:
            self._running = True
            gevent.spawn(self._run)

    def drop(self) -> None:
        """Forget the calls that wait."""
        self._calls.clear()
        self._bytes = 0

    def _run(self) -> None:
        slices = time_slices()
        while self._calls:
            if self._wait is not None:
                self._wait()
            slices.give_way(is_new=self.is_new)
            if not self._calls:  # they were dropped meanwhile
                break
            began_s = monotonic()
            self._run_next()
            self.is_new = not slices.is_over or monotonic() - began_s < LONG_S
        self._running = False
        self._on_room()

    def _run_next(self) -> None:
        was_full = self.full
        call, args, size = self._calls.popleft()
        self._bytes -= size
        if was_full and not self.full:
            self._on_room()
        self._call(call, args)

    def _call(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        # A handler that fails must not take the client's later events with it.
        try:
            call(*args)
        except Exception:
            logger.exception("handler failed: call=%s", getattr(call, "__name__", call))
