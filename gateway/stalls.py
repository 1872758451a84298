"""The longest stall of the event loop: measured all the time, and named in the log.

libev calls a *check* watcher when it has polled the sockets, and a *prepare* watcher before it
polls them again. All work of a turn lies between the two, so two readings of the clock measure it.

A thread looks at the turn that runs when that turn has lasted :data:`STALL_S`, and every
:data:`STALL_S` while the loop waits: a look costs a ms of CPU on a machine that is mostly idle. So
each turn that takes longer is caught in the act: the thread notes where the loop's thread is. It
logs the stall once the turn has ended, or at once when the turn goes on for :data:`GOES_ON_S`.

A stopped process or a starved machine must not look like a stall. Then this thread comes late as
well, and the process has used hardly any processor time. Code that holds the interpreter's lock
makes the thread late, too, but such code uses the processor.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from math import inf
from pathlib import Path
from threading import Thread, get_ident
from types import FrameType
from typing import Any

from loguru import logger

from shared.log_limit import LogLimit

STALL_S = 0.25
"""A person notices a page that stands still for so long."""
GOES_ON_S = 1.0
LOOK_S = 0.1
"""The time between two looks at a stall."""
LATE_S = 0.04
"""A look this long after its time is late. Its time comes within STALL_S, so each stop of the
process that is longer than both together is noticed."""
IDLE_SHARE = 0.5
"""A late thread of a process that used less of the processor than this stood still with it."""
ENDED_MAX = 16
FRAMES_MAX = 3
FIRST, LAST = 2, -2
"""libev's priorities: the turn begins before its other callbacks, and ends after them."""
ROOT = Path(__file__).resolve().parent.parent
OWN = tuple(f"{ROOT / package}/" for package in ("gateway", "shared"))
UNSEEN = "unknown: the thread that looks could not run"

Say = Callable[..., None]


class StallWatch:
    """Measures the turns of one loop; see the module."""

    def __init__(self, say: Say = logger.warning) -> None:
        self.turns, self.turning_s = 0, 0.0
        """How many turns there were, and the time that they took in all."""
        self._judge = StallJudge(say)
        self._began_s = 0.0  # 0 while the loop waits
        self._longest_short_s = 0.0
        self._ended: deque[tuple[float, float]] = deque(maxlen=ENDED_MAX)
        self._watchers: list[Any] = []
        self._is_stopped = False
        self._thread = Thread(target=self._look_on, name="stalls", daemon=True)

    @property
    def longest_s(self) -> float:
        """The longest turn so far, in s; one that the process stood still in does not count."""
        return max(self._longest_short_s, self._judge.longest_s)

    def start(self, loop: Any) -> None:  # noqa: ANN401  # gevent's loop has no public type
        """Measure from now on; call it in the loop's own thread."""
        self._loop_thread = get_ident()
        for watcher, note in (
            (loop.check(ref=False, priority=FIRST), self._note_begin),
            (loop.prepare(ref=False, priority=LAST), self._note_end),
        ):
            watcher.start(note)
            self._watchers.append(watcher)
        self._thread.start()

    def stop(self) -> None:
        """Measure no more."""
        self._is_stopped = True
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        self._watchers.clear()

    def _note_begin(self) -> None:
        self._began_s = time.monotonic()

    def _note_end(self) -> None:
        began_s, self._began_s = self._began_s, 0.0
        if not began_s:
            return
        ended_s = time.monotonic()
        self.turns += 1
        self.turning_s += ended_s - began_s
        if ended_s - began_s >= STALL_S:  # the thread judges whether the process stood still
            self._ended.append((began_s, ended_s))
        elif ended_s - began_s > self._longest_short_s:
            self._longest_short_s = ended_s - began_s

    def _look_on(self) -> None:
        wait_s = 0.0
        while not self._is_stopped:
            time.sleep(wait_s)  # costs less than waiting for an event
            # Taken before the clock is read: if the process stood still in one of them, this look
            # notices. One that ends later is judged by the next look.
            ended = [self._ended.popleft() for _ in range(len(self._ended))]
            wait_s = self._judge.look(
                time.monotonic(), time.process_time(), self._began_s, self._place
            )
            for began_s, ended_s in ended:
                self._judge.end(began_s, ended_s)

    def _place(self) -> str:
        return place_of(sys._current_frames().get(self._loop_thread))  # noqa: SLF001  # documented, in spite of its name


