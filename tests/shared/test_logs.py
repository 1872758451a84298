"""Logging of a process: one line on the console and in its own file, whoever logs, whatever breaks.

Each test runs a small process of its own, because logging belongs to the process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.log_limit import KINDS_MAX
from shared.logs import log_name
from shared.settings import load_settings
from tests.processes import clean_environment
from tests.timing import scaled_s

WAIT_S = 60.0

BEGIN = """
import logging, os, sys, threading
from pathlib import Path
from loguru import logger
from shared.logs import setup_logging
from shared.settings import load_settings
environ = {name: text for name, text in os.environ.items() if name.startswith("SPOKE_")}
settings = load_settings("gateway", sys.argv[1:], environ, Path.cwd())
setup_logging(settings, "gateway")
"""


class Run(NamedTuple):
    """What a process left behind: its exit code, its console and its log file."""

    code: int
    out: str
    console: list[str]
    file: list[str]


def run(folder: Path, code: str, *flags: str, environ: Mapping[str, str] | None = None) -> Run:
    """Run ``code`` after logging was set up in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *flags],
        cwd=folder,
        env=clean_environment(environ),
        capture_output=True,
        text=True,
        timeout=scaled_s(WAIT_S),
        check=False,
    )
    file = folder / "logs/gateway-5000.log"
    written = file.read_text().splitlines() if file.is_file() else []
    return Run(done.returncode, done.stdout, done.stderr.splitlines(), written)


def events(lines: list[str]) -> list[str]:
    """Return the lines without their time."""
    return [line[24:] for line in lines]


# --- what is written ---------------------------------------------------------------------------


def test_console_and_file_say_the_same(tmp_path: Path) -> None:
    ended = run(tmp_path, 'logger.info("gap", device_id="ebike-001", lost=3)')
    assert ended.code == 0
    assert ended.console == ended.file
    assert events(ended.file) == ["INFO     __main__: gap device_id=ebike-001 lost=3"]


def test_formatted_and_bound_values_match(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        """
logger.info("gap device_id={} lost={}", "ebike-001", 3)
logger.bind(device_id="ebike-001").info("gap", lost=3)
""",
    )
    assert len(set(events(ended.file))) == 1
    assert len(ended.file) == 2


def test_ignored_settings_are_logged_without_their_values(tmp_path: Path) -> None:
    ended = run(tmp_path, "", environ={"SPOKE_RAET_HZ": "open-sesame"})
    [line] = events(ended.file)
    assert line.startswith("WARNING  shared.logs: setting_ignored what=")
    assert "did you mean SPOKE_RATE_HZ?" in line
    assert "sesame" not in line


def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    code = 'logger.debug("a"); logger.info("b"); logger.warning("c")'
    assert len(run(tmp_path, code).console) == 2
    assert len(run(tmp_path, code, "--log-level", "WARNING").console) == 1
    assert len(run(tmp_path, code, "--log-level", "DEBUG").console) == 3


def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        """
logger.info("gap", lost=3, text="a\\nb")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("broken")
""",
        "--log-format=json",
    )
    assert ended.console == ended.file
    gap, broken = [json.loads(line) for line in ended.file]
    assert (gap["event"], gap["lost"], gap["text"]) == ("gap", 3, "a\nb")
    assert gap["process"] == "gateway-5000"
    assert broken["exception"].endswith("ZeroDivisionError: division by zero\n")


def test_one_trace_per_sink(
    tmp_path: Path,
) -> None:
    ended = run(
        tmp_path,
        """
try:
    raise ValueError("bad\\n2026-11-22 12:00:00.007 INFO forged")
except ValueError:
    logger.exception("broken", device_id="ebike-001")
""",
    )
    assert ended.console == ended.file
    assert events(ended.file)[0] == "ERROR    __main__: broken device_id=ebike-001"
    assert sum("Traceback" in line for line in ended.file) == 1
    assert all(line.startswith("    ") for line in ended.file[1:])


def test_standard_library_loggers(
    tmp_path: Path,
) -> None:
    ended = run(
        tmp_path,
        """
logging.getLogger("some.library").info("took %s {} <red>", 3)
logging.getLogger("some.library").debug("quiet")
logging.getLogger("some.library").log(35, "between")
import warnings; warnings.warn("old")
""",
        "--log-format=json",
    )
    first, between, warning = [json.loads(line) for line in ended.file]
    assert (first["logger"], first["event"], first["level"]) == (
        "some.library",
        "took 3 {} <red>",
        "INFO",
    )
    assert between["level"] == "Level 35"
    assert (warning["logger"], warning["level"]) == ("py.warnings", "WARNING")


