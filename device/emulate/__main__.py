"""``python -m device.emulate KIND``: ride a simulated bike, and speak as real hardware does.

Exit codes: 0: stopped by a signal, or the time is over. 1: a bug. 2: an option, a library or the
transport cannot be used.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
import signal
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from secrets import randbits

from device.emulate import Emulation, Truth, import_emulators, open_truth
from shared.arguments import ArgumentParser, seconds
from shared.console import tell
from shared.errors import SourceError
from shared.program import run as run_program
from shared.signals import ending_signals

STOPPED, MISCONFIGURED = 0, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one emulator until a signal comes or its time is over."""
    emulators = import_emulators()
    options = _options(argv)
    stop = threading.Event()
    for number in ending_signals():
        signal.signal(number, lambda _number, _frame: stop.set())
    timer = threading.Timer(options.seconds, stop.set) if options.seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        with open_truth(options.truth) or nullcontext() as file:
            emulators[options.kind].run(Emulation(options, Truth(file), stop))
    except (SourceError, OSError) as error:
        tell(f"{error}\n")
        return MISCONFIGURED
    return STOPPED


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(
        prog=".venv/bin/python -m device.emulate",
        description="Ride a simulated bike, and speak as real hardware does.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, emulator in import_emulators().items():
        kind = kinds.add_parser(name, help=emulator.summary, description=emulator.summary)
        kind.add_argument("--seed", type=int, default=randbits(64), help="the same ride again")
        kind.add_argument("--seconds", type=seconds, help="stop after this time (never)")
        kind.add_argument(
            "--truth", type=Path, metavar="FILE", help="write what was sent as JSON lines"
        )
        emulator.add_options(kind)
    return parser.parse_args(argv)


if __name__ == "__main__":
    run_program(main)
