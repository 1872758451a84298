"""Reads the body of a polling client's POST, bounded for each client and for all together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gevent

from gateway.transport.engineio.handshake import Refusal, bad_request

PIECE_BYTES = 8 * 1024
"""How much one read asks for. Bytes count for the bound when their read returns, so up to this
much of each body is not counted."""
ALL_BODIES_BYTES_MAX = 32_000_000
"""A thousand clients that send 32 kB each at once: far more than honest clients do."""

Environ = Mapping[str, Any]


class BodyReader:
    """Reads bodies of at most ``max_bytes`` each, of ``all_bytes_max`` at the same time."""

    def __init__(self, max_bytes: int, all_bytes_max: int = ALL_BODIES_BYTES_MAX) -> None:
        self._max_bytes = max_bytes
        self._left_bytes = all_bytes_max

    def read(self, environ: Environ, timeout_s: float) -> bytes:
        """Return a whole body. Raises Refusal if it is too large, cut short or too slow."""
        length = self._length(environ)
        wanted = length if length >= 0 else self._max_bytes + 1
        with self._counted() as count:
            pieces: list[bytes] | None = gevent.with_timeout(
                timeout_s, list, _pieces(environ, wanted, count), timeout_value=None
            )
            if pieces is None:
                raise Refusal("408 REQUEST TIMEOUT", "Body too slow")
            body = b"".join(pieces)
        if len(body) > self._max_bytes:
            raise self._too_large()
        if len(body) < length:
            raise bad_request("Body cut short")
        return body

    def _too_large(self) -> Refusal:
        return Refusal(
            "413 PAYLOAD TOO LARGE", f"Payload too large: send at most {self._max_bytes} bytes"
        )

    def _length(self, environ: Environ) -> int:
        """Return the announced length, -1 for none."""
        try:
            length = int(environ.get("CONTENT_LENGTH") or -1)
        except ValueError as error:
            raise bad_request("Invalid Content-Length") from error
        if length > self._max_bytes:
            raise self._too_large()
        return length

    @contextmanager
    def _counted(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that counts bytes; they are given back at the end."""
        held = 0

        def count(size: int) -> None:
            nonlocal held
            held += size
            self._left_bytes -= size
            if self._left_bytes < 0:
                raise Refusal("503 SERVICE UNAVAILABLE", "too many bodies at once")

        try:
            yield count
        finally:
            self._left_bytes += held


def _pieces(environ: Environ, wanted: int, count: Callable[[int], None]) -> Iterator[bytes]:
    read = environ["wsgi.input"].read
    try:
        while wanted > 0 and (piece := read(min(wanted, PIECE_BYTES))):
            count(len(piece))
            wanted -= len(piece)
            yield piece
    except OSError as error:
        raise bad_request("Body cut short") from error