def test_talkative_libraries_log_warnings(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        """
import engineio, socketio
engineio.Server(logger=True), socketio.Server(logger=False)
for name in ("engineio.server", "socketio.server", "werkzeug"):
    logging.getLogger(name).info("packet")
    logging.getLogger(name).warning("trouble")
""",
        "--log-level=DEBUG",
    )
    assert ended.console == ended.file
    assert [line for line in events(ended.file) if "packet" in line] == []
    assert sum("trouble" in line for line in ended.file) == 3


# --- what libraries write past the log ---------------------------------------------------------

FAILS = """
import traceback
def fail():
    try:
        1 / 0
    except ZeroDivisionError:
        say()
"""


@pytest.mark.parametrize(
    "say",
    [
        "traceback.print_exc()",
        "logger.exception('failed')",
        "logging.getLogger('some.library').exception('failed')",
    ],
)
def test_repeated_trace(tmp_path: Path, say: str) -> None:
    code = f"{FAILS}\ndef say(): {say}\nfor _ in range(50): fail()"
    ended = run(tmp_path, code)
    assert ended.console == ended.file
    assert sum("Traceback" in line for line in ended.file) == 1
    assert len(ended.file) < 10
    [total] = [line for line in events(ended.file) if "repeated" in line]
    assert "count=49" in total
    assert "ZeroDivisionError at <string>:" in total


def test_traces_from_two_places(tmp_path: Path) -> None:
    code = f"{FAILS}\nsay = traceback.print_exc\nfail()\ntry: [][1]\nexcept IndexError: say()"
    assert sum("Traceback" in line for line in run(tmp_path, code).file) == 2


def test_printed_lines(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        """
for n in range(20): print("number", n)
sys.stderr.write("in ")
sys.stderr.write("pieces\\nand more")
""",
    )
    assert ended.console == ended.file
    assert events(ended.file) == [
        "WARNING  stdout: number 0",
        "WARNING  stderr: in pieces",
        'WARNING  shared.logs: repeated count=19 what="stdout: number #"',
    ]


def test_different_lines_are_bounded_in_number(tmp_path: Path) -> None:
    ended = run(tmp_path, 'for n in range(1000): print("x" * (n % 79) + "y" * (n // 79))')
    assert len(ended.file) < 2 * KINDS_MAX + 2
    assert "other kinds" in ended.file[-1]


def test_error_in_a_finalizer(tmp_path: Path) -> None:
    code = "class Bad:\n    def __del__(self): 1 / 0\nfor _ in range(5): Bad()"
    ended = run(tmp_path, code)
    assert ended.console == ended.file
    assert events(ended.file)[0] == "ERROR    shared.logs: exception_ignored where=Bad.__del__"
    assert sum("Traceback" in line for line in ended.file) == 1


def test_all_stacks_go_to_the_real_descriptor(tmp_path: Path) -> None:
    ended = run(
        tmp_path, "import faulthandler; faulthandler.dump_traceback(); faulthandler.enable()"
    )
    assert "most recent call first" in "".join(ended.console)
    assert ended.file == []


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    (tmp_path / "program.py").write_text(BEGIN + 'print("a"); logger.info("b")')
    shell = f'exec "{sys.executable}" program.py {closed}'
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=clean_environment(), check=False)
    assert done.returncode == 0
    lines = (tmp_path / "logs/gateway-5000.log").read_text().splitlines()
    assert events(lines) == ["WARNING  stdout: a", "INFO     __main__: b"]


# --- where it is written -----------------------------------------------------------------------


def test_log_file_per_process(tmp_path: Path) -> None:
    gateways = [load_settings("gateway", [], {"PORT": port}, tmp_path) for port in ("5000", "5001")]
    device = load_settings("device", ["--device-id", "my-bike"], {}, tmp_path)
    assert [log_name(settings, "gateway") for settings in gateways] == [
        "gateway-5000",
        "gateway-5001",
    ]
    assert log_name(device, "device") == "device-my-bike"
    assert log_name(device, "relay") == "relay"


