"""Addresses of HTTP servers: how a server binds one, and how a browser is led to it."""

import socket
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any

HERE = frozenset({"127.0.0.1", "0.0.0.0", "::"})  # noqa: S104  # text
"""A server that listens on one of these answers at ``localhost``."""


def page_url(host: str, port: int) -> str:
    """Return where a browser on this machine finds a server that listens on ``host``."""
    with suppress(ValueError):  # a name is right as it is
        address = ip_address(host)
        if host in HERE:
            host = "localhost"
        elif isinstance(address, IPv6Address):
            host = (
                f"[{host.replace('%', '%25')}]"  # a zone is written like this in a URL (RFC 6874)
            )
    return f"http://{host}:{port}/"


def socket_address(host: str, port: int) -> tuple[Any, ...]:
    """Return what a TCP socket binds to; only the resolver knows the number of an IPv6 zone.

    Raises OSError for a zone that is no interface of this machine.
    """
    if "%" not in host:
        return (host, port)
    return socket.getaddrinfo(host, port, socket.AF_INET6, socket.SOCK_STREAM)[0][4]
