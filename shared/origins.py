"""Web origins as browsers write them into the ``Origin`` header. Pure.

A browser writes the scheme and host in lower case, a host name in ASCII (IDNA), and an IP address
in its shortest form. It omits the default port (RFC 6454; WHATWG URL, "host serializing"). An app
in a WebView, a browser extension or a page from a file also has an origin, such as
``capacitor://localhost``, ``app://.``, ``file://`` or ``null``.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

NULL = "null"
"""The origin of pages without another origin: from files, sandboxed frames, ``data:`` URLs."""
SHOWN_CHARS_MAX = 200
PORT_MAX = 65_535
FORM = "must be scheme://host or scheme://host:port, such as https://example.org"

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""In these schemes a host is a name or an IP address. In other schemes it can be any text."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)(.*)")
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?\.?")
_ANY_TEXT = re.compile(r"[a-z0-9._~%!$&'()+;=-]{0,253}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_USUAL_PORT = re.compile(r"(?:(?:http|ws)://[^/]+(:80)|(?:https|wss)://[^/]+(:443))")
_WITHOUT_ORIGIN = ("about:", "data:", "javascript:")


def read_origin(text: str) -> str:
    """Convert an origin that a person wrote to the form that a browser writes.

    Raises ValueError, whose text suggests a correction.
    """
    if text.lower() == NULL:
        return NULL
    if text.lower().startswith(_WITHOUT_ORIGIN):
        raise ValueError(f"a page with this URL has no origin: write {NULL}")
    url = _URL.fullmatch(text)
    authority = None if url is None else _AUTHORITY.fullmatch(url[2])
    if url is None or authority is None:
        raise ValueError(FORM + _with_scheme(text))
    scheme = url[1].lower()
    origin = f"{scheme}://{_host(scheme, authority[1])}{_port(scheme, authority[2])}"
    if url[3]:
        raise ValueError(f"must end after the host and port: write {origin}")
    return origin


def comparable(origin: str) -> str:
    """Return an ``Origin`` header in a form that can be compared."""
    lower = origin.lower()
    usual = _USUAL_PORT.fullmatch(lower)
    return lower if usual is None else lower.removesuffix(usual[1] or usual[2])


def shown(origin: str) -> str:
    """Return the text of an ``Origin`` header in printable ASCII, for answers and log lines."""
    cut = origin if len(origin) <= SHOWN_CHARS_MAX else f"{origin[:SHOWN_CHARS_MAX]}..."
    return cut.encode("unicode_escape").decode("ascii")


def ascii_name(host: str) -> str:
    """Return a host name in lower case ASCII, as browsers send it. Raises ValueError."""
    if host.isascii():
        return host.lower()
    import idna  # noqa: PLC0415  # importing it takes 30 ms, and few settings need it

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError(
            "must have the host name in ASCII: copy it from the browser's address bar (xn--...)"
        ) from None


def _with_scheme(text: str) -> str:
    """Suggest a scheme if only the scheme is missing."""
    try:
        return "" if "://" in text else f"; write {read_origin(f'https://{text}')}, or http://..."
    except ValueError:
        return ""


def _host(scheme: str, host: str) -> str:
    if scheme in _DEFAULT_PORTS:
        return _ipv6(host) if host.startswith("[") else _name(host)
    if _ANY_TEXT.fullmatch(host.lower()) is None:
        raise ValueError(FORM)
    return host.lower()


def _ipv6(host: str) -> str:
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        raise ValueError(FORM) from None
    if address.scope_id is not None:
        raise ValueError(
            "must have no zone in its address: browsers do not support zones, remove the %..."
        )
    mapped = address.ipv4_mapped
    if mapped is None:
        return f"[{address}]"
    high, low = divmod(int(mapped), 0x10000)
    return (
        f"[::ffff:{high:x}:{low:x}]"  # new Python versions write ::ffff:1.2.3.4, browsers never do
    )


def _name(host: str) -> str:
    name = ascii_name(host)
    if "*" in name:
        raise ValueError("must name each host in full: * is not supported")
    if _NAME.fullmatch(name) is None:
        raise ValueError(FORM)
    if _NUMBER.fullmatch(name.removesuffix(".").rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise ValueError(
                "must have an IPv4 address of four numbers, such as 127.0.0.1"
            ) from None
    return name


def _port(scheme: str, digits: str | None) -> str:
    if digits is None:
        return ""
    if not 1 <= int(digits) <= PORT_MAX:
        raise ValueError(f"must have a port from 1 to {PORT_MAX}, or none")
    return "" if int(digits) == _DEFAULT_PORTS.get(scheme) else f":{int(digits)}"
