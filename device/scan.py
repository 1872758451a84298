"""``python -m device.scan``: list the Bluetooth devices that are near, and their usable services.

Exit codes: 0: the list was printed, or a signal ended the search. 1: a bug. 2: a library is
missing, Bluetooth cannot be used, or the command line is wrong.
"""

if __name__ == "__main__":
    from shared.begin import begin

    begin()  # before the imports below, which take a while

import argparse
import asyncio
import os
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

from device.sources.bluetooth import LinkError, Nearby, radio_of
from device.sources.decoders.cycling import Kind
from shared.arguments import ArgumentParser, seconds
from shared.console import put_out, tell
from shared.errors import ReaderGone, SettingsError, SourceError
from shared.program import run as run_program
from shared.settings import load_settings

LISTED, MISCONFIGURED = 0, 2
SECONDS = 8.0
DEVICES_MAX = 1_000
"""Anybody near can advertise under ever new addresses."""
USES = {
    Kind.CSC: "speed and cadence",
    Kind.POWER: "power",
    Kind.FTMS: "fitness machine",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Search for a while, print the list, and return the exit code."""
    options = _options(argv)
    try:
        settings = load_settings("device", [], os.environ, Path.cwd())
        transport = options.transport or settings.ble_transport
        found = asyncio.run(search(transport, options.seconds))
    except (LinkError, SettingsError, SourceError) as error:
        tell(f"{error}\n")
        return MISCONFIGURED
    with suppress(ReaderGone):
        put_out(as_text(found))
    return LISTED


async def search(transport: str | None, seconds: float) -> list[Nearby]:
    """Return what advertises within ``seconds``. Raises LinkError and SourceError."""
    found: dict[str, Nearby] = {}
    async with radio_of(transport)() as radio:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), aclosing(radio.find()) as heard:
                async for nearby in heard:
                    if nearby.address in found or len(found) < DEVICES_MAX:
                        found[nearby.address] = _merged(found.get(nearby.address), nearby)
    return list(found.values())


def as_text(found: Sequence[Nearby]) -> str:
    """Write a line for each device; those that Spoke can use come first."""
    if not found:
        return "no device is near; wake the sensor by turning the wheel or the crank\n"
    lines = [
        f"{one.address:<17}  {_printable(one.name):<24}  "
        f"{', '.join(USES[kind] for kind in Kind if kind in one.kinds) or '-'}".rstrip()
        for one in sorted(found, key=lambda one: (not one.kinds, one.name or "", one.address))
    ]
    return "".join(f"{line}\n" for line in lines)


def _merged(earlier: Nearby | None, nearby: Nearby) -> Nearby:
    """Join two advertisements of a device: the name often comes in another one."""
    if earlier is None:
        return nearby
    kinds = nearby.kinds | earlier.kinds
    return replace(nearby, name=nearby.name or earlier.name, kinds=kinds)


def _printable(name: str | None) -> str:
    """Return a name that a stranger chose without characters that a terminal obeys."""
    return "".join(one if one.isprintable() else "?" for one in name or "(no name)")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(
        prog=".venv/bin/python -m device.scan",
        description="List the Bluetooth devices that are near, and what Spoke can use.",
    )
    parser.add_argument(
        "--transport",
        help="the Bluetooth controller, such as usb:0, instead of SPOKE_BLE_TRANSPORT "
        "or the system's Bluetooth",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=SECONDS, help="how long to search (%(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    run_program(main)
