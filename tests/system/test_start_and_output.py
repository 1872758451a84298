"""Programs that get a signal while they start, and whose console is closed, full or left."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.processes import ROOT, RunningProcess, clean_environment
from tests.system.pair import Pair, running_pair
from tests.timing import eventually, scaled_s

WAIT_S = 60.0
PROGRAMS = ("gateway", "device", "device.check", "gateway.watch", "scripts.supervise")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EARLY_SIGNALS = [
    (program, number, (1, 60)[(at + place) % 2])
    for at, program in enumerate(PROGRAMS)
    for place, number in enumerate(SIGNALS)
]
"""Each program gets each signal, early or late among its imports, and each signal comes at both."""
BEGUN = r"\| +shared.begin$"
"""The line of ``-X importtime`` from which on a signal ends a program in peace."""


@pytest.fixture
def arguments(free_port: Callable[[], int], tmp_path: Path) -> dict[str, list[str]]:
    """Arguments for each program, with ports and a log folder of the test's own."""
    ports = [free_port() for _ in range(3)]
    live, replay = (f"tcp://127.0.0.1:{port}" for port in ports[:2])
    logs = ["--log-dir", str(tmp_path / "logs")]
    device = ["--pub-bind", live, "--replay-bind", replay, *logs]
    gateway = ["--gateway-port", str(ports[2]), "--device-connect", live]
    return {
        "gateway": [*gateway, "--replay-connect", replay, *logs],
        "device": device,
        "device.check": [live, "--seconds", "0.5"],
        "gateway.watch": [f"http://127.0.0.1:{ports[2]}"],
        "scripts.supervise": [sys.executable, "-m", "device", *device],
    }


def assert_ended_in_peace(process: RunningProcess) -> None:
    assert process.wait() == 0, process.output
    assert "Traceback" not in process.output
    assert "KeyboardInterrupt" not in process.output


@pytest.mark.parametrize(("program", "number", "imports"), EARLY_SIGNALS)
def test_signal_during_the_imports(
    start_process: StartProcess,
    arguments: dict[str, list[str]],
    program: str,
    number: signal.Signals,
    imports: int,
) -> None:
    argv = ["python", "-X", "importtime", "-m", program, *arguments[program]]
    process = start_process(argv, {"SPOKE_ENV": "test", "SPOKE_LOG_LEVEL": "INFO"})
    process.wait_for_line(BEGUN)
    lines = process.lines_from(0)
    before = 1 + next(number for number, line in enumerate(lines) if re.search(BEGUN, line))
    process.wait_for_line("import time: ", count=before + imports)
    process.process.send_signal(number)
    assert_ended_in_peace(process)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("number", SIGNALS)
def test_two_signals_while_it_runs(
    start_process: StartProcess,
    arguments: dict[str, list[str]],
    program: str,
    number: signal.Signals,
) -> None:
    begun = {"gateway": "gateway_started", "gateway.watch": "nothing answers"}
    if program == "device.check":
        arguments[program][-1] = "60"
    argv = ["python", "-X", "importtime", "-m", program, *arguments[program]]
    process = start_process(argv, {"SPOKE_ENV": "test", "SPOKE_LOG_LEVEL": "INFO"})
    process.wait_for_line(begun.get(program, r"started |\| +shared.program$"))
    for _ in range(2):
        process.process.send_signal(number)
    assert_ended_in_peace(process)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_gateway_with_closed_streams(
    start_process: StartProcess, arguments: dict[str, list[str]], tmp_path: Path, closed: str
) -> None:
    command = [sys.executable, "-m", "gateway", *arguments["gateway"]]
    process = start_process(["sh", "-c", f'exec "$@" {closed}', "sh", *command])
    eventually(lambda: answers(arguments["gateway"][1]), what="the gateway", timeout_s=20)
    assert process.stop() == 0
    [log] = (tmp_path / "logs").iterdir()
    assert "gateway_stopped" in log.read_text()


