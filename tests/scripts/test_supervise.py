"""The supervisor that each line of the Procfile runs under."""

import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from scripts.supervise import COMMAND_NOT_FOUND, LONGEST_PAUSE_S, next_pause_s
from tests.conftest import StartProcess
from tests.processes import RunningProcess, assert_nothing_left, processes_marked
from tests.timing import eventually, scaled_s

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
KEEP_COMMAND = [sys.executable, "-m", "scripts.supervise", sys.executable, "-c", dedent(RUNS_ON)]


def keep(start_process: StartProcess, code: str) -> RunningProcess:
    """Start the supervisor over a few lines of Python."""
    return start_process(["python", "-m", "scripts.supervise", "python", "-c", dedent(code)])


def kept_pid(process: RunningProcess, count: int = 1) -> int:
    """Return the process id that the ``count``-th kept process printed."""
    return int(process.wait_for_line(r"^pid (\d+)", count=count)[1])


def test_a_killed_process_is_started_again(start_process: StartProcess) -> None:
    supervisor = keep(start_process, RUNS_ON)
    first = kept_pid(supervisor)
    os.kill(first, signal.SIGKILL)
    assert kept_pid(supervisor, count=2) != first
    supervisor.wait_for_line("ended with exit code 137, starting it again in 0.2 s")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_ended_process_restarts(start_process: StartProcess, code: int) -> None:
    supervisor = keep(start_process, f"print('here', flush=True); raise SystemExit({code})")
    supervisor.wait_for_line("here", count=3)
    assert supervisor.stop() in (0, code, 128 + signal.SIGTERM)


def test_wrong_settings_exit_code(start_process: StartProcess) -> None:
    supervisor = keep(start_process, "print('wrong', flush=True); raise SystemExit(2)")
    assert supervisor.wait() == 2
    assert supervisor.output == "wrong"


def test_missing_command_is_reported_once(start_process: StartProcess) -> None:
    supervisor = start_process(["python", "-m", "scripts.supervise", "no-such-command"])
    assert supervisor.wait() == COMMAND_NOT_FOUND
    assert (
        supervisor.output
        == "supervise: no-such-command cannot be started: No such file or directory"
    )


def test_usage_without_command(start_process: StartProcess) -> None:
    supervisor = start_process(["python", "-m", "scripts.supervise"])
    assert supervisor.wait() == 2
    assert supervisor.output.startswith("usage:")


def test_sigterm_leaves_nothing(start_process: StartProcess) -> None:
    supervisor = keep(start_process, RUNS_ON)
    kept_pid(supervisor)
    assert supervisor.stop(signal.SIGTERM) == 0
    assert_nothing_left(supervisor)


def test_group_signal_arrives_once(start_process: StartProcess) -> None:
    supervisor = keep(start_process, COUNTS_SIGNALS)
    pid = kept_pid(supervisor)
    os.killpg(supervisor.pid, signal.SIGTERM)  # as honcho does
    supervisor.wait_for_line("^asked$")
    os.kill(pid, signal.SIGUSR1)
    supervisor.wait_for_line("^asked 1 times$")
    assert supervisor.wait() == 0


def test_stuck_process_is_killed(
    start_process: StartProcess,
) -> None:
    supervisor = keep(start_process, IGNORES_SIGTERM)
    supervisor.wait_for_line("deaf")
    assert supervisor.stop() == 128 + signal.SIGKILL
    assert "did not stop within 4 s, killing it" in supervisor.output
    assert_nothing_left(supervisor)


def test_it_can_be_stopped_while_it_pauses(start_process: StartProcess) -> None:
    supervisor = keep(start_process, "raise SystemExit(1)")
    supervisor.wait_for_line("starting it again in 3.2 s")
    assert supervisor.stop(timeout_s=2.5) == 0


def test_a_killed_supervisor_takes_its_process_along(start_process: StartProcess) -> None:
    supervisor = keep(start_process, RUNS_ON)
    pid = kept_pid(supervisor)
    supervisor.stop(signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid), what="the end of the process")
    assert_nothing_left(supervisor)


def test_it_ends_with_whoever_started_it(start_process: StartProcess) -> None:
    starter = f"import subprocess, sys; subprocess.run({KEEP_COMMAND!r})"
    process = start_process(["python", "-c", starter])
    pid = kept_pid(process)
    process.process.kill()
    eventually(lambda: not psutil.pid_exists(pid), what="the end of the process")
    eventually(lambda: not processes_marked(process.mark), what="the end of the supervisor")
    assert process.process.wait() == -signal.SIGKILL


