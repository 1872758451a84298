"""What is kept of the request that opened a connection, small, for as long as it lasts."""

import io
from collections.abc import Iterator, Mapping
from sys import intern
from typing import Any

from gateway.transport.socket_handoff import HANDOVER

# Of the web server, not of the client: buffers, sockets and what one request needed only.
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
# Header values that many clients share are kept once up to this length.
LONGEST_SHARED = 512


class ConnectionEnviron(dict[str, Any]):
    """A WSGI environment for one event; what handlers add to it lasts as long as the client."""

    def __init__(self, kept: "KeptEnviron") -> None:
        super().__init__(kept.items())
        super().__setitem__("wsgi.input", io.BytesIO())
        self._kept = kept

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if not name.startswith("werkzeug."):
            self._kept.keep(name, value)


class KeptEnviron:
    """A WSGI environment as two tuples: a dictionary would be three times the size."""

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
        """Keep what a handler added, as long as the connection."""
        self._added = {**(self._added or {}), name: value}


class SharedNames:
    """One tuple of names for all requests that carry the same headers."""

    # Browsers are of a few kinds; beyond this somebody invents headers.
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
