"""``bafang:<port>``: a Bafang controller, at the serial port that its display would use."""

from device.sources import SOURCES, Source
from device.sources.decoders.bafang import BafangDecoder
from device.sources.serial_port import open_port_source, wheel_of
from shared.decorators import registered
from shared.settings import Settings

BAUD = 1_200
MODEL = "Bafang controller"


@registered(SOURCES, "bafang")
def open_bafang(settings: Settings, argument: str, bike: int) -> Source:
    """Ask the controller for speed and charge, as its display does."""
    decoder = BafangDecoder(wheel_of(settings, "bafang"))
    return open_port_source(settings, "bafang", argument, decoder, BAUD, MODEL)
