"""Log lines for Engine.IO packets, with the words and the level of the stock server."""

import logging
from typing import Any

from engineio import packet

MAX_CHARS = 1_000
"""A line shows so much of a packet. The stock server shows all of it, up to a megabyte."""


class PacketLog:
    """Logs each packet in and out while its logger takes level INFO."""

    __slots__ = ("_is_enabled_for", "_logger")

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._is_enabled_for = getattr(logger, "isEnabledFor", None)

    @property
    def is_on(self) -> bool:
        """True when the logger takes level INFO, or has no levels."""
        return self._is_enabled_for is None or bool(self._is_enabled_for(logging.INFO))

    def received(self, sid: str, encoded: str | bytes) -> None:
        """Log a packet that came in."""
        if isinstance(encoded, bytes):
            self._write(sid, "Received", packet.MESSAGE, encoded)
        elif encoded[:1] in _KINDS:
            self._write(sid, "Received", int(encoded[0]), encoded[1:])

    def sent(self, sid: str, encoded: str | bytes | bytearray) -> None:
        """Log an encoded packet that goes out."""
        if isinstance(encoded, str):
            self._write(sid, "Sending", int(encoded[0]), encoded[1:])
        else:
            self._write(sid, "Sending", packet.MESSAGE, encoded)

    def info(self, sid: str, sentence: str) -> None:
        """Log an event of a session."""
        self._logger.info("%s: %s", sid, sentence)

    def _write(self, sid: str, verb: str, kind: int, data: str | bytes | bytearray) -> None:
        name = packet.packet_names[kind]
        self._logger.info("%s: %s packet %s data %s", sid, verb, name, shown(data))


_KINDS = frozenset(map(str, range(len(packet.packet_names))))


def shown(data: object) -> str:
    """Return the part of ``data`` that a line shows."""
    if isinstance(data, bytes | bytearray):
        return "<binary>"
    text = str(data)
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}... ({len(text)} characters)"
