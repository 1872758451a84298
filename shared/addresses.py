"""Addresses of HTTP servers: the URL for a browser, and the address for a socket."""

import socket
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any

HERE = frozenset({"127.0.0.1", "0.0.0.0", "::"})  # noqa: S104  # text
"""A server that listens on one of these addresses answers at ``localhost``."""


def page_url(host: str, port: int, base_path: str = "") -> str:
    """Return the URL, for a browser on this machine, of a server that listens on ``host``."""
    with suppress(ValueError):  # a host name needs no change
        address = ip_address(host)
        if host in HERE:
            host = "localhost"
        elif isinstance(address, IPv6Address):
            host = f"[{host.replace('%', '%25')}]"  # a zone in a URL (RFC 6874)
    return f"http://{host}:{port}{base_path}/"


def socket_address(host: str, port: int) -> tuple[Any, ...]:
    """Return the address for ``socket.bind``. The resolver looks up the number of an IPv6 zone.

    Raises OSError if the zone is not an interface of this machine.
    """
    if "%" not in host:
        return (host, port)
    return socket.getaddrinfo(host, port, socket.AF_INET6, socket.SOCK_STREAM)[0][4]
