"""One client's calls into the application: in order, one greenlet while there are any."""

import logging
from collections import deque
from collections.abc import Callable

import gevent

logger = logging.getLogger(__name__)

# Calls and bytes that may wait for one client before its connection is not read any further.
MAX_WAITING = 64
MAX_WAITING_BYTES = 1_000_000

Call = tuple[Callable[..., object], tuple[object, ...], int]


class Lane:
    """Run what is put here one after another, away from the event loop's own greenlet."""

    __slots__ = ("_bytes", "_calls", "_on_room", "_running")

    def __init__(self, on_room: Callable[[], None]) -> None:
        self._calls: deque[Call] = deque()
        self._bytes = 0
        self._on_room = on_room
        self._running = False

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
        self._calls.append((call, args, size))
        self._bytes += size
        if not self._running:
            self._running = True
            gevent.spawn(self._run)

    def _run(self) -> None:
        while self._calls:
            was_full = self.full
            call, args, size = self._calls.popleft()
            self._bytes -= size
            if was_full and not self.full:
                self._on_room()
            self._call(call, args)
        self._running = False
        self._on_room()

    def _call(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        # A handler that fails must not take the client's later events with it.
        try:
            call(*args)
        except Exception:
            logger.exception("handler failed: call=%s", getattr(call, "__name__", call))
