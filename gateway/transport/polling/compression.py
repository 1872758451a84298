"""Compression of the bodies of polling answers, as the options of ``engineio.Server`` say."""

import gzip
import zlib
from collections.abc import Callable

from gateway.transport.engineio.handshake import Environ, Headers

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


class Compression:
    """Compresses bodies of at least ``threshold_bytes`` with the first encoding a client takes."""

    def __init__(self, threshold_bytes: int | None) -> None:
        self._threshold_bytes = threshold_bytes

    def apply(self, environ: Environ, body: bytes) -> tuple[Headers, bytes]:
        """Return the header of the encoding, if one is used, and the encoded body."""
        if self._threshold_bytes is None or len(body) < self._threshold_bytes:
            return [], body
        accepted = environ.get("HTTP_ACCEPT_ENCODING", "").split(",")
        for encoding in (part.split(";")[0].strip() for part in accepted):
            if encoding in ENCODINGS:
                return [("Content-Encoding", encoding)], ENCODINGS[encoding](body)
        return [], body
