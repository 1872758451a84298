import re
import signal
import sys
import threading
from textwrap import dedent
from typing import Any

import psutil
import pytest

from gateway.stalls import UNSEEN, StallJudge, place_of
from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.timing import eventually, scaled_s

AT = "gateway/hub.py:1 turn"


class Said(list[tuple[str, dict[str, Any]]]):
    """Keeps the log lines."""

    def __call__(self, event: str, **fields: object) -> None:
        self.append((event, fields))


class Clock:
    """Looks as the thread does, while the process is busy, idle or stopped."""

    def __init__(self) -> None:
        self.said = Said()
        self.judge = StallJudge(self.said)
        self.now_s, self.cpu_s = 100.0, 1.0
        self.look()

    def look(self, began_s: float = 0.0) -> None:
        self.wait_s = self.judge.look(self.now_s, self.cpu_s, began_s, lambda: AT)

    def run(self, duration_s: float, began_s: float = 0.0, *, cpu: float = 1.0) -> None:
        """Look for a while, each time when the look before asked for it."""
        while duration_s > 0:
            step_s = min(self.wait_s, duration_s)
            duration_s -= step_s
            self.pass_time(step_s, cpu=cpu)
            self.wait_s -= step_s
            if self.wait_s <= 0 or duration_s <= 0:
                self.look(began_s)

    def pass_time(self, duration_s: float, *, cpu: float) -> None:
        self.now_s += duration_s
        self.cpu_s += cpu * duration_s

    def turn(self, duration_s: float, *, cpu: float = 1.0) -> None:
        """Let a turn of the loop begin, and end."""
        began_s = self.now_s
        self.run(duration_s, began_s, cpu=cpu)
        self.judge.end(began_s, self.now_s)


def test_stall_that_ended() -> None:
    clock = Clock()
    clock.turn(0.5)
    assert clock.said == [("loop_stalled", {"took_s": 0.5, "at": AT})]
    assert clock.judge.longest_s == pytest.approx(0.5)


def test_stall_that_waits_and_uses_no_processor() -> None:
    clock = Clock()
    clock.turn(0.5, cpu=0.0)
    assert clock.said == [("loop_stalled", {"took_s": 0.5, "at": AT})]


def test_ongoing_stall_is_logged() -> None:
    clock = Clock()
    clock.run(3.0, clock.now_s)
    [(event, fields)] = clock.said
    assert (event, fields["at"]) == ("loop_stalled", AT)
    assert 1.0 <= fields["so_far_s"] <= 1.2


def test_stall_with_blocked_thread() -> None:
    clock = Clock()
    began_s = clock.now_s
    clock.pass_time(2.0, cpu=1.0)
    clock.look()
    clock.judge.end(began_s, began_s + 2.0)
    assert clock.said == [("loop_stalled", {"took_s": 2.0, "at": UNSEEN})]


@pytest.mark.parametrize("stopped_s", [0.3, 0.9, 30.0])
def test_stopped_process_is_no_stall(stopped_s: float) -> None:
    clock = Clock()
    began_s = clock.now_s
    clock.pass_time(0.05, cpu=1.0)
    clock.pass_time(stopped_s, cpu=0.0)
    ended_s = clock.now_s
    clock.look()
    clock.judge.end(began_s, ended_s)
    assert [event for event, _ in clock.said] == ["process_stood_still"] * (stopped_s > 1)
    assert clock.judge.longest_s == 0.0


def test_stall_after_a_stop_counts_from_there() -> None:
    clock = Clock()
    began_s = clock.now_s
    clock.pass_time(5.0, cpu=0.0)
    clock.look(began_s)
    clock.run(0.4, began_s)
    clock.judge.end(began_s, clock.now_s)
    assert clock.said[-1] == ("loop_stalled", {"took_s": 0.4, "at": AT})


def test_one_place_is_told_once_a_minute() -> None:
    clock = Clock()
    for _ in range(10):
        clock.turn(0.3)
    clock.run(61.0)
    assert [event for event, _ in clock.said] == ["loop_stalled", "loop_stalled_again"]
    assert clock.said[-1][1] == {"count": 9, "at": AT}


def test_place_names_own_frames_only() -> None:
    said = Said()
    judge = StallJudge(said)
    judge.look(9.0, 1.0, 0.5, lambda: place_of(sys._getframe()))
    [(_, fields)] = said
    assert re.fullmatch(r"gateway/stalls.py:\d+ _look_at_turn < .*", fields["at"])


STALLS = """
import sys, time
from threading import get_ident
import gevent
from gateway.stalls import StallWatch
from gateway.web import limits

def say(event, **fields):
    print(event, fields, flush=True)

watch = StallWatch(say)
watch.start(gevent.get_hub().loop)
gevent.sleep(0.01)
print("measures", flush=True)
"""


def stalling(start_process: StartProcess, code: str) -> RunningProcess:
    return start_process(["python", "-c", STALLS + dedent(code)])


def test_real_loop_that_waits_somewhere(start_process: StartProcess) -> None:
    code = """
        def slow(): time.sleep(0.6)
        for _ in range(3):
            gevent.spawn(slow).join()
            gevent.sleep(0.3)
        print("longest", watch.longest_s)
    """
    process = stalling(start_process, code)
    process.wait_for_line(r"loop_stalled {'took_s': 0\.\d+, 'at': '<string>:\d+ slow'}")
    assert float(process.wait_for_line(r"longest ([\d.]+)")[1]) >= 0.6
    assert process.wait() == 0
    assert process.output.count(" slow'}") == 1


def test_short_turns_are_measured(start_process: StartProcess) -> None:
    code = """
        for _ in range(100): gevent.sleep(0.01)
        print("longest", watch.longest_s)
    """
    process = stalling(start_process, code)
    assert process.wait() == 0
    assert float(process.wait_for_line(r"longest ([\d.]+)")[1]) > 0.0


def test_stopped_loop(start_process: StartProcess) -> None:
    code = """
        def spin():
            print("spins", flush=True)
            until = time.process_time() + 0.02
            while time.process_time() < until: pass
        while True:
            gevent.spawn(spin).join()
            gevent.sleep(0.02)
    """
    process = stalling(start_process, code)
    process.wait_for_line("spins", count=5)
    process.process.send_signal(signal.SIGSTOP)
    eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    threading.Event().wait(scaled_s(1.5))  # the stop is the subject: nothing reports its length
    process.process.send_signal(signal.SIGCONT)
    process.wait_for_line("process_stood_still")
    # on a busy machine a turn may take long, but none as long as the stop
    told = re.findall(r"loop_stalled {'\w+': ([\d.]+)", process.output)
    assert [took_s for took_s in told if float(took_s) >= scaled_s(1.5)] == []
