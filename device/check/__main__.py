"""``python -m device.check ENDPOINT``: check a publisher and print every fault.

Exit codes: 0: the publisher keeps the protocol, or a signal ended the check. 1: the check found a
fault. 2: no message came, the command line is wrong, or the verdict cannot be written.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
from collections.abc import Sequence
from contextlib import suppress

from device.check.probe import LISTEN_S, check
from device.check.verdict import NOTHING_HEARD, as_json, as_text
from shared.arguments import ArgumentParser, seconds
from shared.console import put_out, tell
from shared.errors import ReaderGone, SettingsError
from shared.program import run


def main(argv: Sequence[str] | None = None) -> int:
    """Check the publisher, print the verdict, and return the exit code."""
    options = _options(argv)
    try:
        endpoints = [one for text in options.endpoint for one in text.split(",")]
        verdict = check(endpoints, options.replay, options.seconds, bind=options.bind)
    except SettingsError as error:
        tell(f"{error}\n")
        return NOTHING_HEARD
    with suppress(ReaderGone):
        put_out(as_json(verdict) if options.json else as_text(verdict))
    return verdict.code


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(
        prog=".venv/bin/python -m device.check", description="Check a publisher of readings."
    )
    parser.add_argument(
        "endpoint",
        nargs="+",
        help="where the publisher sends, as in SPOKE_DEVICE_CONNECT of a gateway",
    )
    parser.add_argument(
        "--replay", metavar="ENDPOINT", help="where the publisher answers replay questions"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument(
        "--bind",
        action="store_true",
        help="listen at ENDPOINT, and at that of --replay: the publisher connects",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=LISTEN_S, help="how long to listen (%(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