def test_output_is_not_buffered(start_process: StartProcess) -> None:
    supervisor = keep(start_process, "import signal; print('no flush'); signal.pause()")
    assert supervisor.wait_for_line("no flush").string == "no flush"


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [0.0]
    while len(pauses) < 8:
        pauses.append(next_pause_s(pauses[-1], lived_s=0.1))
    assert pauses[1:] == [0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_pause_resets_after_long_run() -> None:
    assert next_pause_s(LONGEST_PAUSE_S, lived_s=60) == 0.2


# --- signals at any moment ---------------------------------------------------------------------

SIGNALLED_BEFORE_START = """
import os, signal, sys
from scripts import supervise

start = supervise._start
def start_late(command, environ):
    if {before}:
        os.kill(os.getpid(), signal.SIGTERM)
    child = start(command, environ)
    if not {before}:
        os.kill(os.getpid(), signal.SIGTERM)
    return child
supervise._start = start_late
raise SystemExit(supervise.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("before", [True, False])
def test_signal_around_the_start_of_the_process(start_process: StartProcess, before: bool) -> None:
    program = SIGNALLED_BEFORE_START.format(before=before)
    supervisor = start_process(["python", "-c", program, "python", "-c", dedent(RUNS_ON)])
    assert supervisor.wait(timeout_s=3) == 0
    assert "killing it" not in supervisor.output
    assert_nothing_left(supervisor)


# --- processes that hang -----------------------------------------------------------------------

BEATS = """
import faulthandler, os, signal, time
from shared.notify import READY, Notifier
faulthandler.enable()
notifier = Notifier()
notifier.tell(READY)
notifier.beat_if_due()
print("pid", os.getpid(), flush=True)
def beat_for(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.02, notifier.beat_if_due() or 0.02))
"""


def keep_watched(
    start_process: StartProcess, code: str, limit_s: float = 1.0, *, beats: bool = True
) -> RunningProcess:
    """Start the supervisor with a short limit over a process that has beaten, or never does."""
    begun = BEATS if beats else BEATS.replace("notifier.beat_if_due()\n", "", 1)
    watched = ["python", "-m", "scripts.supervise", "--watchdog", str(scaled_s(limit_s))]
    return start_process([*watched, "python", "-c", begun + dedent(code)])


def test_busy_process_writes_its_stacks(start_process: StartProcess) -> None:
    supervisor = keep_watched(
        start_process, "beat_for(0.1)\ndef spin():\n    while True: pass\nspin()"
    )
    first = kept_pid(supervisor)
    supervisor.wait_for_line("gave no sign of life for .* s, aborting it")
    supervisor.wait_for_line('File "<string>", line .* in spin')
    supervisor.wait_for_line("ended with exit code 134, starting it again in 0.2 s")
    assert kept_pid(supervisor, count=2) != first
    assert "killing it" not in supervisor.output


def test_stopped_process_is_killed(start_process: StartProcess) -> None:
    supervisor = keep_watched(start_process, "beat_for(600)")
    first = kept_pid(supervisor)
    os.kill(first, signal.SIGSTOP)
    supervisor.wait_for_line("aborting it")
    supervisor.wait_for_line("did not stop within 3 s, killing it")
    supervisor.wait_for_line("ended with exit code 137, starting it again")
    assert kept_pid(supervisor, count=2) != first


def test_process_without_beats_is_left_alone(start_process: StartProcess) -> None:
    lives = "time.sleep(5 * notifier.limit_s); print('alive', flush=True); signal.pause()"
    supervisor = keep_watched(start_process, lives, limit_s=0.3, beats=False)
    supervisor.wait_for_line("alive")
    assert "aborting" not in supervisor.output


def test_beating_process_is_left_alone(start_process: StartProcess) -> None:
    code = "beat_for(3 * notifier.limit_s); print('alive', flush=True); beat_for(600)"
    supervisor = keep_watched(start_process, code)
    supervisor.wait_for_line("alive")
    assert "aborting" not in supervisor.output


def test_keep_that_stood_still_kills_nobody(start_process: StartProcess) -> None:
    code = "beat_for(600)"
    supervisor = keep_watched(start_process, code, limit_s=0.5)
    pid = kept_pid(supervisor)
    # the process stands still as well, so that no beat waits in the socket
    os.kill(pid, signal.SIGSTOP)
    supervisor.process.send_signal(signal.SIGSTOP)
    eventually(lambda: psutil.Process(supervisor.pid).status() == psutil.STATUS_STOPPED)
    time.sleep(scaled_s(1.5))  # three limits: nothing reports that time has passed
    supervisor.process.send_signal(signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)
    assert supervisor.stop() == 0
    assert "aborting" not in supervisor.output


def test_what_the_process_says_reaches_systemd(start_process: StartProcess, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(scaled_s(20))
        environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1500000"}
        command = ["python", "-m", "scripts.supervise", "python", "-c", BEATS + "beat_for(600)"]
        supervisor = start_process(command, environ)
        assert [systemd.recv(100) for _ in range(4)] == [b"READY=1", *[b"WATCHDOG=1"] * 3]
        assert supervisor.stop() == 0
        said = [systemd.recv(100)]
        while said[-1] == b"WATCHDOG=1":
            said.append(systemd.recv(100))
        assert said[-1] == b"STOPPING=1"


def test_it_leaves_no_file(start_process: StartProcess, tmp_path: Path) -> None:
    command = ["python", "-m", "scripts.supervise", "python", "-c", dedent(RUNS_ON)]
    supervisor = start_process(command, {"TMPDIR": str(tmp_path)})
    kept_pid(supervisor)
    if sys.platform == "linux":  # nothing is left even by one that is killed
        supervisor.stop(signal.SIGKILL)
    else:
        supervisor.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the name of the socket is Linux's")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_beat_of_another_user_arms_nothing(start_process: StartProcess) -> None:
    code = """
        beaten = os.fork()
        if not beaten:
            os.setuid(65534)
            notifier.beat()
            os._exit(0)
        os.waitpid(beaten, 0)
        time.sleep(5 * notifier.limit_s)
        print("alive", flush=True)
        signal.pause()
    """
    supervisor = keep_watched(start_process, code, limit_s=0.3, beats=False)
    supervisor.wait_for_line("alive")
    assert "aborting" not in supervisor.output


def test_stuck_console(start_process: StartProcess, tmp_path: Path) -> None:
    fifo = tmp_path / "console"
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 4096)
    code = "import os; print('pid', os.getpid(), flush=True); raise SystemExit(1)"
    command = [sys.executable, "-m", "scripts.supervise", sys.executable, "-c", code]
    supervisor = start_process(["sh", "-c", f'exec "$@" 2>"{fifo}"', "sh", *command])
    kept_pid(supervisor, count=3)
    assert supervisor.stop() in {0, 1}
    os.close(descriptor)
