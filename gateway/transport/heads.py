"""The headers of a request, read fast where they are plain, and judged. Pure."""

import re
from collections.abc import Iterable

# A line of a head as nearly every client writes it (RFC 9112, 5), and how many pywsgi takes.
PLAIN_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)\r\n")
MAX_HEADERS = 100
LENGTH = re.compile("[0-9]{1,18}")


def plain_headers(head: bytes) -> list[tuple[str, str]] | None:
    """Return names and values of a head's headers; None when it holds anything unusual."""
    text = head[head.find(b"\n") + 1 : -2].decode("latin-1")
    plain: list[tuple[str, str]] = PLAIN_HEADER.findall(text)
    if not plain or len(plain) > MAX_HEADERS or PLAIN_HEADER.sub("", text):
        return None
    return plain


def is_length_clear(headers: Iterable[tuple[str, str]]) -> bool:
    """Tell whether a body ends in one place, whoever reads the headers (RFC 9112, 6).

    A proxy in front may have believed the other of two lengths, and what follows would be another
    request for us than for it.
    """
    named = [(name.lower(), value.strip()) for name, value in headers]
    lengths = [value for name, value in named if name == "content-length"]
    codings = [value.lower() for name, value in named if name == "transfer-encoding"]
    if codings:
        return codings == ["chunked"] and not lengths
    return not lengths or (len(lengths) == 1 and LENGTH.fullmatch(lengths[0]) is not None)
