"""The common part of emulators over Bluetooth: waiting for the next time to notify, and the end."""

import asyncio
import time
from contextlib import suppress

from bumble.core import BaseBumbleError
from bumble.device import Device

from device.emulate import Emulation
from device.sources.bluetooth import RadioError
from device.sources.bluetooth.bumble_host import Host

LOOK_S = 0.25
"""How often the wish to stop is looked at."""
GOODBYE_S = 1.0


async def is_due(at_s: float, emulation: Emulation, host: Host) -> bool:
    """Wait until ``at_s``; return False if the emulation is to stop before."""
    while not emulation.stop.is_set():
        if host.lost.done():
            raise RadioError("the Bluetooth controller is gone")
        wait_s = at_s - time.monotonic()
        if wait_s <= 0:
            return True
        await asyncio.sleep(min(wait_s, LOOK_S))
    return False


async def disconnect_all(device: Device) -> None:
    for connection in list(device.connections.values()):
        with suppress(BaseBumbleError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await connection.disconnect()
