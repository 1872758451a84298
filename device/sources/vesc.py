"""``vesc:<port>``: a VESC motor controller at a serial port."""

from device.sources import SOURCES, Source
from device.sources.decoders.vesc import Drive, VescDecoder
from device.sources.serial_port import open_port_source, wheel_of
from shared.decorators import registered
from shared.errors import SourceError
from shared.settings import Settings

BAUD = 115_200
MODEL = "VESC controller"


@registered(SOURCES, "vesc")
def open_vesc(settings: Settings, argument: str, bike: int) -> Source:
    """Ask the controller for its values; the settings say how motor and wheel belong together."""
    wheel_m = wheel_of(settings, "vesc")
    if settings.pole_pairs is None:
        raise SourceError("the source vesc needs the motor's pairs of poles: set SPOKE_POLE_PAIRS")
    decoder = VescDecoder(Drive(wheel_m, settings.pole_pairs, settings.gear))
    return open_port_source(settings, "vesc", argument, decoder, BAUD, MODEL)
