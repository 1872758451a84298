"""Collects the log lines of a process, from loguru and libraries, and passes them to the sinks.

A library may print a stack trace to ``sys.stderr`` from the event loop. Printing it directly could
block the loop on a console that nobody reads, and many of them could fill the disk. So each becomes
an ordinary log line. Lines with a stack trace and lines of libraries are written once per minute
and kind. Spoke's own lines without a stack trace are not limited.
"""

import re
import time
from collections.abc import Hashable, Sequence
from datetime import datetime
from io import TextIOBase
from pathlib import PurePath
from threading import RLock, local
from traceback import format_exception
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from shared.log_limit import LogLimit
from shared.log_lines import EVENT_CHARS_MAX, TRACE_CHARS_MAX, Line, line_of
from shared.log_sinks import BackgroundSink

if TYPE_CHECKING:
    from loguru import Message

KIND_CHARS = 80
"""The kind of a library's line is its first 80 characters, with digits replaced."""
TRACE_LINES_MAX = 400
WRITE_CHARS_MAX = 100_000
"""The limit for one write to a stream: several times the longest stack trace in the log."""

Raised = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class Intake:
    """Passes lines to the sinks and limits stack traces and lines of libraries.

    Its methods never block. Any thread may call them, even while it logs another line.
    """

    def __init__(self, sinks: Sequence[BackgroundSink]) -> None:
        self._sinks = sinks
        self._limit = LogLimit()
        self._lock = RLock()

    def write(self, message: "Message") -> None:
        """Take a line from loguru."""
        record = message.record
        raised = record["exception"]
        if raised is None or self._admits_error(record["message"], raised):
            self._put(line_of(record))

    def take_error(
        self, level: str, name: str, event: str, raised: Raised, **fields: object
    ) -> None:
        """Take an exception that loguru did not log."""
        if self._admits_error(event, raised):
            trace = "".join(format_exception(*raised))
            self._put(Line(_now(), level, name, event, fields, trace))

    def take_line(self, level: str, name: str, text: str, trace: str = "") -> None:
        """Take a line that a library logged or printed."""
        what = _kind_of_text(trace) if trace else re.sub(r"\d+", "#", text[:KIND_CHARS])
        if self._admits((name, what), f"{name}: {what}"):
            self._put(Line(_now(), level, name, text, {}, trace))

    def take_stacks(self, text: str, **fields: object) -> None:
        """Take the stacks of all threads, which an operator asked for."""
        self._put(Line(_now(), "WARNING", "shared.stacks", "stacks", fields, text))

    def sum_up(self, *, at_end: bool = False) -> None:
        """Log how often each limited line was repeated, after its minute has ended."""
        with self._lock:
            ended = self._limit.take_ended(float("inf") if at_end else time.monotonic())
        for what, count in ended:
            fields = {"count": count, "what": what}
            self._put(Line(_now(), "WARNING", "shared.logs", "repeated", fields))

    def stop(self) -> None:
        """Write all waiting lines; loguru calls this at the end."""
        self.sum_up(at_end=True)
        for sink in self._sinks:
            sink.stop()

    def _admits_error(self, event: str, raised: Raised) -> bool:
        kind, (file, line) = raised[0], _place_of(raised[2])
        name = "?" if kind is None else kind.__name__
        short = "/".join(PurePath(file).parts[-2:])
        return self._admits((kind, file, line), f"{event}: {name} at {short}:{line}")

    def _admits(self, kind: Hashable, name: str) -> bool:
        self.sum_up()
        with self._lock:
            return self._limit.admits(kind, name, time.monotonic())

    def _put(self, line: Line) -> None:
        for sink in self._sinks:
            sink.put(line)


class LineStream(TextIOBase):
    """Replaces ``sys.stdout`` or ``sys.stderr`` and passes whole lines to the log.

    ``beneath`` is the stream that it replaces. A printed stack trace becomes one log line.
    """

    encoding = "utf-8"

    def __init__(self, name: str, beneath: TextIO, intake: Intake) -> None:
        self.beneath = beneath
        self._name = name
        self._intake = intake
        self._of_thread = _Unfinished()

    def write(self, text: str) -> int:
        """Take text. A line is logged once it is complete."""
        begun = self._of_thread
        *lines, begun.line = (begun.line + text[:WRITE_CHARS_MAX]).split("\n")
        begun.line = begun.line[:EVENT_CHARS_MAX]
        for line in lines:
            self._add(line)
        return len(text)

    def fileno(self) -> int:
        """Return the real descriptor, which faulthandler needs."""
        return self.beneath.fileno()

    def _add(self, line: str) -> None:
        trace = self._of_thread.trace
        if line.startswith("Traceback ("):
            trace[:] = [line]
        elif trace and line.startswith(" "):
            trace.append(line)
            del trace[1 : len(trace) - TRACE_LINES_MAX]
        elif trace:  # the line of the exception ends the trace
            text = "\n".join((*trace, line))[-TRACE_CHARS_MAX:]
            trace.clear()
            self._intake.take_line("ERROR", self._name, line, text)
        elif line.strip():
            self._intake.take_line("WARNING", self._name, line)


class _Unfinished(local):
    """The incomplete line and stack trace of a thread."""

    def __init__(self) -> None:
        self.line = ""
        self.trace: list[str] = []


def _now() -> datetime:
    return datetime.now().astimezone()


def _place_of(trace: TracebackType | None) -> tuple[str, int]:
    """Return the file and the line that raised the exception."""
    if trace is None:
        return "?", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def _kind_of_text(trace: str) -> str:
    """Return the exception and the place from the text of a stack trace."""
    places = re.findall(r'File "[^"]*?([^"/]*/?[^"/]*)", line (\d+)', trace)
    file, line = places[-1] if places else ("?", "?")
    exception = trace.rpartition("\n")[2].partition(":")[0]
    return f"{exception[:KIND_CHARS]} at {file}:{line}"
