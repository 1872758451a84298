"""Writes log lines to the console and to a file of bounded size, each in its own thread.

How it works. The thread that logs formats the line, puts it into a bounded queue and continues. The
thread of the sink writes the queued lines. If the queue is full, because a disk or a console
stalls, the line is dropped and counted; the sink logs ``log_lines_lost`` when it can write again.

Why not loguru's sinks: its ``enqueue`` passes lines through a pipe of 64 kB. If the disk stalls,
the logging thread blocks after 80 lines, and so does the exit of the process. On a full disk its
file sink prints a stack trace for every line; this one reports the error once.
"""

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from io import UnsupportedOperation
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TextIO

from shared.log_lines import Line

LINES_WAITING_MAX = 5_000
"""About 1 MB: several minutes of a busy gateway's log."""
QUIET_S = 5.0
"""How often an idle sink calls ``on_quiet``, which logs the summaries of repeated lines."""
STOP_WAIT_S = 1.0
"""How long each sink may take to write its queue at exit. Both together stay below honcho's 5 s."""
FILE_BYTES_MAX = 10_000_000
FILES_KEPT = 5
"""How many older files to keep. With the current one, a process uses at most 60 MB of disk."""


class BackgroundSink:
    """A bounded queue and the thread that writes its lines."""

    def __init__(
        self, name: str, render: Callable[[Line], str], write: Callable[[str], None]
    ) -> None:
        self._render = render
        self._write = write
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._lost = 0
        self.on_quiet: Callable[[], None] = _do_nothing
        self._thread = threading.Thread(target=self._run, name=f"log-{name}", daemon=True)
        self._thread.start()

    def report(self, event: str, **fields: object) -> None:
        """Log a problem of logging itself, without loguru, which would call this sink again."""
        self.put(_about_logging(event, fields))

    def stop(self) -> None:
        """Write the queued lines and end, or give up after :data:`STOP_WAIT_S`."""
        self._waiting.put(None)
        self._thread.join(STOP_WAIT_S)

    def put(self, line: Line) -> None:
        """Queue a line, or drop and count it. Never blocks."""
        if self._waiting.qsize() < LINES_WAITING_MAX:
            self._waiting.put(self._render(line))
        else:
            self._lost += 1

    def _run(self) -> None:
        while (text := self._next()) is not None:
            self._write(text)
            if self._waiting.empty():
                self._report_lost()
        self._report_lost()

    def _next(self) -> str | None:
        """Wait for a line. Call ``on_quiet`` after each :data:`QUIET_S` without one."""
        while True:
            try:
                return self._waiting.get(timeout=QUIET_S)
            except Empty:
                self.on_quiet()

    def _report_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            fields = {"count": lost, "reason": "written too slowly"}
            self._write(self._render(_about_logging("log_lines_lost", fields)))


class LogFile:
    """A log file of bounded size, with a bounded number of older files.

    Several processes may append to the same file; each notices when another one has renamed it.
    A line that cannot be written is lost and counted. ``report(event, **fields)`` is called for the
    first lost line, and again when writing works.
    """

    def __init__(self, path: Path, report: Callable[..., None]) -> None:
        self._path = path
        self._report = report
        self._descriptor: int | None = None
        self._lost = 0

    def write(self, text: str) -> None:
        """Append a line."""
        try:
            self._append(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._close()
            if not self._lost:
                self._report("log_file_unwritable", path=self._path, error=error.strerror)
            self._lost += 1
        else:
            if self._lost:
                self._report("log_file_written_again", path=self._path, lines_lost=self._lost)
            self._lost = 0

    def _append(self, data: bytes) -> None:
        descriptor = self._open()
        if os.fstat(descriptor).st_size + len(data) > FILE_BYTES_MAX:
            self._close()
            self._rotate()
            descriptor = self._open()
        write_all(descriptor, data)

    def _open(self) -> int:
        if self._descriptor is not None and _is_at(self._path, self._descriptor):
            return self._descriptor
        self._close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _rotate(self) -> None:
        """Rename ``x.log`` to ``x.log.1``, that to ``x.log.2`` and so on; drop the oldest."""
        paths = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, FILES_KEPT + 1))]
        for newer, older in reversed(list(pairwise(paths))):
            if newer.exists():
                newer.replace(older)


def console_writer(stream: TextIO) -> Callable[[str], None]:
    """Return a function that writes text to ``stream``, whose reader may be gone or stuck.

    It writes to the descriptor. A thread that blocks inside the stream object would hold its lock,
    and the interpreter could not exit.
    """
    try:
        descriptor = stream.fileno()
    except UnsupportedOperation:  # a stream in memory never blocks
        return lambda text: print(text, end="", file=stream)

    def write(text: str) -> None:
        try:
            write_all(descriptor, text.encode(stream.encoding, "backslashreplace"))
        except OSError:
            return  # the console is closed; the file has the line

    return write


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, in as many steps as the system needs."""
    while data:
        data = data[os.write(descriptor, data) :]


def _is_at(path: Path, descriptor: int) -> bool:
    """Tell whether the path still leads to the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _about_logging(event: str, fields: Mapping[str, object]) -> Line:
    return Line(datetime.now().astimezone(), "ERROR", "shared.logs", event, fields)


def _do_nothing() -> None:
    pass
