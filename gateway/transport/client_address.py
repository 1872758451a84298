"""Where a request comes from: the client's address, also behind proxies, and the party it is of."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

LOCAL = "local"
"""The holder of connections that have no IP address, such as those by a Unix socket."""
IPV6_PREFIX = 64
"""One customer of a provider has at least that much of IPv6 for himself."""
HOPS_MAX = 20
"""Entries of X-Forwarded-For that are looked at; the rest is made up."""


class TrustedProxies:
    """The proxies whose word about a client's address counts, as addresses and networks."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._networks = [ip_network(each, strict=False) for each in listed]

    def trusts(self, host: str) -> bool:
        """Say whether an address is that of a trusted proxy."""
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, environ: Mapping[str, Any]) -> str:
        """Return the address of the client that sent a request.

        That is the peer, or where the peer is trusted, the rightmost address in X-Forwarded-For
        that is not: everything left of it may be the client's own invention.
        """
        host = str(environ.get("REMOTE_ADDR", ""))
        hops = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rsplit(",", HOPS_MAX)[-HOPS_MAX:]
        while hops and self.trusts(host):
            named = _without_port(hops.pop().strip())
            if _address(named) is None:  # "unknown", or nothing: the proxy is all that is known
                return host
            host = named
        return host

    def is_client_hidden(self, environ: Mapping[str, Any]) -> bool:
        """Say whether a proxy that nobody listed names a client that is not believed."""
        named = "HTTP_X_FORWARDED_FOR" in environ
        return named and not self.trusts(str(environ.get("REMOTE_ADDR", "")))


def holder_of(host: str) -> str:
    """Return the party that an address is of: itself, or an IPv6 network."""
    address = _address(host)
    if address is None:
        return LOCAL
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
    return str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(host: str) -> str:
    """Take off the port that some proxies add: ``1.2.3.4:5``, ``[::1]:5``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    head, colon, _port = host.partition(":")
    return head if colon and ":" not in _port else host
