"""Sets up logging for a process: loguru and all other loggers, to the console and a rotating file.

Log the name of an event and its values: ``logger.info("gap", device_id=device_id, lost=3)``. Log
changes of state only. :mod:`shared.log_lines` formats the lines.
"""

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType

from loguru import logger

from shared.begin import open_missing_streams
from shared.log_intake import Intake, LineStream
from shared.log_lines import Line, json_line, text_line
from shared.log_sinks import BackgroundSink, LogFile, console_writer
from shared.settings import Settings
from shared.stacks import describe_stacks

FINE, COARSE = "DEBUG", "INFO"
TALKATIVE = (
    "engineio.client",
    "engineio.server",
    "socketio.client",
    "socketio.server",
    "werkzeug",
)
"""These loggers log each packet or request at level INFO, which is too much.

Setting their level also prevents Socket.IO's loggers from printing directly: a logger without a
level would get its own handler.
"""


def setup_logging(settings: Settings, process: str) -> "Log":
    """Send all log lines of this process to the console and to its own file.

    ``process`` is a name such as ``gateway``. Returns the log, for signals that change it. This
    function can be called again. If the file cannot
    be written, the console reports it once and the process continues.
    """
    open_missing_streams()
    name = log_name(settings, process)
    stdout, stderr = (getattr(it, "beneath", it) for it in (sys.stdout, sys.stderr))
    console = BackgroundSink(
        "console", _renderer(settings, name, coloured=stderr.isatty()), console_writer(stderr)
    )
    file = LogFile(settings.log_dir / f"{name}.log", console.report)
    # the file first: sinks stop in this order, and the file may still report to the console
    sinks = (BackgroundSink("file", _renderer(settings, name), file.write), console)
    intake = Intake(sinks)
    sinks[0].on_quiet = intake.sum_up
    logger.remove()
    log = Log(intake, settings.log_level)
    _take_over_standard_library(settings.log_level, intake)
    _take_over_interpreter(intake)
    sys.stdout = LineStream("stdout", stdout, intake)
    sys.stderr = LineStream("stderr", stderr, intake)
    for what in settings.ignored:
        logger.warning("setting_ignored", what=what)
    return log


def log_name(settings: Settings, process: str) -> str:
    """Return the name for the log file. Two processes that run together get different names."""
    if process == "gateway":
        return f"{process}-{settings.gateway_port}"
    if process == "device":
        return f"{process}-{settings.device_id}"
    return process


class Log:
    """The log of this process, for an operator: its level can change while it runs."""

    def __init__(self, intake: Intake, level: str) -> None:
        self.greenlets: list[object] = []
        """Greenlets for :meth:`write_stacks` that the garbage collector does not list."""
        self._intake = intake
        self._level = level
        self._is_changed = False
        self._open(level)

    def toggle_level(self) -> None:
        """Log from DEBUG on, or as the setting says again. With DEBUG as the setting: INFO."""
        is_fine = logger.level(self._level).no <= logger.level(FINE).no
        self._is_changed = not self._is_changed
        level = (COARSE if is_fine else FINE) if self._is_changed else self._level
        before = self._entrance, self._handler
        self._open(level)
        before[0].is_replaced = True
        logger.remove(before[1])
        logging.root.setLevel(logger.level(level).no)
        logger.warning("log_level_changed", to=level)

    def write_stacks(self) -> None:
        """Log where every thread and greenlet is."""
        text, numbers = describe_stacks(self.greenlets)
        self._intake.take_stacks(text, **numbers)

    def _open(self, level: str) -> None:
        self._entrance = _Entrance(self._intake)
        self._handler = logger.add(
            self._entrance, level=level, format="{message}", backtrace=False, diagnose=False
        )


class _Entrance:
    """Takes the lines of loguru, and stops the log with it unless another one takes over."""

    def __init__(self, intake: Intake) -> None:
        self.write = intake.write
        self.is_replaced = False
        self._intake = intake

    def stop(self) -> None:
        """Stop the log; loguru calls this when it removes the entrance."""
        if not self.is_replaced:
            self._intake.stop()


class StandardLibraryHandler(logging.Handler):
    """Passes lines of the standard library's loggers to the log, with the logger's name."""

    def __init__(self, intake: Intake) -> None:
        super().__init__()
        self._intake = intake

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            self._intake.take_error(record.levelname, record.name, text, record.exc_info)
        else:
            self._intake.take_line(record.levelname, record.name, text)


def _renderer(settings: Settings, process: str, *, coloured: bool = False) -> Callable[[Line], str]:
    if settings.log_format == "json":
        return partial(json_line, process=process)
    return partial(text_line, coloured=coloured)


def _take_over_standard_library(level: str, intake: Intake) -> None:
    logging.root.handlers = [StandardLibraryHandler(intake)]
    logging.root.setLevel(logger.level(level).no)
    logging.captureWarnings(True)
    for name in TALKATIVE:
        talkative = logging.getLogger(name)
        talkative.handlers.clear()
        talkative.setLevel(logging.WARNING)


def _take_over_interpreter(intake: Intake) -> None:
    """Log uncaught exceptions."""

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, Exception):  # Ctrl-C and SystemExit are not faults
            intake.take_error("CRITICAL", __name__, "crashed", (kind, error, trace))

    def uncaught_in_thread(crash: threading.ExceptHookArgs) -> None:
        thread = "unknown" if crash.thread is None else crash.thread.name
        raised = (crash.exc_type, crash.exc_value, crash.exc_traceback)
        intake.take_error("CRITICAL", __name__, "thread_crashed", raised, thread=thread)

    def unraisable(ignored: "sys.UnraisableHookArgs") -> None:
        where = getattr(ignored.object, "__qualname__", type(ignored.object).__name__)
        raised = (ignored.exc_type, ignored.exc_value, ignored.exc_traceback)
        intake.take_error("ERROR", __name__, "exception_ignored", raised, where=where)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
