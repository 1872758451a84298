"""The prefix of URL paths at which a server is reached, such as ``/spoke``.

A prefix is written as in a URL: percent-encoded, without a slash at the end. The empty prefix is
the root.
"""

import re
from urllib.parse import quote, unquote_to_bytes

FORM = "must be the path of a URL, such as /spoke"

_IN_A_PATH = "/%:@!$&'()*+,;=~"
"""``quote`` leaves these as they are, besides letters, digits, ``_``, ``.`` and ``-``."""
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?:[^/%]|%[0-9A-Fa-f]{2})+)*")


def read_prefix(text: str | bytes) -> str:
    """Return the prefix that a person or a proxy wrote. Raises ValueError."""
    prefix = quote(text, safe=_IN_A_PATH).removesuffix("/")
    if _PREFIX.fullmatch(prefix) is None:
        raise ValueError(FORM)
    return prefix


def decoded(prefix: str) -> str:
    """Return a prefix as WSGI writes it: decoded bytes, each as one character."""
    return unquote_to_bytes(prefix).decode("latin-1")


def encoded(path: str) -> str:
    """Return a path of WSGI as it is written in a URL."""
    return quote(path.encode("latin-1"), safe=_IN_A_PATH.replace("%", ""))
