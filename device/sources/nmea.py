"""``nmea:<port>``: a GPS receiver at a serial port."""

from device.sources import SOURCES, Source
from device.sources.decoders.nmea import NmeaDecoder, Parse
from device.sources.serial_port import EXTRA, open_port_source
from shared.decorators import registered
from shared.errors import BadMessage
from shared.extras import need
from shared.settings import Settings

BAUD = 9_600
MODEL = "GPS receiver"


@registered(SOURCES, "nmea")
def open_nmea(settings: Settings, argument: str, bike: int) -> Source:
    """Listen to the receiver."""
    return open_port_source(settings, "nmea", argument, NmeaDecoder(parser()), BAUD, MODEL)


def parser() -> Parse:
    """Return the parser of pynmeagps, with our error. Raises SourceError if it is missing."""
    reader = need("pynmeagps", EXTRA).NMEAReader

    def parse(sentence: bytes) -> object:
        try:
            parsed: object = reader.parse(sentence)
        except Exception as error:  # the library's own, and whatever odd fields make it raise
            raise BadMessage("sentence", str(error)) from error
        if parsed is None:
            raise BadMessage("sentence", "this is no sentence")
        return parsed

    return parse
