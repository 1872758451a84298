"""What stands before every request: which hosts, origins and clients are let in at all.

Works on WSGI environments, because Socket.IO's handshake never reaches Flask.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Sized
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from werkzeug.wsgi import ClosingIterator

from gateway.log_once import LogOnce
from gateway.transport import TrustedProxies
from gateway.web.error_handlers import problem, translate
from shared.errors import BadRequest, Forbidden, Unavailable
from shared.origins import comparable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Check: TypeAlias = "Callable[[WSGIEnvironment], None]"
OriginCheck: TypeAlias = Callable[[str | None, dict[str, Any]], bool]
SOCKET_PATH = "/socket.io/"
PROBE_PATHS = frozenset({"/healthz", "/readyz"})
ORIGINS_SETTING = "SPOKE_CORS_ORIGINS"
PROTOCOL = "4"
LOCAL_NAMES = frozenset({"localhost"})


def host_check(allowed: Collection[str]) -> Check:
    """Refuse requests for a host that is not ours: a page cannot rebind its name to us.

    An IP address and ``localhost`` are always ours: no name leads there by a foreign DNS. Probes
    need no host: they often send none, and browsers always send one.
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
    """Refuse a Socket.IO handshake that cannot succeed: an old client, or a full gateway."""

    def check(environ: "WSGIEnvironment") -> None:
        if not environ.get("PATH_INFO", "").startswith(SOCKET_PATH):
            return
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if query.get("EIO", [PROTOCOL]) != [PROTOCOL]:
            raise BadRequest("this server speaks Engine.IO 4: use socket.io-client 3 or 4")
        if "sid" not in query and not has_room_for(environ):
            raise Unavailable("the gateway is full or stopping; try again later")

    return check


def proxy_check(proxies: TrustedProxies, warn: Callable[..., object]) -> Check:
    """Refuse nothing, but tell once of a proxy that nobody listed: its clients pass for one."""
    told = LogOnce()

    def check(environ: "WSGIEnvironment") -> None:
        if proxies.is_client_hidden(environ) and told.is_first("proxy", None):
            warn(
                "forwarded_client_ignored",
                proxy=environ.get("REMOTE_ADDR"),
                what="it sends X-Forwarded-For; if it is a proxy of yours, list it in "
                "SPOKE_TRUSTED_PROXIES, else all its clients share the places of one",
            )

    return check


def origin_check(listed: Collection[str]) -> OriginCheck:
    """Tell whether a page of an origin may connect: a listed one, or one served from here."""
    origins = frozenset(map(comparable, listed))

    def is_allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        if origin is None:  # no page: browsers always say where a page is from
            return True
        asking, host = comparable(origin), environ.get("HTTP_HOST")
        own = f"{environ.get('wsgi.url_scheme')}://{host}"
        return asking in origins or (bool(host) and asking == comparable(own))

    return is_allowed


def guard(app: "WSGIApplication", checks: Iterable[Check]) -> "WSGIApplication":
    """Put checks before an application; what they refuse never reaches it.

    Nothing escapes to the web server, which would print it beside the log.
    """
    ordered = tuple(checks)

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            for check in ordered:
                check(environ)
            return _whole_or_cut(app(environ, start_response), environ)
        except OSError:  # the client went away, or its connection was taken over: no answer
            raise
        except Exception as error:
            refusal = problem(*translate(error, path=environ.get("PATH_INFO")))
        return refusal(environ, start_response)

    return guarded


def _whole_or_cut(parts: Iterable[bytes], environ: "WSGIEnvironment") -> Iterable[bytes]:
    """Cut the connection where an answer that has begun cannot go on.

    The client sees that its answer is not whole, and the web server takes it for a client that
    left, about which it says nothing.
    """
    if isinstance(parts, Sized):  # nothing is made while it is sent
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


def _host_of(header: str) -> str:
    """Read the name in a Host header, without its port; empty when there is none to read."""
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
