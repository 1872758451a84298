"""Lines for Engine.IO packets, worded and at the level as the stock server writes them."""

import logging
from typing import Any

from engineio import packet

MAX_CHARS = 1_000
"""A line shows so much of a packet. The stock server shows all, up to a megabyte."""


class PacketLog:
    """Writes each packet in and out while its logger takes level INFO."""

    __slots__ = ("_is_enabled_for", "_logger")

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._is_enabled_for = getattr(logger, "isEnabledFor", None)

    @property
    def is_on(self) -> bool:
        """True when somebody wants lines. A logger of another kind gets them all."""
        return self._is_enabled_for is None or bool(self._is_enabled_for(logging.INFO))

    def received(self, sid: str, encoded: str | bytes) -> None:
        """Write a packet that came in."""
        if isinstance(encoded, bytes):
            self._write(sid, "Received", packet.MESSAGE, encoded)
        elif encoded[:1] in _KINDS:
            self._write(sid, "Received", int(encoded[0]), encoded[1:])

    def sent(self, sid: str, encoded: str | bytes | bytearray) -> None:
        """Write a packet that goes out, encoded."""
        if isinstance(encoded, str):
            self._write(sid, "Sending", int(encoded[0]), encoded[1:])
        else:
            self._write(sid, "Sending", packet.MESSAGE, encoded)

    def info(self, sid: str, sentence: str) -> None:
        """Write what happened to a session."""
        self._logger.info("%s: %s", sid, sentence)

    def _write(self, sid: str, verb: str, kind: int, data: str | bytes | bytearray) -> None:
        name = packet.packet_names[kind]
        self._logger.info("%s: %s packet %s data %s", sid, verb, name, shown(data))


_KINDS = frozenset(map(str, range(len(packet.packet_names))))


def shown(data: object) -> str:
    """Return what a line shows of data."""
    if isinstance(data, bytes | bytearray):
        return "<binary>"
    text = str(data)
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}... ({len(text)} characters)"