class StallJudge:
    """Tells stalls from a process that stood still, and logs each place once a minute.

    Times come in as arguments, so that tests need no waiting.
    """

    def __init__(self, say: Say) -> None:
        self.longest_s = 0.0
        self._say = say
        self._limit = LogLimit()
        self._looked_s = self._cpu_s = 0.0
        self._look_due_s = inf
        self._stood_still_until_s = 0.0
        self._seen: tuple[float, str] = (0.0, "")
        self._told_s = 0.0

    def look(
        self, now_s: float, cpu_s: float, began_s: float, find_place: Callable[[], str]
    ) -> float:
        """Look at the turn that began at ``began_s``, 0 for none.

        Returns the time to wait before the next look.
        """
        self._note_standing_still(now_s, cpu_s)
        self._sum_up(now_s)
        wait_s = self._look_at_turn(now_s, began_s, find_place)
        self._look_due_s = now_s + wait_s
        return wait_s

    def _look_at_turn(self, now_s: float, began_s: float, find_place: Callable[[], str]) -> float:
        took_s = self._took_s(began_s, now_s) if began_s else 0.0
        if took_s < STALL_S:
            return STALL_S - took_s
        if self._seen[0] != began_s:
            self._seen = began_s, find_place()
        if took_s >= GOES_ON_S and self._told_s != began_s:
            self._told_s = began_s
            self._tell(now_s, "goes on", so_far_s=round(took_s, 2), at=self._seen[1])
        return LOOK_S

    def end(self, began_s: float, ended_s: float) -> None:
        """Judge a turn that has ended."""
        took_s = self._took_s(began_s, ended_s)
        if took_s < STALL_S:
            return
        self.longest_s = max(self.longest_s, took_s)
        place = self._seen[1] if self._seen[0] == began_s else UNSEEN
        self._tell(ended_s, "ended", took_s=round(took_s, 2), at=place)

    def _took_s(self, began_s: float, until_s: float) -> float:
        return until_s - max(began_s, self._stood_still_until_s)

    def _note_standing_still(self, now_s: float, cpu_s: float) -> None:
        pause_s, used_s = now_s - self._looked_s, cpu_s - self._cpu_s
        if now_s - self._look_due_s > LATE_S and used_s < IDLE_SHARE * pause_s:
            self._stood_still_until_s = now_s
            if pause_s >= GOES_ON_S and self._limit.admits("still", "process_stood_still", now_s):
                self._say("process_stood_still", for_s=round(pause_s, 2))
        self._looked_s, self._cpu_s = now_s, cpu_s

    def _tell(self, now_s: float, what: str, **fields: object) -> None:
        if self._limit.admits((what, fields["at"]), str(fields["at"]), now_s):
            self._say("loop_stalled", **fields)

    def _sum_up(self, now_s: float) -> None:
        for place, count in self._limit.take_ended(now_s):
            self._say("loop_stalled_again", count=count, at=place)


def place_of(frame: FrameType | None) -> str:
    """Name the innermost frames of our own code, the innermost first."""
    own: list[str] = []
    innermost = frame
    while frame is not None and len(own) < FRAMES_MAX:
        if frame.f_code.co_filename.startswith(OWN):
            own.append(_in_words(frame))
        frame = frame.f_back
    if own or innermost is None:
        return " < ".join(own) or "nowhere"
    return _in_words(innermost)


def _in_words(frame: FrameType) -> str:
    file = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
    return f"{file}:{frame.f_lineno} {frame.f_code.co_name}"
