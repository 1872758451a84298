"""Time slices: long work runs in pieces, and everything else runs in between.

gevent switches greenlets only where one of them waits, so a handler that never waits holds the
loop. ``gevent.sleep(0)`` in many greenlets does not help: gevent runs up to 50 callbacks before it
looks at the clock, and polls no socket meanwhile.

How it works. A turn of the event loop polls its sockets once and runs the callbacks that are due.
Each turn has a budget of time, the slice:

- The first callback of a turn starts the slice. Until ``SLICE_S`` later all work just runs.
- After that, ``give_way`` parks the greenlet that calls it, and work of callbacks is put off with
  ``run_later``. Parked work is *light* when its client took little of the loop lately
  (``loop_time``), otherwise *heavy*. The caller decides: the first request of an HTTP connection
  and a repeated poll are light, too; an HTTP request that used up its slice is heavy.
- The last callback of a turn resumes parked work: first one heavy and one light piece, each with a
  slice of its own, then more until another ``SLICE_S`` has passed, light work first.

Invariants: light work overtakes heavy work, so a small request does not wait for large ones. Heavy
work gets one piece in every turn, so a flood of light work cannot starve it. While work is parked,
the loop polls without waiting, so parked work is resumed at once.

A greenlet cannot be interrupted: the work between two calls of ``give_way`` should take at most a
few milliseconds.
"""

from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from gevent import get_hub
from gevent.hub import Hub, Waiter

SLICE_S = 0.005
"""Half of the 10 ms that one piece of work may hold the loop: pieces overrun their slice."""
PIECE_S = 0.001
"""The share of a slice that one client may use while light work waits. The work of hundreds of
clients that flood the gateway is light, too, when they begin."""
FIRST, LAST = 2, -2
"""libev's priorities: callbacks of a turn run in this order."""

Call = Callable[[], object]


class TimeSlices:
    """The time slices of one event loop; see the module."""

    def __init__(self, loop: Any) -> None:
        self._light: deque[Call] = deque()
        self._heavy: deque[Call] = deque()
        # libev's check watchers run in each turn, after the sockets were polled.
        self._turn = loop.check(ref=False, priority=FIRST)
        self._turn.start(self._grant_slice)
        self._resume = loop.check(priority=LAST)
        self._busy_poll = loop.idle(priority=LAST)  # while it is active, polling does not wait
        self._grant_slice()

    @property
    def is_over(self) -> bool:
        """True when the running piece of work should wait for its next slice."""
        return monotonic() >= self._until_s

    @property
    def ends_s(self) -> float:
        """When the slice ends, in monotonic seconds; each slice has another value."""
        return self._until_s

    def ends_piece(self, began_s: float) -> bool:
        """True when work that began at ``began_s`` should wait: see ``SLICE_S``, ``PIECE_S``."""
        now_s = monotonic()
        return now_s >= self._until_s or (bool(self._light) and now_s - began_s >= PIECE_S)

    def run_later(self, call: Call, *, is_light: bool = False) -> None:
        """Call from the loop in a later turn: light work before heavy work."""
        (self._light if is_light else self._heavy).append(call)
        if not self._resume.active:
            self._resume.start(self._resume_some)
            self._busy_poll.start(_do_nothing)

    def give_way(self, *, is_light: bool = False) -> None:
        """Park this greenlet until its next slice, if the present slice is over."""
        if self.is_over:
            self.park(is_light=is_light)

    def park(self, *, is_light: bool = False) -> None:
        """Park this greenlet until its next slice."""
        waiter: Waiter[None] = Waiter()
        self.run_later(partial(waiter.switch, None), is_light=is_light)
        waiter.get()

    def _grant_slice(self) -> None:
        self._until_s = monotonic() + SLICE_S

    def _resume_some(self) -> None:
        ends_s = monotonic() + SLICE_S
        # One of each, however little time is left: neither kind of work can starve the other.
        for queue in (self._heavy, self._light):
            if queue:
                self._resume_one(queue)
        while (self._light or self._heavy) and monotonic() < ends_s:
            self._resume_one(self._light or self._heavy)
        if not (self._light or self._heavy):
            self._resume.stop()
            self._busy_poll.stop()

    def _resume_one(self, queue: deque[Call]) -> None:
        self._grant_slice()
        queue.popleft()()


def _do_nothing() -> None:
    pass


_slices: WeakKeyDictionary[Hub, TimeSlices] = WeakKeyDictionary()


def time_slices() -> TimeSlices:
    """Return the time slices of this thread's event loop."""
    return _slices_of(get_hub())


# Nearly always there is one loop, and a weak dictionary is slow. The last loop is kept alive.
@lru_cache(maxsize=1)
def _slices_of(hub: Hub) -> TimeSlices:
    found = _slices.get(hub)
    if found is None:
        found = _slices[hub] = TimeSlices(hub.loop)
    return found


def give_way(*, is_light: bool = False) -> None:
    """Park this greenlet until its next slice, if the present slice is over; see the module."""
    time_slices().give_way(is_light=is_light)
