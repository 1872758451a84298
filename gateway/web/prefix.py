"""The prefix of the gateway's URLs: a proxy or another application may serve it at ``/spoke/``.

:func:`serve_below` finds the prefix of a request, and lets the rest of the gateway see the path
behind it. The prefix is known

- from ``X-Forwarded-Prefix`` of a trusted proxy, or from the setting ``SPOKE_BASE_PATH``. The proxy
  may have removed it from the path or not;
- from ``SCRIPT_NAME``, if a WSGI server or another application has mounted the gateway.

A proxy that removes the prefix and does not name it leaves the gateway without any knowledge of it.
:func:`url_below` then gives relative URLs, which are right below every prefix.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, request
from werkzeug.utils import redirect

from gateway.transport import TrustedProxies
from gateway.web.request_guards import SOCKET_PATH
from shared.url_prefix import decoded, encoded, read_prefix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "gateway.web.prefix"
"""The key of a WSGI environment for the prefix, percent-encoded; it is empty at the root."""
HEADER_MAX = 1_000
"""Characters of ``X-Forwarded-Prefix``."""
PERMANENT_REDIRECT = 308


def serve_below(
    app: "WSGIApplication", base_path: str, proxies: TrustedProxies, own_names: Iterable[str]
) -> "WSGIApplication":
    """Wrap the gateway; ``base_path`` is the prefix of requests that name no other.

    A prefix that begins with one of ``own_names``, the first parts of the gateway's own paths, is
    never removed from a path: ``/api/v1`` may be a path of the gateway below ``/api``.
    """
    kept = frozenset(own_names)

    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        given = _forwarded_prefix(environ, proxies)
        _place(environ, base_path if given is None else given, kept)
        if environ[PREFIX] and not environ.get("PATH_INFO"):
            return _add_slash(environ)(environ, start_response)
        return app(environ, start_response)

    return serve


def first_names(app: Flask) -> set[str]:
    """Return the first parts of all paths that an application serves."""
    paths = [str(rule) for rule in app.url_map.iter_rules()]
    return {path.split("/")[1] for path in [*paths, SOCKET_PATH]}


def url_below(path: str) -> str:
    """Return the URL of a path of the gateway, for an answer to the current request."""
    prefix = request.environ.get(PREFIX, "")
    if prefix:
        return f"{prefix}/{path}"
    return ("../" * (request.path.count("/") - 1) or "./") + path


def url_of_request() -> str:
    """Return the URL of the current request, without its host and query."""
    return str(request.environ.get(PREFIX, "")) + quote(request.path)


def _forwarded_prefix(environ: "WSGIEnvironment", proxies: TrustedProxies) -> str | None:
    """Return the prefix that a trusted proxy names, None without one.

    Each of several proxies in a row adds what it removed; the outermost proxy comes first.
    """
    header = environ.get("HTTP_X_FORWARDED_PREFIX", "")
    if not 0 < len(header) <= HEADER_MAX or not proxies.trusts(environ.get("REMOTE_ADDR", "")):
        return None
    try:
        parts = [read_prefix(part.strip().encode("latin-1")) for part in header.split(",")]
    except ValueError:
        return None
    return "".join(parts)


def _place(environ: "WSGIEnvironment", prefix: str, kept: frozenset[str]) -> None:
    """Move the prefix of a request from its path to ``SCRIPT_NAME``."""
    front, mounted = decoded(prefix), environ.get("SCRIPT_NAME", "").removesuffix("/")
    path = environ.get("PATH_INFO", "")
    inner = _rest(mounted, front)
    if inner is None:  # the mount lies below the prefix
        inner = mounted
    if front and not mounted and front.split("/")[1] not in kept:
        rest = _rest(path, front)
        path = path if rest is None else rest
    if path.startswith("//"):  # nginx makes it, with a slash at the end of its proxy_pass alone
        path = "/" + path.lstrip("/")
    environ["PATH_INFO"] = path
    environ["SCRIPT_NAME"] = front + inner
    environ[PREFIX] = prefix + (encoded(inner) if inner else "")


def _rest(path: str, front: str) -> str | None:
    """Return the part of a path below ``front``; None if the path is not below it."""
    rest = path.removeprefix(front)
    is_below = path.startswith(front) and (not rest or rest.startswith("/"))
    return rest if is_below else None


def _add_slash(environ: "WSGIEnvironment") -> "Callable[..., Iterable[bytes]]":
    """Return a redirect from ``/spoke`` to ``/spoke/``: relative URLs need the slash."""
    query = environ.get("QUERY_STRING", "")
    return redirect(f"{environ[PREFIX]}/" + (f"?{query}" if query else ""), PERMANENT_REDIRECT)
