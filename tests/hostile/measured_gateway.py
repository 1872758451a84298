"""Run the real gateway, and measure the CPU time of every turn of its event loop.

usage: python -m tests.hostile.measured_gateway PORT [arguments of the gateway]

A turn lasts from one poll of the sockets to the next. Only the time counts that the loop's own
thread spent on a CPU, so other programs on the machine change nothing. Garbage collections are
measured apart from the turn that they interrupt. On PORT each line of a test is answered with a
line of JSON: what was measured since the last one (see ``Report``). After the line ``clean`` free
memory is given back, too. After ``leaks`` all objects are examined that collections exclude.
"""

import ctypes
import gc
import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import thread_time
from typing import Any

from gevent import get_hub
from gevent.server import StreamServer

from gateway.__main__ import main
from shared.signals import exit_ignoring_signals

FIRST, LAST = 2, -2
"""libev's priorities: a turn begins before all its callbacks and ends after the last one."""
CALIBRATION_ROUNDS = 40_000
CALIBRATION_TRIES = 5


@dataclass
class Report:
    """What was measured since the last report, in ms of CPU time of the loop's thread."""

    longest_turn_ms: float = 0.0
    longest_collection_ms: float = 0.0
    turns: int = 0
    calibration_ms: float = 0.0
    """What the calibration loop takes now: 2 to 4 ms on machines of 2026."""
    full_collection_ms: float = 0.0
    """What a collection takes now, after ``clean``, of all objects that are not excluded."""
    leaked: int = 0
    """Objects that ended, and were not freed because they were excluded; after ``leaks``."""


class Meter:
    """Measures the turns of an event loop."""

    def __init__(self, loop: Any) -> None:
        self.report = Report()
        self._began_s: float | None = None
        self._collection_began_s = self._collections_s = 0.0
        self._begin = loop.check(ref=False, priority=FIRST)
        self._end = loop.prepare(ref=False, priority=LAST)
        self._begin.start(self._begin_turn)
        self._end.start(self._end_turn)
        gc.callbacks.append(self._note_collection)

    def restart(self) -> None:
        """Forget what was measured, and the turn that runs."""
        self.report, self._began_s = Report(), None

    def _begin_turn(self) -> None:
        self._began_s, self._collections_s = thread_time(), 0.0

    def _end_turn(self) -> None:
        if self._began_s is None:
            return
        took_ms = (thread_time() - self._began_s - self._collections_s) * 1000
        self._began_s = None
        self.report.turns += 1
        self.report.longest_turn_ms = max(self.report.longest_turn_ms, took_ms)

    def _note_collection(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._collection_began_s = thread_time()
            return
        took_s = thread_time() - self._collection_began_s
        self._collections_s += took_s
        longest_ms = max(self.report.longest_collection_ms, took_s * 1000)
        self.report.longest_collection_ms = longest_ms


def calibrate() -> float:
    """Return how long a fixed piece of Python takes here, in ms of CPU time: the least of some."""
    return min(_time_rounds() for _ in range(CALIBRATION_TRIES)) * 1000


def _time_rounds() -> float:
    began_s = thread_time()
    seen: dict[int, str] = {}
    for number in range(CALIBRATION_ROUNDS):
        seen[number & 255] = "x"
    return thread_time() - began_s


def give_back_memory() -> float:
    """Free what nobody uses, so that each attack pays for its own memory.

    Returns how long the collection of all objects took, in ms.
    """
    began_s = thread_time()
    gc.collect()
    took_ms = (thread_time() - began_s) * 1000
    with suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    return took_ms


def serve(meter: Meter, port: int) -> None:
    """Answer the test's lines."""

    def handle(sock: Any, _address: object) -> None:
        with sock, sock.makefile("rw") as lines:
            for line in lines:
                report, meter.report = meter.report, Report()
                report.calibration_ms = calibrate()
                if line.strip() == "clean":
                    report.full_collection_ms = give_back_memory()
                if line.strip() == "leaks":
                    gc.unfreeze()
                    report.leaked = gc.collect()
                lines.write(json.dumps(asdict(report)) + "\n")
                lines.flush()
                meter.restart()

    StreamServer(("127.0.0.1", port), handle).start()


if __name__ == "__main__":
    own_port = int(sys.argv.pop(1))
    serve(Meter(get_hub().loop), own_port)
    exit_ignoring_signals(main())
