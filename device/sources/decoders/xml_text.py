"""Turns the bytes of an XML file into text that a strict parser accepts.

How it works. Exporters declare one encoding and write another, put blanks or a byte order mark in
front, leave ``&`` and ``<`` in names unescaped, and pad files with zero bytes. None of that affects
a number or a time. So the encoding is guessed by the bytes first and by the declaration second, a
byte that does not fit becomes a replacement character, and every ``&`` becomes text. No reference
is ever resolved, so no entity can expand.
"""

import codecs
import re

_BLANKS = " \t\r\n\0\ufeff\u200b"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']\s*([\w.:-]{1,40})")
_FRONT = re.compile(rf"[{_BLANKS}\u00ef\u00bb\u00bf]*(?:<\?xml.{{0,500}}?\?>)?", re.DOTALL)
"""Everything before the first element or comment; also a byte order mark encoded twice."""

_NO_CHARACTER = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_TAG = re.compile("<(?![A-Za-z_/!?\u00c0-\ufffd])")
_HEAD = 1000
_MOST, _SOME = 0.8, 0.4
"""Shares of zero bytes that identify UTF-16 and UTF-32 without a byte order mark."""


def xml_text(data: bytes) -> str:
    """Decode and repair an XML file; lines keep their numbers."""
    text = _decode(data)
    front = _FRONT.match(text)
    assert front is not None  # it also fits an empty front
    lines = "\n" * front[0].count("\n")
    text = _NO_CHARACTER.sub("", text[front.end() :]).rstrip(_BLANKS)
    return lines + _NO_TAG.sub("&lt;", text.replace("&", "&amp;"))


def _decode(data: bytes) -> str:
    zeros = len(data) - len(data.lstrip(b"\0"))
    data = data[zeros // 4 * 4 :]  # padding; up to three zeros may belong to the first character
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if wide := _wide_encoding(data[:_HEAD]):
        return data.decode(wide, "replace")
    declared = _DECLARED.search(data[:_HEAD])
    name = declared[1].decode("ascii", "replace").lower() if declared else "utf-8"
    try:
        return data.decode("utf-8")  # a text of another encoding is hardly ever valid UTF-8
    except UnicodeDecodeError:
        return _decode_as(name, data)


def _decode_as(name: str, data: bytes) -> str:
    """Decode as declared, else as Windows-1252."""
    try:
        text = data.decode(name, "replace")
    except (LookupError, ValueError):  # no such encoding, or none for text
        text = ""
    narrow = not name.startswith(("utf-16", "utf-32", "ucs", "iso-10646"))
    return text if narrow and "<" in text[:_HEAD] else data.decode("cp1252", "replace")


def _wide_encoding(head: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 by the positions of the zero bytes of ASCII characters."""
    pairs = max(1, len(head) // 2)
    even, odd = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if odd > _MOST:
        return "utf-32-le" if even > _SOME else "utf-16-le"
    if even > _MOST:
        return "utf-32-be" if odd > _SOME else "utf-16-be"
    return None
