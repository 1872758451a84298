"""Time slices: work that strangers cause runs in pieces, and everybody else runs in between.

gevent switches greenlets only where one of them waits, so a handler that never waits holds the
loop. gevent also runs up to 50 callbacks before it looks at the clock, so ``gevent.sleep(0)`` in
many greenlets polls no socket for a long time. Here each turn of the loop has a budget:

- A turn begins when the loop has polled its sockets. For ``SLICE_S`` everything just runs.
- After that ``give_way`` parks the calling greenlet, and ``run_later`` keeps a callback.
- Each later turn resumes one piece of work that had a slice before and one piece that is new, and
  then more while the slice lasts, new work first: a small request overtakes a large one.

The work between two calls of ``give_way`` should take at most a few milliseconds.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from gevent import get_hub
from gevent.hub import Hub, Waiter

SLICE_S = 0.005
"""Half of the 10 ms that one piece of work may hold the loop: the other half is its overrun."""
PIECE_S = 0.001
"""While new work waits, no client uses more of a slice: hundreds of floods begin at once, too."""
FIRST, LAST = 2, -2
"""libev's priorities: a turn's budget begins before its other callbacks, old work comes last."""

Call = Callable[[], object]


class TimeSlices:
    """The budget of one event loop; see the module."""

    def __init__(self, loop: Any) -> None:
        self._new: deque[Call] = deque()
        self._continued: deque[Call] = deque()
        self._resume = loop.check(priority=LAST)
        self._no_rest = loop.idle(priority=LAST)  # the loop polls without waiting while it is on
        self._turn = loop.check(ref=False, priority=FIRST)
        self._turn.start(self._grant_slice)
        self._grant_slice()

    @property
    def is_over(self) -> bool:
        """True when the running piece of work should wait for its next slice."""
        return monotonic() >= self._until_s

    @property
    def ends_s(self) -> float:
        """When the slice is over; another value tells that this is another slice."""
        return self._until_s

    def ends_piece(self, began_s: float) -> bool:
        """True when work that began then should wait: its slice is over, or new work waits."""
        now_s = monotonic()
        return now_s >= self._until_s or (bool(self._new) and now_s - began_s >= PIECE_S)

    def run_later(self, call: Call, *, is_new: bool = False) -> None:
        """Call from the loop in a later turn; ``is_new`` marks work that had no slice yet."""
        (self._new if is_new else self._continued).append(call)
        if not self._resume.active:
            self._resume.start(self._resume_some)
            self._no_rest.start(_do_nothing)

    def give_way(self, *, is_new: bool = False) -> None:
        """Park this greenlet until its next slice, if its slice is over."""
        if self.is_over:
            self.park(is_new=is_new)

    def park(self, *, is_new: bool = False) -> None:
        """Park this greenlet until its next slice."""
        waiter: Waiter[None] = Waiter()
        self.run_later(partial(waiter.switch, None), is_new=is_new)
        waiter.get()

    def _grant_slice(self) -> None:
        self._until_s = monotonic() + SLICE_S

    def _resume_some(self) -> None:
        ends_s = monotonic() + SLICE_S
        for queue in (self._continued, self._new):
            if queue:
                self._resume_one(queue)
        while (self._new or self._continued) and monotonic() < ends_s:
            self._resume_one(self._new or self._continued)
        if not (self._new or self._continued):
            self._resume.stop()
            self._no_rest.stop()

    def _resume_one(self, queue: deque[Call]) -> None:
        self._grant_slice()
        queue.popleft()()


def _do_nothing() -> None:
    pass


_slices: WeakKeyDictionary[Hub, TimeSlices] = WeakKeyDictionary()


def time_slices() -> TimeSlices:
    """Return the budget of this thread's event loop."""
    hub = get_hub()
    found = _slices.get(hub)
    if found is None:
        found = _slices[hub] = TimeSlices(hub.loop)
    return found


def give_way(*, is_new: bool = False) -> None:
    """Park this greenlet until its next slice, if its slice is over; see the module."""
    time_slices().give_way(is_new=is_new)
