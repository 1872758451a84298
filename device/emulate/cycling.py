"""``csc``, ``power`` and ``ftms``: the simulator as a Bluetooth sensor."""

import asyncio
import re
from argparse import ArgumentParser, ArgumentTypeError
from functools import partial
from importlib import import_module
from random import Random

from device.emulate import EMULATORS, Emulation, Emulator
from device.emulate.cycling_sensor import STEP_S, Disturbances, Setup, disturb, records
from device.emulate.option_types import att_mtu, positive, share
from device.sources.bluetooth import EXTRA, RadioError
from device.sources.decoders.cycling import Kind
from shared.errors import SourceError
from shared.extras import need

NAME_BYTES_MAX = 20
"""An advertisement has 31 bytes; flags, service and headers take 9, and 2 are left free."""
ADDRESS = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
SUMMARIES = {
    Kind.CSC: "a sensor for speed and cadence (Bluetooth)",
    Kind.POWER: "a power meter that also counts turns (Bluetooth)",
    Kind.FTMS: "an indoor bike (Bluetooth)",
}


def _run(kind: Kind, emulation: Emulation) -> None:
    need("bumble", EXTRA)
    pose = import_module("device.emulate.bluetooth.gatt_sensor").pose
    options = emulation.options
    setup = Setup(
        kind,
        options.interval,
        options.wheel,
        wraps_soon=options.wraps_soon,
        reset_every_s=options.reset,
        in_pieces=getattr(options, "in_pieces", False),
        only=getattr(options, "only", None),
        offset_w=getattr(options, "offset", 0),
    )
    disturbances = Disturbances(options.doubled, options.jitter, options.drop)
    noted = records(setup, emulation.ride(STEP_S))
    try:
        asyncio.run(pose(emulation, kind, disturb(noted, disturbances, Random(options.seed))))
    except RadioError as error:
        raise SourceError(str(error)) from error


def _add_options(kind: Kind, parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--transport", required=True, help="the Bluetooth controller, such as usb:0")
    add("--name", type=_name, default=f"Spoke {kind.name}", help="the name to advertise")
    add("--address", type=_address, help="the address to advertise (a random one)")
    add("--interval", type=positive, default=1.0, help="seconds between records (%(default)s)")
    add("--wheel", type=positive, default=2.105, help="the wheel in m (%(default)s)")
    add("--mtu", type=att_mtu, default=517, help="the largest ATT MTU to agree to (%(default)s)")
    add("--doubled", type=share, default=0.0, help="the share of notifications sent twice")
    add("--jitter", type=positive, default=0.0, help="delay notifications by up to so many seconds")
    add("--drop", type=positive, metavar="S", help="drop the link every S seconds")
    add("--reset", type=positive, metavar="S", help="set the counters to 0 every S seconds")
    add("--wraps-soon", action="store_true", help="begin just before the counters wrap")
    if kind is Kind.FTMS:
        add("--in-pieces", action="store_true", help="send each record in several notifications")
    else:
        add("--only", choices=("wheel", "crank"), help="count the turns of this only")
    if kind is not Kind.CSC:
        add("--offset", type=int, default=0, help="add so many W to the power; may be negative")


def _name(text: str) -> str:
    if not 0 < len(text.encode()) <= NAME_BYTES_MAX:
        raise ArgumentTypeError(f"a name has 1 to {NAME_BYTES_MAX} bytes")
    return text


def _address(text: str) -> str:
    if ADDRESS.fullmatch(text) is None:
        raise ArgumentTypeError("an address is written like F0:12:34:56:78:9A")
    return text


for _kind, _summary in SUMMARIES.items():
    EMULATORS[_kind.name.lower()] = Emulator(
        _summary, partial(_add_options, _kind), partial(_run, _kind)
    )
