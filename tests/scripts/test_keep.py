"""The supervisor that each line of the Procfile runs under."""

import os
import signal
import sys
from textwrap import dedent

import psutil
import pytest

from scripts.keep import COMMAND_NOT_FOUND, LONGEST_PAUSE_S, next_pause_s
from tests.conftest import StartProcess
from tests.processes import RunningProcess, assert_nothing_left, processes_marked
from tests.timing import eventually

RUNS_ON = """
    import os, signal
    print("pid", os.getpid(), flush=True)
    while True:
        signal.pause()
"""
COUNTS_SIGNALS = """
    import os, signal
    asked = []
    def ask(number, frame):
        asked.append(number)
        print("asked", flush=True)
    def finish(number, frame):
        print("asked", len(asked), "times", flush=True)
        raise SystemExit(0)
    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGUSR1, finish)
    print("pid", os.getpid(), flush=True)
    while True:
        signal.pause()
"""
IGNORES_SIGTERM = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    while True:
        signal.pause()
"""
KEEP_COMMAND = [sys.executable, "-m", "scripts.keep", sys.executable, "-c", dedent(RUNS_ON)]


def keep(start_process: StartProcess, code: str) -> RunningProcess:
    """Start the supervisor over a few lines of Python."""
    return start_process(["python", "-m", "scripts.keep", "python", "-c", dedent(code)])


def kept_pid(process: RunningProcess, count: int = 1) -> int:
    """Return the process id that the ``count``-th kept process printed."""
    return int(process.wait_for_line(r"^pid (\d+)", count=count)[1])


def test_a_killed_process_is_started_again(start_process: StartProcess) -> None:
    keeper = keep(start_process, RUNS_ON)
    first = kept_pid(keeper)
    os.kill(first, signal.SIGKILL)
    assert kept_pid(keeper, count=2) != first
    keeper.wait_for_line("ended with exit code 137, starting it again in 0.2 s")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_process_that_ends_by_itself_is_started_again(
    start_process: StartProcess, code: int
) -> None:
    keeper = keep(start_process, f"print('here', flush=True); raise SystemExit({code})")
    keeper.wait_for_line("here", count=3)
    assert keeper.stop() in (0, code, 128 + signal.SIGTERM)


def test_wrong_settings_end_it_with_the_same_exit_code(start_process: StartProcess) -> None:
    keeper = keep(start_process, "print('wrong', flush=True); raise SystemExit(2)")
    assert keeper.wait() == 2
    assert keeper.output == "wrong"


def test_a_command_that_is_not_there_is_named_once(start_process: StartProcess) -> None:
    keeper = start_process(["python", "-m", "scripts.keep", "no-such-command"])
    assert keeper.wait() == COMMAND_NOT_FOUND
    assert keeper.output == "keep: no-such-command cannot be started: No such file or directory"


def test_without_a_command_it_says_how_it_is_used(start_process: StartProcess) -> None:
    keeper = start_process(["python", "-m", "scripts.keep"])
    assert keeper.wait() == 2
    assert keeper.output.startswith("usage:")


def test_sigterm_to_it_ends_the_process_and_leaves_nothing(start_process: StartProcess) -> None:
    keeper = keep(start_process, RUNS_ON)
    kept_pid(keeper)
    assert keeper.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    assert_nothing_left(keeper)


def test_a_signal_to_the_whole_group_reaches_the_process_once(start_process: StartProcess) -> None:
    keeper = keep(start_process, COUNTS_SIGNALS)
    pid = kept_pid(keeper)
    os.killpg(keeper.pid, signal.SIGTERM)  # as honcho does
    keeper.wait_for_line("^asked$")
    os.kill(pid, signal.SIGUSR1)
    keeper.wait_for_line("^asked 1 times$")
    assert keeper.wait() == 0


def test_a_process_deaf_to_sigterm_is_killed_before_honcho_would(
    start_process: StartProcess,
) -> None:
    keeper = keep(start_process, IGNORES_SIGTERM)
    keeper.wait_for_line("deaf")
    assert keeper.stop() == 128 + signal.SIGKILL
    assert "did not stop within 4 s, killing it" in keeper.output
    assert_nothing_left(keeper)


def test_it_can_be_stopped_while_it_pauses(start_process: StartProcess) -> None:
    keeper = keep(start_process, "raise SystemExit(1)")
    keeper.wait_for_line("starting it again in 3.2 s")
    assert keeper.stop(timeout_s=2.5) == 0


def test_a_killed_supervisor_takes_its_process_along(start_process: StartProcess) -> None:
    keeper = keep(start_process, RUNS_ON)
    pid = kept_pid(keeper)
    keeper.stop(signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid), what="the end of the process")
    assert_nothing_left(keeper)


def test_it_ends_with_whoever_started_it(start_process: StartProcess) -> None:
    starter = f"import subprocess, sys; subprocess.run({KEEP_COMMAND!r})"
    process = start_process(["python", "-c", starter])
    pid = kept_pid(process)
    process.process.kill()
    eventually(lambda: not psutil.pid_exists(pid), what="the end of the process")
    eventually(lambda: not processes_marked(process.mark), what="the end of the supervisor")
    assert process.process.wait() == -signal.SIGKILL


def test_the_output_of_the_process_comes_at_once(start_process: StartProcess) -> None:
    keeper = keep(start_process, "import signal; print('no flush'); signal.pause()")
    assert keeper.wait_for_line("no flush").string == "no flush"


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [0.0]
    while len(pauses) < 8:
        pauses.append(next_pause_s(pauses[-1], lived_s=0.1))
    assert pauses[1:] == [0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_after_a_long_life_the_pause_is_the_first_again() -> None:
    assert next_pause_s(LONGEST_PAUSE_S, lived_s=60) == 0.2
