import codecs

import pytest

from device.sources.decoders.ride import read_ride
from device.sources.decoders.xml_text import xml_text
from tests.device.sources.recordings import gpx_text, tcx_text

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
BODY = gpx_text([(0, 0), (1, 5), (2, 10)]).removeprefix(DECLARATION)
NAMED = BODY.replace("<trk>", "<trk><name>Höhenweg</name>")


def declared(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{NAMED}'


ENCODED = {
    "UTF-8": declared("UTF-8").encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + declared("UTF-8").encode(),
    "UTF-8 with two marks": codecs.BOM_UTF8 * 2 + declared("UTF-8").encode(),
    "a mark that was encoded twice": "\u00ef\u00bb\u00bf".encode() + declared("UTF-8").encode(),
    "UTF-16 with a mark": declared("UTF-16").encode("utf-16"),
    "UTF-16 big-endian with a mark": codecs.BOM_UTF16_BE + declared("UTF-16").encode("utf-16-be"),
    "UTF-16 without a mark": declared("UTF-16").encode("utf-16-le"),
    "UTF-16 big-endian without a mark": declared("UTF-16").encode("utf-16-be"),
    "UTF-16 behind a line break": ("\n" + declared("UTF-16")).encode("utf-16-le"),
    "UTF-32": declared("UTF-32").encode("utf-32"),
    "UTF-32 without a mark": declared("UTF-32").encode("utf-32-le"),
    "UTF-16 declared, UTF-8 written": declared("utf-16").encode(),
    "UTF-8 declared, UTF-16 written": declared("utf-8").encode("utf-16"),
    "ISO-8859-1": declared("ISO-8859-1").encode("latin-1"),
    "windows-1252": declared("windows-1252").encode("cp1252"),
    "ISO-8859-1 written, UTF-8 declared": declared("UTF-8").encode("latin-1"),
    "ISO-8859-1 written, none declared": NAMED.encode("latin-1"),
    "no such encoding": declared("x-mac-klingon").encode("latin-1"),
    "an encoding that is none for text": declared("base64").encode("latin-1"),
    "an encoding of other letters": declared("cp037").encode("latin-1"),
    "GB2312": declared("gb2312").replace("Höhenweg", "\u5c71\u8def").encode("gb2312"),
    "Shift_JIS": declared("Shift_JIS").replace("Höhenweg", "\u5c71\u8def").encode("shift_jis"),
    "blanks in front": b" " * 10 + declared("UTF-8").encode(),
    "line breaks in front": b"\r\n\n\t" + declared("UTF-8").encode(),
    "a mark behind blanks": b"\n" + codecs.BOM_UTF8 + declared("UTF-8").encode(),
    "zeros in front": bytes(512) + declared("UTF-8").encode(),
    "zeros behind": declared("UTF-8").encode() + bytes(4096),
    "zeros between": declared("UTF-8").replace("</name>", "\0\0\0</name>").encode(),
    "control characters": declared("UTF-8").replace("weg", "\x0b\x1b\x07").encode(),
    "CRLF": declared("UTF-8").replace(">", ">\r\n").encode(),
    "CR alone": declared("UTF-8").replace(">", ">\r").encode(),
    "XML 1.1": declared("UTF-8").replace('"1.0"', '"1.1"', 1).encode(),
    "a declaration with mistakes": f"<?xml version=1.0 encoding=utf-8?>{NAMED}".encode(),
    "a bare ampersand": declared("UTF-8").replace("weg", " & Tal & Co").encode(),
    "an HTML entity": declared("UTF-8").replace("weg", "&nbsp;&uuml;&#0;").encode(),
    "a bare less-than": declared("UTF-8").replace("weg", " <3 < 4").encode(),
    "a comment in front": f"<!-- made by me -->{NAMED}".encode(),
    "a document type": f'<?xml version="1.0"?><!DOCTYPE gpx SYSTEM "gpx.dtd">{NAMED}'.encode(),
    "CDATA": declared("UTF-8").replace("Höhenweg", "<![CDATA[a < b & c]]>").encode(),
}


@pytest.mark.parametrize("name", ENCODED)
def test_plays(name: str) -> None:
    ride = read_ride(ENCODED[name])
    assert len(ride.points) == 3
    assert ride.damage == ()


def test_lines_keep_their_numbers() -> None:
    text = f"\n\n{DECLARATION}\n<gpx>\n<trk>\n&nbsp;<</gpx>"
    assert xml_text(text.encode()).splitlines()[3:] == ["<gpx>", "<trk>", "&amp;nbsp;&lt;</gpx>"]


def test_comma_in_numbers() -> None:
    inside = "<Time>2024-05-01T08:00:00Z</Time><Extensions><Speed>5,5</Speed></Extensions>"
    assert read_ride(tcx_text([inside]).encode()).points[0].speed_mps == 5.5
