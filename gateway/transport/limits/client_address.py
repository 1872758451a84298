"""Which client sent a request: its address, also behind proxies, and the address it counts as."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

LOCAL = "local"
"""The holder of connections without an IP address, such as those over a Unix socket."""
IPV6_PREFIX = 64
"""A provider gives one customer at least a network of this size."""
HOPS_MAX = 20
"""Only so many entries of X-Forwarded-For are read; a longer list is forged."""
ADDRESS_MAX = 100
"""Characters: an IPv6 address has at most 45, and a zone may follow."""
KNOWN_MAX = 512
"""Addresses whose parsed form is kept: a request needs it several times, and parsing is slow."""


class TrustedProxies:
    """The proxies, given as addresses and networks, whose X-Forwarded-For is believed."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._networks = [ip_network(each, strict=False) for each in listed]

    def trusts(self, host: str) -> bool:
        """True when an address is that of a trusted proxy."""
        if not self._networks:
            return False
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, environ: Mapping[str, Any]) -> str:
        """Return the address of the client that sent a request.

        That is the peer's address. If the peer is a trusted proxy, it is the rightmost address in
        X-Forwarded-For that is not a trusted proxy: the client may have forged all left of it.
        """
        host = str(environ.get("REMOTE_ADDR", ""))
        hops = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rsplit(",", HOPS_MAX)[-HOPS_MAX:]
        while hops and self.trusts(host):
            named = _without_port(hops.pop().strip())
            if _address(named) is None:  # "unknown" or empty: only the proxy is known
                return host
            host = named
        return host

    def is_from_here(self, environ: Mapping[str, Any]) -> bool:
        """True when a request comes from this machine, and no proxy sent it for another one."""
        if self.is_client_hidden(environ) or "HTTP_FORWARDED" in environ:
            return False
        named = str(environ.get("HTTP_X_FORWARDED_FOR", "127.0.0.1")).rpartition(",")[2]
        client = _address(self.client(environ))
        is_named = _address(_without_port(named.strip())) is not None
        return is_named and client is not None and client.is_loopback

    def is_client_hidden(self, environ: Mapping[str, Any]) -> bool:
        """True when a proxy names a client and the proxy is not in the list of trusted ones."""
        named = "HTTP_X_FORWARDED_FOR" in environ
        return named and not self.trusts(str(environ.get("REMOTE_ADDR", "")))


@lru_cache(maxsize=KNOWN_MAX)
def holder_of(host: str) -> str:
    """Return the holder, which limits for one client are counted by: an IPv4 address or IPv6 /64.

    One customer has a whole IPv6 network and could use another address for each connection.
    """
    address = _address(host)
    if address is None:
        return LOCAL
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
    return str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    return _parse(host) if len(host) <= ADDRESS_MAX else None


@lru_cache(maxsize=KNOWN_MAX)
def _parse(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(host: str) -> str:
    """Remove the port that some proxies add: ``1.2.3.4:5``, ``[::1]:5``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    head, colon, _port = host.partition(":")
    return head if colon and ":" not in _port else host