def test_colours_on_terminal_only(tmp_path: Path) -> None:
    master, terminal = os.openpty()
    code = BEGIN + 'logger.warning("gap")'
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=terminal,
        timeout=scaled_s(WAIT_S),
        check=True,
    )
    shown = os.read(master, 10_000).decode()
    os.close(master)
    os.close(terminal)
    assert "\x1b[33mWARNING \x1b[0m __main__: gap" in shown
    assert "\x1b" not in (tmp_path / "logs/gateway-5000.log").read_text()
    assert "\x1b" not in "".join(run(tmp_path, 'logger.warning("gap")').console)


def test_setting_up_twice_writes_no_line_twice(tmp_path: Path) -> None:
    ended = run(tmp_path, 'setup_logging(settings, "gateway"); logger.info("gap")')
    assert len(ended.console) == len(ended.file) == 1


# --- the end of a process ----------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "logger.remove(); os._exit(3)"])
def test_last_lines_are_written(tmp_path: Path, end: str) -> None:
    ended = run(tmp_path, f'for n in range(200): logger.info("gap", n=n)\n{end}')
    assert ended.code == (3 if end else 0)
    assert len(ended.console) == len(ended.file) == 200


def test_crash_is_logged(tmp_path: Path) -> None:
    ended = run(tmp_path, "1 / 0")
    assert ended.code == 1
    assert ended.console == ended.file
    assert events(ended.file)[0] == "CRITICAL shared.logs: crashed"
    assert ended.file[-1] == "    ZeroDivisionError: division by zero"


def test_thread_crash_is_logged(tmp_path: Path) -> None:
    code = """
thread = threading.Thread(target=lambda: 1 / 0, name="subscriber")
thread.start()
thread.join()
"""
    ended = run(tmp_path, code)
    assert ended.console == ended.file
    assert events(ended.file)[0] == "CRITICAL shared.logs: thread_crashed thread=subscriber"
    assert ended.file[-1] == "    ZeroDivisionError: division by zero"


def test_ctrl_c_is_no_crash(tmp_path: Path) -> None:
    ended = run(tmp_path, "raise KeyboardInterrupt")
    assert ended.file == ended.console == []


# --- what breaks -------------------------------------------------------------------------------


def test_missing_log_folder(
    tmp_path: Path,
) -> None:
    block = f"import pathlib\npathlib.Path({str(tmp_path / 'logs')!r}).touch()\n"
    ended = run(tmp_path, block + 'for n in range(3): logger.info("gap")')
    assert ended.code == 0
    assert sum("gap" in line for line in ended.console) == 3
    [complaint] = [line for line in events(ended.console) if "gap" not in line]
    assert complaint == (
        f"ERROR    shared.logs: log_file_unwritable path={tmp_path}/logs/gateway-5000.log"
        ' error="File exists"'
    )


def test_full_disk_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/gateway-5000.log").symlink_to("/dev/full")
    ended = run(tmp_path, 'for n in range(3): logger.info("gap")')
    assert ended.code == 0
    assert sum("gap" in line for line in ended.console) == 3
    assert sum("No space left on device" in line for line in ended.console) == 1
    assert len(ended.console) == 4


def test_unread_console_stops_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-c", BEGIN + 'for n in range(3): logger.info("gap")'],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=writer,
        timeout=scaled_s(WAIT_S),
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 0
    assert len((tmp_path / "logs/gateway-5000.log").read_text().splitlines()) == 3


LINES_IN_A_LOOP = """
import gevent
for n in range(10_000):
    logger.info("gap", device_id="ebike-001", n=n)
    gevent.sleep(0)
os.write(1, b"done\\n")
"""


TRACES_IN_A_LOOP = """
import gevent, traceback
for n in range(2_000):
    try:
        raise ConnectionResetError(n)
    except OSError:
        traceback.print_exc()
        sys.stderr.write("x" * 1000 + "\\n")
    gevent.sleep(0)
os.write(1, b"done\\n")
"""


@pytest.mark.parametrize("code", [LINES_IN_A_LOOP, TRACES_IN_A_LOOP])
def test_stalled_sinks_do_not_block(tmp_path: Path, code: str) -> None:
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs/gateway-5000.log")  # opening it waits for a reader for ever
    reader, writer = os.pipe()  # the console: full after 64 kB, for nobody reads it
    ended = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=scaled_s(WAIT_S),
        check=False,
    )
    os.close(writer)
    os.close(reader)
    assert (ended.returncode, ended.stdout) == (0, b"done\n")
