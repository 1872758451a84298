"""Checks that run before every request: its host, its proxy, and the handshake of a client.

:func:`guard` wraps the WSGI application. The checks read WSGI environments because Socket.IO's
handshake never reaches Flask. :func:`origin_check` is not among them: Socket.IO and
:mod:`gateway.web.cors` call it.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Sized
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from werkzeug.wsgi import ClosingIterator

from gateway.transport import TrustedProxies
from gateway.web.error_handlers import problem, translate
from shared.errors import BadRequest, Forbidden, Unavailable
from shared.log_once import LogOnce
from shared.origins import comparable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Check: TypeAlias = "Callable[[WSGIEnvironment], None]"
OriginCheck: TypeAlias = Callable[[str | None, dict[str, Any]], bool]
SOCKET_PATH = "/socket.io/"
PROBE_PATHS = frozenset({"/healthz", "/readyz"})
ORIGINS_SETTING = "SPOKE_CORS_ORIGINS"
PROTOCOL = "4"
HOST_MAX = 300
"""Characters of a Host header: a name has at most 253."""
LOCAL_NAMES = frozenset({"localhost"})


def host_check(allowed: Collection[str]) -> Check:
    """Return a check that refuses requests for other hosts (DNS rebinding).

    IP addresses and ``localhost`` are always allowed: no DNS server of an attacker can point them
    here. Health probes need no Host header: they often send none, while browsers always send one.
    """
    names = LOCAL_NAMES | {name.lower() for name in allowed}

    def check(environ: "WSGIEnvironment") -> None:
        header = environ.get("HTTP_HOST", "")
        if not header:
            if environ.get("PATH_INFO") not in PROBE_PATHS:
                raise Forbidden("the request names no host; send a header such as Host: localhost")
            return
        host = _host_of(header)
        if host not in names and not _is_address(host):
            raise Forbidden(f"this gateway is not {host[:80]!r}; add it to SPOKE_ALLOWED_HOSTS")

    return check


def handshake_check(has_room_for: Callable[[dict[str, Any]], bool]) -> Check:
    """Return a check that refuses handshakes of old clients, and new sessions when full.

    It changes nothing: the transport, which checks the rest of the request, makes the room. It is
    here so that these refusals are problem documents.
    """

    def check(environ: "WSGIEnvironment") -> None:
        if not environ.get("PATH_INFO", "").startswith(SOCKET_PATH):
            return
        text = environ.get("QUERY_STRING", "")
        if _is_of_session(text):
            return
        query = parse_qs(text)
        if query.get("EIO", [PROTOCOL]) != [PROTOCOL]:
            raise BadRequest("this server speaks Engine.IO 4: use socket.io-client 3 or 4")
        if "sid" not in query and not has_room_for(environ):
            raise Unavailable("the gateway is full or stopping; try again later")

    return check


def proxy_check(proxies: TrustedProxies, warn: Callable[..., object]) -> Check:
    """Return a check that refuses nothing, but warns once of a proxy that is not listed.

    All clients of such a proxy appear to have the proxy's address.
    """
    told = LogOnce()

    def check(environ: "WSGIEnvironment") -> None:
        if proxies.is_client_hidden(environ) and told.is_first("proxy", None):
            warn(
                "forwarded_client_ignored",
                proxy=environ.get("REMOTE_ADDR"),
                what="it sends X-Forwarded-For; if it is a proxy of yours, list it in "
                "SPOKE_TRUSTED_PROXIES, else all its clients share the slots of one address",
            )

    return check


def origin_check(listed: Collection[str]) -> OriginCheck:
    """Return a check of origins: it allows the listed origins and the gateway's own."""
    origins = frozenset(map(comparable, listed))

    def is_allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        if origin is None:  # not a page: browsers always send the origin of a page
            return True
        asking, host = comparable(origin), environ.get("HTTP_HOST")
        own = f"{environ.get('wsgi.url_scheme')}://{host}"
        return asking in origins or (bool(host) and asking == comparable(own))

    return is_allowed


def guard(app: "WSGIApplication", checks: Iterable[Check]) -> "WSGIApplication":
    """Wrap an application: each request passes all checks before it reaches the application.

    Except for OSError, no exception reaches the web server, which would print it outside the log.
    """
    ordered = tuple(checks)

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            for check in ordered:
                check(environ)
            return _cut_on_error(app(environ, start_response), environ)
        except OSError:  # the client left, or another part took its connection over: no answer
            raise
        except Exception as error:
            refusal = problem(*translate(error, path=environ.get("PATH_INFO")))
        return refusal(environ, start_response)

    return guarded


def _cut_on_error(parts: Iterable[bytes], environ: "WSGIEnvironment") -> Iterable[bytes]:
    """Pass on the parts of an answer; cut the connection if the application fails between them.

    The client then sees that the answer is incomplete. The web server takes the raised
    ConnectionResetError for a client that left, and prints nothing.
    """
    if isinstance(parts, Sized):  # a complete list: the application does not run while it is sent
        return parts

    def pass_on() -> Iterator[bytes]:
        try:
            yield from parts
        except OSError:
            raise
        except Exception as error:
            translate(error, path=environ.get("PATH_INFO"))
            raise ConnectionResetError(errno.ECONNRESET, str(error)) from error

    return ClosingIterator(pass_on(), getattr(parts, "close", None))


def _is_of_session(query: str) -> bool:
    """Tell whether a query has the usual form of a session's: it is not parsed then."""
    if "%" in query or query.count("EIO=") != 1:
        return False
    fields = query.split("&")
    has_sid = any(field.startswith("sid=") and field != "sid=" for field in fields)
    return f"EIO={PROTOCOL}" in fields and has_sid


def _host_of(header: str) -> str:
    """Return the name in a Host header, without the port; empty if the header is malformed."""
    return _parse_host(header) if len(header) <= HOST_MAX else ""


@lru_cache(maxsize=64)
def _parse_host(header: str) -> str:
    try:
        parts = urlsplit(f"//{header}")
        name = parts.hostname
    except ValueError:  # such as "[::1"
        return ""
    return name or "" if parts.username is None else ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
