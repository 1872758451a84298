"""``python -m device.record FILE``: write the readings of bikes into a file until a signal comes.

Exit codes: 0: stopped by a signal, or the time is over. 1: a bug. 2: a setting, the file or an
endpoint cannot be used, or the disk is full.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from device.record.file import RecordingFile
from device.record.fit import write_fit
from device.record.listening import Listening
from device.record.load import load_recording
from shared.arguments import ArgumentParser, seconds
from shared.console import tell
from shared.errors import SettingsError, SourceError
from shared.extras import need
from shared.log_lines import line_of, text_line
from shared.program import run as run_program
from shared.reading import is_device_id
from shared.settings import load_settings
from shared.signals import ending_signals

STOPPED, UNUSABLE = 0, 2
DESCRIPTION = """Write the readings of bikes into a file of JSON lines. It connects as a gateway
does: the flags and settings of a gateway's endpoints apply, such as --device-connect,
--replay-connect, --device-bind and --replay-bind (docs/settings.md)."""


def main() -> int:
    """Record, or convert a recording; return the exit code."""
    options, flags = _options(sys.argv[1:])
    try:
        if options.fit is not None:
            need("fit_tool", "fit")
        if not options.convert:
            record(options, flags)
        if options.fit is not None:
            convert(options)
    except (SettingsError, SourceError) as error:
        tell(f"{error}\n")
        return UNUSABLE
    return STOPPED


def record(options: argparse.Namespace, flags: Sequence[str]) -> None:
    """Record until a signal comes or the time is over. Raises SettingsError or SourceError."""
    settings = load_settings("gateway", flags, os.environ, Path.cwd())
    logger.remove()
    logger.add(lambda one: tell(text_line(line_of(one.record))), level=settings.log_level)
    signals: list[int] = []
    for number in ending_signals():
        signal.signal(number, lambda number, _frame: signals.append(number))
    end_s = time.monotonic() + options.seconds
    listening = Listening(settings, tuple(options.device))
    with RecordingFile(options.file) as file:
        listening.run(file, lambda: bool(signals) or time.monotonic() >= end_s)
    done = listening.recorder
    logger.info(
        "recorded",
        readings=done.readings.total(),
        bikes=len(done.readings),
        gaps=dict(done.gaps) or "none",
        refused=dict(done.refused) or "nothing",
    )


def convert(options: argparse.Namespace) -> None:
    """Write a FIT file of one bike of the recording. Raises SourceError."""
    bikes = load_recording(options.file)
    name = next(iter(options.device), next(iter(bikes)))
    if name not in bikes:
        raise SourceError(f"{options.file} has no bike {name}, only {', '.join(bikes)}")
    records = write_fit(options.fit, [line.decode() for line in bikes[name]])
    logger.info("fit_written", file=str(options.fit), bike=name, records=records)


def _options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; the flags that belong to the settings are returned as they are."""
    parser = ArgumentParser(
        prog=".venv/bin/python -m device.record", description=DESCRIPTION, allow_abbrev=False
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a new file for the JSON lines")
    add(
        "--device",
        nargs="+",
        default=[],
        metavar="ID",
        type=_id_of,
        help="record only these bikes; a FIT file gets the first of them, or of all by name",
    )
    add("--fit", type=Path, metavar="FIT", help="write a FIT file at the end, 1 record a second")
    add("--convert", action="store_true", help="only write --fit from an existing FILE")
    add("--seconds", type=seconds, default=float("inf"), help="stop after this time (never)")
    options, flags = parser.parse_known_args(arguments)
    if options.convert and options.fit is None:
        parser.error("--convert needs --fit")
    return options, flags


def _id_of(text: str) -> str:
    if not is_device_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a bike such as ebike-001")
    return text


if __name__ == "__main__":
    run_program(main)
