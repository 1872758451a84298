"""Start, command, measure (in /proc) and stop the processes of a benchmark."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024
STOP_WAIT_S = 3.0
START_WAIT_S = 20.0


class BenchError(Exception):
    """A measurement failed. The text gives the reason in one sentence."""


class Talker:
    """A process that answers each line with one line of JSON."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name, self.process = name, process

    def ask(self, command: str, timeout_s: float = START_WAIT_S) -> dict[str, Any]:
        """Send a command and return the answer."""
        self.tell(command)
        return self.hear(command, timeout_s)

    def tell(self, command: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise BenchError(f"the {self.name} has ended") from error

    def hear(self, about: str, timeout_s: float = START_WAIT_S) -> dict[str, Any]:
        """Return the next answer."""
        out = self.process.stdout
        assert out is not None
        readable, _, _ = select.select([out], [], [], timeout_s)
        line = out.readline() if readable else b""
        if not line:
            raise BenchError(f"the {self.name} did not answer {about!r} within {timeout_s:.0f} s")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def running(
    argv: Sequence[str],
    log: Path,
    directory: Path,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in its own session, and end all processes of the session afterwards."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            argv,
            cwd=directory,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def wait_for_port(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    """Return when the port accepts connections."""
    until_s = time.monotonic() + START_WAIT_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with {process.returncode} instead of serving")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise BenchError(f"{name} did not listen on port {port} within {START_WAIT_S:.0f} s")


def free_ports(count: int) -> list[int]:
    """Return TCP ports on which nothing listens."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def cpu_s(pid: int) -> float:
    """Return the CPU time (user and system) of a process and its descendants, in s."""
    return sum(_cpu_ticks(each) for each in family(pid)) / TICKS_A_SECOND


def resident_kb(pid: int) -> float:
    """Return the resident memory of a process and its descendants, in kB."""
    pages = (int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in family(pid))
    return sum(pages) * PAGE_KB


def family(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def _cpu_ticks(pid: int) -> int:
    # the second field, the command, may contain spaces: count from its closing bracket
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
