"""Where log lines go: threads that write to the console and to a file of bounded size.

loguru's own ``enqueue`` hands lines over through a pipe of 64 kB: with a stalled disk, whoever
logs stands still after 80 lines, and so does the end of the process. Here lines are dropped and
counted instead. loguru's own files print a stack trace a line while the disk is full; these say it
once.
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
"""Minutes of a busy gateway's log, about 1 MB."""
QUIET_S = 5.0
"""How often a sink that has nothing to write looks whether a sum of repeated lines is due."""
STOP_WAIT_S = 1.0
"""For what still waits when the process ends; console and file together stay below honcho's 5 s."""
FILE_BYTES_MAX = 10_000_000
FILES_KEPT = 5
"""Besides the one being written: no process fills more than 60 MB of disk."""


class BackgroundSink:
    """Hands lines to a thread that writes them, so that a stalled disk stops nothing else."""

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

    def say(self, event: str, **fields: object) -> None:
        """Take a line about logging itself: from here, loguru must not be asked again."""
        self.put(_about_logging(event, fields))

    def stop(self) -> None:
        """Have written what waits, unless the writer is stuck."""
        self._waiting.put(None)
        self._thread.join(STOP_WAIT_S)

    def put(self, line: Line) -> None:
        """Take a line; never waits."""
        if self._waiting.qsize() < LINES_WAITING_MAX:
            self._waiting.put(self._render(line))
        else:
            self._lost += 1

    def _run(self) -> None:
        while (text := self._next()) is not None:
            self._write(text)
            if self._waiting.empty():
                self._say_lost()
        self._say_lost()

    def _next(self) -> str | None:
        """Wait for a line, and say at each :data:`QUIET_S` without one that there is time."""
        while True:
            try:
                return self._waiting.get(timeout=QUIET_S)
            except Empty:
                self.on_quiet()

    def _say_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            fields = {"count": lost, "reason": "written too slowly"}
            self._write(self._render(_about_logging("log_lines_lost", fields)))


class LogFile:
    """A file of bounded size with a bounded number of older ones beside it.

    Several processes may append to one: each notices when another has moved it aside. What cannot
    be written is lost and counted; ``complain(event, **fields)`` hears of it once, and once when it
    is over.
    """

    def __init__(self, path: Path, complain: Callable[..., None]) -> None:
        self._path = path
        self._complain = complain
        self._descriptor: int | None = None
        self._lost = 0

    def write(self, text: str) -> None:
        """Append a line."""
        try:
            self._append(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._close()
            if not self._lost:
                self._complain("log_file_unwritable", path=self._path, error=error.strerror)
            self._lost += 1
        else:
            if self._lost:
                self._complain("log_file_written_again", path=self._path, lines_lost=self._lost)
            self._lost = 0

    def _append(self, data: bytes) -> None:
        descriptor = self._open()
        if os.fstat(descriptor).st_size + len(data) > FILE_BYTES_MAX:
            self._close()
            self._move_aside()
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

    def _move_aside(self) -> None:
        """Make room: ``x.log`` becomes ``x.log.1``, that ``x.log.2``; the oldest goes."""
        paths = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, FILES_KEPT + 1))]
        for newer, older in reversed(list(pairwise(paths))):
            if newer.exists():
                newer.replace(older)


def console_writer(stream: TextIO) -> Callable[[str], None]:
    """Return what writes text to ``stream``, whose reader may be gone or stuck.

    By its descriptor: a thread stuck inside the stream would hold its lock, and the interpreter
    could not end without it.
    """
    try:
        descriptor = stream.fileno()
    except UnsupportedOperation:  # a stream in memory: nobody to wait for
        return lambda text: print(text, end="", file=stream)

    def write(text: str) -> None:
        try:
            write_all(descriptor, text.encode(stream.encoding, "backslashreplace"))
        except OSError:
            return  # nobody reads the console any more; the file has the line

    return write


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, in as many steps as the system takes."""
    while data:
        data = data[os.write(descriptor, data) :]


def _is_at(path: Path, descriptor: int) -> bool:
    """Tell whether the open file is still the one of that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _about_logging(event: str, fields: Mapping[str, object]) -> Line:
    return Line(datetime.now().astimezone(), "ERROR", "shared.logs", event, fields)


def _do_nothing() -> None:
    pass
