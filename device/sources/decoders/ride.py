"""Recognises the format of a recorded ride by its content, unpacks it, and picks the decoder.

How it works. The file's name counts for nothing. Gzip is unpacked first. Then, in this order: the
signature of FIT; the signatures of formats that are no rides, for a helpful error; and text that
begins with ``<``, which is XML and goes to the decoder of GPX and TCX.

Damaged gzip data is unpacked up to the damage, since a ride that was cut off is still a ride.
Everything is bounded: the unpacked bytes and the number of gzip streams. (A small gzip file can
unpack to gigabytes.)
"""

import zlib
from collections.abc import Callable
from contextlib import suppress

from device.sources.decoders import fit, xml_ride
from device.sources.decoders.fit_messages import SIGNATURE, SIGNATURE_AT
from device.sources.decoders.point import Ride
from shared.errors import SourceError

UNPACKED_BYTES_MAX = 100_000_000
"""Ten hours at 1 Hz are 30 MB as TCX."""

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 16
_STREAMS_MAX = 100
_HEAD = 2000
_TITLE_MAX = 60

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a ZIP archive; unpack it and play a file of it"),
    (0, b"PK\x05\x06", "a ZIP archive; unpack it and play a file of it"),
    (0, _GZIP, "a gzip file in a gzip file; unpack it"),
    (0, b"BZh", "a bzip2 file; unpack it"),
    (0, b"\xfd7zXZ\0", "an xz file; unpack it"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file; unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it and play a file of it"),
    (0, b"Rar!", "a RAR archive; unpack it and play a file of it"),
    (257, b"ustar", "a tar archive; unpack it and play a file of it"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"%PDF", "a PDF document"),
    (4, b"ftyp", "a film or picture (MP4)"),
    (0, b"RIFF", "a RIFF file"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xd0\xcf\x11\xe0", "an old Office document"),
    (0, b"SRM", "an SRM file"),
    (0, b"[Params]", "a Polar HRM file"),
    (0, b"[HRData]", "a Polar HRM file"),
    (0, b"$GP", "a log of NMEA sentences"),
    (0, b"$GN", "a log of NMEA sentences"),
)
_EXPECTED = "expected is a FIT, GPX or TCX file"


def read_ride(data: bytes) -> Ride:
    """Read a recorded ride of any format; raises :class:`SourceError` with the reason."""
    plain, damage = _unpack(data) if data.startswith(_GZIP) else (data, ())
    ride = _decoder(plain)(plain)
    return Ride(ride.form, ride.points, ride.left_out, (*damage, *ride.damage))


def _unpack(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Unpack gzip up to the first damage: one stream, or several in a row.

    Returns the bytes, and a text about the damage if there is any.
    """
    plain, at = bytearray(), 0
    for _ in range(_STREAMS_MAX):
        if not data.startswith(_GZIP, at):
            break
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            if at >= len(data):
                return _unpacked(plain), ("the end of its gzip data is missing",)
            # the copy is the state before this piece, to unpack it again up to the damage
            piece, before = data[at : at + _PIECE], stream.copy()
            at += len(piece)
            try:
                plain += stream.decompress(piece, UNPACKED_BYTES_MAX - len(plain) + 1)
            except zlib.error:
                plain += _until_damage(before, piece)
                return _unpacked(plain), ("its gzip data is damaged",)
            if len(plain) > UNPACKED_BYTES_MAX:
                raise SourceError(f"it is too large for a ride: over {UNPACKED_BYTES_MAX:,} bytes")
        at -= len(stream.unused_data)  # the next stream begins right behind this one
    return _unpacked(plain), ()


def _until_damage(stream: "zlib._Decompress", piece: bytes) -> bytes:
    """Unpack byte by byte: zlib returns nothing for a piece that holds the damage."""
    plain = bytearray()
    with suppress(zlib.error):
        for at in range(len(piece)):
            plain += stream.decompress(piece[at : at + 1], UNPACKED_BYTES_MAX)
    return bytes(plain)


def _unpacked(plain: bytearray) -> bytes:
    if not plain.strip(b"\0 \t\r\n"):
        raise SourceError("there is nothing in its gzip data that can be read")
    return bytes(plain)


def _decoder(data: bytes) -> Callable[[bytes], Ride]:
    if data[SIGNATURE_AT : SIGNATURE_AT + len(SIGNATURE)] == SIGNATURE:
        return fit.decode
    for at, magic, kind in _MAGIC:
        if data.startswith(magic, at):
            raise SourceError(f"it is {kind}; {_EXPECTED}")
    head = _head(data)
    if not head.startswith("<"):
        raise SourceError(f"it is {_text_kind(head)}; {_EXPECTED}")
    if head.lower().startswith(("<!doctype html", "<html")):
        raise SourceError(f"it is a web page{_title(head)}; {_EXPECTED}")
    return xml_ride.decode


def _head(data: bytes) -> str:
    """Return the first characters, without leading blanks and byte order marks.

    Zero bytes are dropped, so that this works for UTF-16 and UTF-32, too.
    """
    head = bytes(byte for byte in data[: 4 * _HEAD].lstrip(b"\0 \t\r\n") if byte)[:_HEAD]
    return head.decode("latin-1").lstrip(" \t\r\n\u00fe\u00ff\u00ef\u00bb\u00bf\u00c3\u00c2\u00af")


def _text_kind(head: str) -> str:
    if not all(char.isprintable() or char in "\t\r\n" for char in head):
        return "of no kind that is known here"
    if head.startswith(("{", "[")):
        return "a JSON file"
    first = head.partition("\n")[0]
    if any(separator in first for separator in ",;\t"):
        return "a text file with columns (CSV)"
    return "a text file"


def _title(head: str) -> str:
    _, found, after = head.partition("<title>")
    title = " ".join(after.partition("<")[0].split()) if found else ""
    printable = "".join(char for char in title if char.isprintable())[:_TITLE_MAX]
    return f" ({printable!r})" if printable else ""
