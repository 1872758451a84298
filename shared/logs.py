"""Logging of a process: loguru to the console and a rotating file, everybody else's lines too.

Write ``logger.info("gap", device_id=device_id, lost=3)``: the name of an event, then its values,
one line per change of state. How lines look is in :mod:`shared.log_lines`.
"""

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from loguru import logger

from shared.log_lines import Line, json_line, text_line
from shared.log_sinks import BackgroundSink, LogFile, console_writer
from shared.setting_table import LEVELS
from shared.settings import Settings

if TYPE_CHECKING:
    from loguru import Record

TALKATIVE = (
    "engineio.client",
    "engineio.server",
    "socketio.client",
    "socketio.server",
    "werkzeug",
)
"""They log each packet or request as INFO, and a line per reading is too much.

A level of their own also keeps Socket.IO's from printing past the log: those without one get a
handler of their own.
"""


def setup_logging(settings: Settings, process: str) -> None:
    """Send all log lines of this process to the console and to its own file.

    ``process`` is what runs here, such as ``gateway``. Can be called again. When the file cannot be
    written the console says so, once, and the process goes on.
    """
    name = log_name(settings, process)
    console = BackgroundSink(
        "console",
        _renderer(settings, name, coloured=sys.stderr.isatty()),
        console_writer(sys.stderr),
    )
    file = LogFile(settings.log_dir / f"{name}.log", console.say)
    logger.remove()
    # the file first: sinks stop in this order, and it may have to complain to the console
    for sink in (BackgroundSink("file", _renderer(settings, name), file.write), console):
        logger.add(
            sink, level=settings.log_level, format="{message}", backtrace=False, diagnose=False
        )
    _take_over_standard_library(settings.log_level)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def close_logs() -> None:
    """Write what still waits. Only for who ends the process by ``os._exit``."""
    logger.remove()


def log_name(settings: Settings, process: str) -> str:
    """Name the process in its log file: no two that run at once share one."""
    if process == "gateway":
        return f"{process}-{settings.gateway_port}"
    if process == "device":
        return f"{process}-{settings.device_id}"
    return process


class StandardLibraryHandler(logging.Handler):
    """Hands lines of the standard library's loggers to loguru, as from where they were logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one line on."""
        raised = record.exc_info if record.exc_info and record.exc_info[0] else None
        logger.patch(partial(_say_origin, origin=record)).opt(exception=raised).log(
            _level(record), record.getMessage()
        )


def _renderer(settings: Settings, process: str, *, coloured: bool = False) -> Callable[[Line], str]:
    if settings.log_format == "json":
        return partial(json_line, process=process)
    return partial(text_line, coloured=coloured)


def _take_over_standard_library(level: str) -> None:
    logging.root.handlers = [StandardLibraryHandler()]
    logging.root.setLevel(logger.level(level).no)
    logging.captureWarnings(True)
    for name in TALKATIVE:
        talkative = logging.getLogger(name)
        talkative.handlers.clear()
        talkative.setLevel(logging.WARNING)


def _level(record: logging.LogRecord) -> str | int:
    return record.levelname if record.levelname in LEVELS else record.levelno


def _say_origin(record: "Record", origin: logging.LogRecord) -> None:
    record["name"], record["function"] = origin.name, origin.funcName
    record["line"] = origin.lineno


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, Exception):
        logger.opt(exception=(kind, error, trace)).critical("crashed")
    else:  # Ctrl-C and the like are no faults
        sys.__excepthook__(kind, error, trace)


def _log_uncaught_in_thread(crash: threading.ExceptHookArgs) -> None:
    thread = "unknown" if crash.thread is None else crash.thread.name
    raised = (crash.exc_type, crash.exc_value, crash.exc_traceback)
    logger.opt(exception=raised).critical("thread_crashed", thread=thread)
