"""Start a process, wait for what it says, stop it, and prove that nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

from tests.timing import eventually, scaled_s

ROOT = Path(__file__).resolve().parent.parent
MARK = "TEST_PROCESS_MARK"
"""Holds a value of its own in each process started here, inherited by all it starts.

A process that starts others by this module adds their values to its own.
"""

LINE_WAIT_S = 20.0
STOP_WAIT_S = 20.0


def clean_environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return the environment without the caller's own settings, with ``changes`` applied.

    A value of None removes the name.
    """
    wanted = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SPOKE_") and name != "PORT"
    }
    wanted |= {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    for name, value in (changes or {}).items():
        if value is None:
            wanted.pop(name, None)
        else:
            wanted[name] = value
    return wanted


class RunningProcess:
    """A started process and everything it has printed, both streams in one."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            argv,
            env={**environ, MARK: f"{environ.get(MARK, '')} {self.mark}"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id of what was started itself."""
        return self.process.pid

    @property
    def output(self) -> str:
        """All that was printed so far."""
        with self._news:
            return "\n".join(self._lines)

    def lines_from(self, first: int) -> list[str]:
        """Return the lines printed so far without the ``first`` ones, which the caller has read."""
        with self._news:
            return self._lines[first:]

    def wait_for_line(
        self, pattern: str, *, timeout_s: float = LINE_WAIT_S, count: int = 1
    ) -> re.Match[str]:
        """Return the match of the ``count``-th line that holds ``pattern``, seen or still to come.

        Raises AssertionError with the whole output when it does not come in time or the output
        ends without it.
        """
        found: list[re.Match[str]] = []
        read = 0

        def enough_or_ended() -> bool:
            nonlocal read
            new = self._lines[read:]
            read += len(new)
            found.extend(hit for line in new if (hit := re.search(pattern, line)))
            return len(found) >= count or self._ended

        with self._news:
            self._news.wait_for(enough_or_ended, scaled_s(timeout_s))
        assert len(found) >= count, f"no line matches {pattern!r} in:\n{self.output}"
        return found[count - 1]

    def wait(self, *, timeout_s: float = STOP_WAIT_S) -> int:
        """Wait for the end and return the exit code, below 0 for a signal."""
        try:
            code = self.process.wait(scaled_s(timeout_s))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s:\n{self.output}") from None
        self._reader.join(scaled_s(timeout_s))
        return code

    def stop(self, signum: int = signal.SIGTERM, *, timeout_s: float = STOP_WAIT_S) -> int:
        """Send ``signum`` to the process alone and return its exit code."""
        self.process.send_signal(signum)
        return self.wait(timeout_s=timeout_s)

    def close(self) -> None:
        """Kill whatever of it is still there, so that a failed test leaves nothing behind."""
        eventually(self._kill_all, what=f"the end of process {self.pid}")
        self.process.wait()
        self._reader.join(scaled_s(STOP_WAIT_S))
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _kill_all(self) -> bool:
        left = processes_marked(self.mark)
        if self.process.poll() is None:
            left.add(self.pid)
        for pid in left:
            _kill(pid)
        return not left

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def start(
    argv: Sequence[str],
    environ: Mapping[str, str | None] | None = None,
    directory: Path = ROOT,
) -> RunningProcess:
    """Start ``argv`` in a clean environment; ``python`` is the interpreter of the tests."""
    command = [sys.executable if word == "python" else word for word in argv]
    return RunningProcess(command, clean_environment(environ), directory)


class StartProcess(Protocol):
    """Start a process that ends with the test, or with the tests that share it, at the latest."""

    def __call__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str | None] | None = None,
        directory: Path = ROOT,
    ) -> RunningProcess: ...


@contextmanager
def starting() -> Iterator[StartProcess]:
    """Start processes; whatever of them is left at the end is killed."""
    with ExitStack() as stack:

        def start_one(
            argv: Sequence[str],
            environ: Mapping[str, str | None] | None = None,
            directory: Path = ROOT,
        ) -> RunningProcess:
            process = start(argv, environ, directory)
            stack.callback(process.close)
            return process

        yield start_one


def processes_marked(mark: str) -> set[int]:
    """Return the ids of the live processes that carry ``mark``: started ones and their children."""
    return {process.pid for process in psutil.process_iter() if _is_marked(process, mark)}


def assert_nothing_left(process: RunningProcess) -> None:
    """Assert that neither the process nor anything it started is alive."""
    left = processes_marked(process.mark)
    assert not left, f"processes {sorted(left)} are still there:\n{process.output}"
    assert process.process.poll() is not None, f"still running:\n{process.output}"


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        marks = process.environ().get(MARK, "").split()
        return mark in marks and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):  # it ended meanwhile, or is not ours
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended by itself meanwhile
        os.kill(pid, signal.SIGKILL)
