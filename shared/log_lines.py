"""Formats log lines: ``event key=value key=value`` for people, or JSON.

``logger.info("gap", device_id=..., lost=3)`` and ``logger.info("gap lost={}", 3)`` both give
``gap ... lost=3``; only the first gives keys in JSON. Text from a stranger cannot begin a new line
or send control characters to the terminal, and all lengths are bounded.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from traceback import format_exception
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loguru import Record

EVENT_CHARS_MAX = 2_000
VALUE_CHARS_MAX = 500
"""A message from the network can have 64 kB. Its beginning is enough in a log."""
TRACE_CHARS_MAX = 20_000
"""The stack trace of an infinite recursion is longer. The log keeps its end."""

_PLAIN_TYPES = (bool, int, str, type(None))
_RESERVED = ("time", "level", "process", "logger", "event", "exception")
_RESET = "\x1b[0m"
_COLOURS = {
    "TRACE": "\x1b[2m",
    "DEBUG": "\x1b[36m",
    "SUCCESS": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[1;31m",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One log line before formatting. ``time`` has a time zone; ``trace`` is a stack trace."""

    time: datetime
    level: str
    logger: str
    event: str
    fields: Mapping[str, object] = field(default_factory=dict)
    trace: str = ""


def line_of(record: "Record") -> Line:
    """Convert a record of loguru."""
    raised = record["exception"]
    trace = "" if raised is None else "".join(format_exception(*raised))
    return Line(
        record["time"],
        record["level"].name,
        record["name"] or "",
        record["message"],
        record["extra"],
        trace,
    )


def text_line(line: Line, *, coloured: bool = False) -> str:
    """Format a line for people, in local time. A stack trace follows, indented."""
    time = line.time.strftime("%Y-%m-%d %H:%M:%S.") + f"{line.time.microsecond // 1000:03d}"
    level = f"{line.level:<8}"
    if coloured and line.level in _COLOURS:
        level = f"{_COLOURS[line.level]}{level}{_RESET}"
    event = escape(line.event[:EVENT_CHARS_MAX])
    fields = "".join(f" {key}={_text_value(value)}" for key, value in line.fields.items())
    return f"{time} {level} {escape(line.logger)}: {event}{fields}\n{_indented(line.trace)}"


def json_line(line: Line, process: str) -> str:
    """Format a line as one JSON object, in ASCII, with the time in UTC."""
    body: dict[str, object] = {
        "time": line.time.astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": line.level,
        "process": process,
        "logger": line.logger,
        "event": line.event[:EVENT_CHARS_MAX],
    }
    for key, value in line.fields.items():
        body[f"{key}_" if key in _RESERVED else key] = _json_value(value)
    if line.trace:
        body["exception"] = line.trace[-TRACE_CHARS_MAX:]
    return json.dumps(body, allow_nan=False) + "\n"


def escape(text: str) -> str:
    r"""Escape characters that are not printable, for example as ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _text_value(value: object) -> str:
    text = str(value)[:VALUE_CHARS_MAX]
    if text and text.isprintable() and not set(text) & set(' "='):
        return text
    return escape(json.dumps(text, ensure_ascii=False))


def _json_value(value: object) -> object:
    if isinstance(value, str):
        return value[:VALUE_CHARS_MAX]
    if isinstance(value, _PLAIN_TYPES) or (isinstance(value, float) and isfinite(value)):
        return value
    return str(value)[:VALUE_CHARS_MAX]


def _indented(trace: str) -> str:
    lines = trace[-TRACE_CHARS_MAX:].splitlines()
    return "".join(f"    {escape(line)}\n" for line in lines)