def answers(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("console", ["2>&-", "2>/dev/full", ">/dev/full 2>&1"])
def test_device_without_a_console(
    start_process: StartProcess, arguments: dict[str, list[str]], tmp_path: Path, console: str
) -> None:
    command = [sys.executable, "-m", "device", *arguments["device"]]
    process = start_process(["sh", "-c", f'exec "$@" {console}', "sh", *command])
    log = tmp_path / "logs" / "device-ebike-001.log"
    eventually(lambda: log.exists() and "started" in log.read_text(), what="the log")
    assert process.stop() == 0


OUTPUT = {
    "device": ["--help"],
    "gateway": ["--help"],
    "device.check": ["tcp://127.0.0.1:1", "--seconds", "0"],
    "gateway.watch": ["--help"],
    "gateway.schema": [],
}


@pytest.mark.parametrize("program", OUTPUT)
def test_full_disk_behind_the_output(program: str) -> None:
    code, said = run([program, *OUTPUT[program]], "1>/dev/full")
    assert (code, said) == (2, "the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("program", OUTPUT)
@pytest.mark.parametrize("console", ["1>/dev/full 2>&1", ">&- 2>&-", "1>&-"])
def test_nobody_to_tell(program: str, console: str) -> None:
    code, said = run([program, *OUTPUT[program]], console)
    assert code in {0, 2}
    assert said == ""


@pytest.mark.parametrize("program", OUTPUT)
def test_reader_that_leaves(program: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", program, *OUTPUT[program]],
        cwd=ROOT,
        env=clean_environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=scaled_s(WAIT_S),
        check=False,
    )
    os.close(writer)
    assert done.returncode == (2 if program == "device.check" else 0)  # it heard nothing
    assert done.stderr == b""


@pytest.mark.parametrize("program", ["gateway", "device", "device.check", "gateway.watch"])
@pytest.mark.parametrize("console", ["2>&-", "2>/dev/full"])
def test_wrong_argument_without_a_console(program: str, console: str) -> None:
    assert run([program, "--no-such-flag=1"], console) == (2, "")


@pytest.fixture(scope="module")
def running(start_shared_process: StartProcess) -> Pair:
    """Run a device and a gateway that several tests watch."""
    return running_pair(start_shared_process, {"SPOKE_RATE_HZ": "100"})


def test_watch_on_a_full_disk(running: Pair) -> None:
    code, said = run(["gateway.watch", running.url, "--json"], "1>/dev/full")
    assert code == 2
    assert said.splitlines()[1:] == ["the output cannot be written: No space left on device"]


def test_watch_whose_reader_leaves(running: Pair, start_process: StartProcess) -> None:
    shell = '{ "$@"; echo "code $?" >&2; } | head -n 3'
    command = [sys.executable, "-m", "gateway.watch", running.url]
    process = start_process(["sh", "-c", shell, "sh", *command])
    process.wait_for_line("^code 0$")
    assert "Traceback" not in process.output


def test_watch_without_stderr(running: Pair, start_process: StartProcess) -> None:
    command = [sys.executable, "-m", "gateway.watch", running.url]
    process = start_process(["sh", "-c", 'exec "$@" 2>&-', "sh", *command])
    process.wait_for_line("speed_change", count=20)
    assert process.stop() == 0
    assert all(line.startswith("{") for line in process.output.splitlines())


def test_check_on_a_full_disk(running: Pair) -> None:
    address = f"tcp://127.0.0.1:{running.live}"
    code, said = run(["device.check", address, "--seconds", "0.5"], "1>/dev/full")
    assert (code, said) == (2, "the output cannot be written: No space left on device\n")


def run(command: list[str], console: str) -> tuple[int, str]:
    """Run a program in a shell that redirects its streams; return its code and what it said."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {console}', "sh", sys.executable, "-m", *command],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=scaled_s(WAIT_S),
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
