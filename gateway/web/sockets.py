"""The seam to the transport: the Socket.IO server, and a browser's connection as the hub needs it.

Frames of the core carry their WebSocket header in front and are written as they are; clients that
poll get what is behind it.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from flask import Flask
from loguru import logger

from gateway.packets import packet_of
from gateway.transport import Connection, SocketIO, TrustedProxies
from gateway.transport.socketio_server import SocketIOServer
from gateway.transport.strict_json import StrictJSON, StrictPacket
from gateway.web.request_guards import ORIGINS_SETTING, OriginCheck

PING_INTERVAL_S, PING_TIMEOUT_S = 10, 8
"""A browser that vanished is noticed within 18 s."""
MESSAGE_BYTES_MAX = 512_000
"""From a client: 10,000 cursors take 400 kB. What parsing the largest one takes: guarantees.md."""


@dataclass(frozen=True, slots=True)
class ReadyJson:
    """An answer that is JSON already: a list of ten thousand bikes is not encoded in one piece."""

    text: str


class ReadyPacket(StrictPacket):
    """A Socket.IO packet whose parts may be ready JSON."""

    class json(StrictJSON):  # noqa: N801  # socketio's name for what encodes and decodes
        """Encodes a packet's data."""

        @staticmethod
        def dumps(value: object, *args: object, **options: object) -> str:
            """Encode a value; of a list, take the parts that are ready as they are."""
            if not (isinstance(value, list) and any(isinstance(it, ReadyJson) for it in value)):
                return StrictJSON.dumps(value, *args, **options)
            parts = [
                it.text if isinstance(it, ReadyJson) else StrictJSON.dumps(it, *args, **options)
                for it in value
            ]
            return f"[{','.join(parts)}]"


_is_answer_awaited: ContextVar[bool] = ContextVar("is_answer_awaited", default=True)


class BrowserServer(SocketIOServer):
    """The Socket.IO server of the gateway."""

    def handle_event(
        self, eio_sid: str, namespace: str, ack_id: int | None, data: list[object]
    ) -> None:
        """Call a handler, which may ask :func:`is_answer_awaited`.

        The stock server treats the name ``*`` as its own; here it is a name that no event has.
        """
        _is_answer_awaited.set(ack_id is not None)
        super().handle_event(eio_sid, namespace, ack_id, [_event_name(data[0]), *data[1:]])

    def on_stalled(self, connection: Connection) -> None:
        """Log a client that took nothing of its backlog for too long."""
        client_id = self.manager.sid_from_eio_sid(connection.sid, "/")
        logger.warning("client_stalled", client=client_id, stalled_s=self.eio.stalled_timeout)


class BrowserSockets(SocketIO):
    """Flask-SocketIO on a ``BrowserServer``."""

    server_class = BrowserServer


def create_server(
    app: Flask,
    is_allowed_origin: OriginCheck,
    *,
    proxies: TrustedProxies,
    max_connections: int,
    stalled_s: float,
    outbox_bytes: int,
) -> SocketIO:
    """Create the Socket.IO server of an app; nothing runs yet.

    A client that takes nothing for ``stalled_s`` is closed. ``outbox_bytes`` may wait for all.
    """
    server = BrowserSockets(
        app,
        async_mode="gevent",
        async_handlers=False,  # a client's questions are answered in the order it asked them
        cors_allowed_origins=is_allowed_origin,
        origins_setting=ORIGINS_SETTING,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        max_http_buffer_size=MESSAGE_BYTES_MAX,
        proxies=proxies,
        max_connections=max_connections,
        max_total_outbox_bytes=outbox_bytes,
        stalled_timeout=stalled_s,
    )
    server.server.packet_class = ReadyPacket
    return server


def serve_browser(
    connection: Connection,
    *,
    pull: Callable[[int, int], Sequence[bytes]],
    go_on: Callable[[], None],
) -> None:
    """Let a connection be sent frames.

    ``pull`` gives frames to a client that polls, at most so many and so many bytes; ``go_on`` is
    told when a client can be sent more.
    """
    connection.on_poll = lambda count, size: [packet_of(f).decode() for f in pull(count, size)]
    connection.on_writable = connection.on_upgrade = go_on


def is_answer_awaited() -> bool:
    """Tell whether the event being served was sent with an acknowledgement."""
    return _is_answer_awaited.get()


def _event_name(given: object) -> str:
    """Return the name of an event; for a value that is no name, one that no event has."""
    return given if isinstance(given, str) and given != "*" else repr(given)
