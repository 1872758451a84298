"""``bosch:<transport>``: a Bosch bike of the smart system, by its Live Data Interface.

A thread of its own waits on a Bluetooth controller until the bike connects
(``bluetooth/bosch_waiter.py``), and merges what the bike notifies (``decoders/bosch.py``).
"""

from importlib import import_module
from pathlib import Path

from device.sources import SOURCES, Source
from device.sources.bluetooth import EXTRA
from device.sources.bluetooth.loop_thread import run_beside
from device.sources.handover import HandoverSource
from shared.decorators import registered
from shared.errors import SourceError
from shared.extras import need
from shared.settings import Settings

MODEL = "Bosch smart system"


@registered(SOURCES, "bosch")
def open_bosch(settings: Settings, argument: str, bike: int) -> Source:
    """Wait for the bike on this controller; it feeds one bike."""
    transport = argument or settings.ble_transport
    if transport is None:
        raise SourceError("name the Bluetooth controller, such as bosch:usb:0")
    if settings.fleet_size > 1:
        raise SourceError("the source bosch feeds one bike: leave SPOKE_FLEET_SIZE out")
    need("bumble", EXTRA)
    source = HandoverSource(0, MODEL)
    waiter = import_module("device.sources.bluetooth.bosch_waiter").Waiter
    run_beside(source, "bosch", waiter(transport, bond_path(settings), source).follow)
    return source


def bond_path(settings: Settings) -> Path:
    """Return the file of the bond: beside the journal, else beside the log."""
    folder = settings.log_dir if settings.journal is None else settings.journal.parent
    return folder / f"{settings.device_id}.bosch-bond.json"
