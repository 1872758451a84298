"""``bosch``: the simulator as a Bosch bike that speaks the Live Data Interface."""

import asyncio
import time
from argparse import ArgumentParser
from importlib import import_module
from random import Random

from device.emulate import EMULATORS, Emulation, Emulator
from device.emulate.bosch_bike import INTERVAL_S, REPEATED, Setup, moments
from device.emulate.option_types import att_mtu, positive, share
from device.sources.bluetooth import EXTRA, RadioError
from shared.errors import SourceError
from shared.extras import need


def _run(emulation: Emulation) -> None:
    need("bumble", EXTRA)
    pose = import_module("device.emulate.bluetooth.bosch_central").pose
    options = emulation.options
    setup = Setup(
        options.interval, options.repeated, options.backpedalled, options.others, options.vanish
    )
    stream = Random(options.seed)
    ride = moments(setup, emulation.ride(setup.interval_s), stream, int(time.time()))
    try:
        asyncio.run(pose(emulation, setup, ride, stream))
    except RadioError as error:
        raise SourceError(str(error)) from error


def _add_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--transport", required=True, help="the Bluetooth controller, such as usb:0")
    add(
        "--mtu",
        type=att_mtu,
        nargs="+",
        default=[517],
        help="the largest ATT MTU to agree to (517), one link after the other; 23 cuts to 20 bytes",
    )
    add(
        "--interval",
        type=positive,
        default=INTERVAL_S,
        help="seconds between notifications (%(default)s)",
    )
    add("--drop", type=positive, metavar="S", help="drop each link after S seconds")
    add("--doubled", type=share, default=0.0, help="the share of notifications sent twice")
    add(
        "--repeated",
        type=share,
        default=REPEATED,
        help="the share of unchanged values that are sent (%(default)s)",
    )
    add(
        "--backpedalled",
        type=share,
        default=0.0,
        help="the share of measurements without pedalling that find a negative cadence",
    )
    add(
        "--others",
        type=share,
        default=0.0,
        help="the share of messages with fields of other numbers",
    )
    add("--vanish", type=positive, metavar="S", help="every S seconds, lose two sensors for 20 s")


EMULATORS["bosch"] = Emulator("a Bosch bike of the smart system (Bluetooth)", _add_options, _run)
