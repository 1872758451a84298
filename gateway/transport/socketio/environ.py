"""A small copy of the request that opened a connection, kept as long as the connection lasts."""

import io
from collections.abc import Iterator, Mapping
from sys import intern
from typing import Any

from gateway.transport.http.socket_handoff import HANDOVER

# Entries of the web server, not of the client: buffers, sockets and data of one request.
DROPPED = frozenset(
    {
        "wsgi.input",
        "wsgi.file_wrapper",
        "gunicorn.socket",
        "gunicorn.sock",
        "gunicorn.http2.send_trailers",
        "wsgi.early_hints",
        HANDOVER,
        "HTTP_SEC_WEBSOCKET_KEY",
    }
)
# Header values up to this length are stored once for all clients that send them.
LONGEST_SHARED = 512


class ConnectionEnviron(dict[str, Any]):
    """A WSGI environment for one event; entries that handlers add last as long as the client."""

    def __init__(self, kept: "KeptEnviron") -> None:
        super().__init__(kept.items())
        super().__setitem__("wsgi.input", io.BytesIO())
        self._kept = kept

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if not name.startswith("werkzeug."):
            self._kept.keep(name, value)


class KeptEnviron:
    """A WSGI environment in two tuples: a dictionary would be three times as large."""

    __slots__ = ("_added", "_names", "_values")

    def __init__(self, environ: Mapping[str, Any], names: "SharedNames") -> None:
        kept = {name: value for name, value in environ.items() if name not in DROPPED}
        self._names = names.share(tuple(kept))
        self._values = tuple(_shared(value) for value in kept.values())
        self._added: dict[str, Any] | None = None

    def items(self) -> Iterator[tuple[str, Any]]:
        """Return names and values."""
        yield from zip(self._names, self._values, strict=True)
        if self._added is not None:
            yield from self._added.items()

    def keep(self, name: str, value: Any) -> None:
        """Keep an entry that a handler added, as long as the connection lasts."""
        self._added = {**(self._added or {}), name: value}


class SharedNames:
    """One tuple of names for all requests that carry the same headers."""

    # There are few kinds of browsers; beyond this number, a client invents headers.
    MAX_KINDS = 256

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def share(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return an equal tuple, the same object each time."""
        found = self._known.get(names)
        if found is not None:
            return found
        if len(self._known) >= self.MAX_KINDS:
            self._known.clear()
        self._known[names] = names
        return names


def _shared(value: Any) -> Any:
    if type(value) is str and len(value) <= LONGEST_SHARED:
        return intern(value)
    return value
