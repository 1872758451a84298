"""Create the Socket.IO server, and connect the hub to the connections of browsers.

The core makes frames that begin with their WebSocket header. A WebSocket client gets these bytes
unchanged. For a client that polls, this module removes the header.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Flask
from loguru import logger

from gateway.packets import packet_of
from gateway.transport import Connection, SocketIO, TrustedProxies
from gateway.transport.socketio.socketio_server import SocketIOServer
from gateway.transport.stock.strict_json import StrictJSON, StrictPacket
from gateway.web.request_guards import ORIGINS_SETTING, OriginCheck

PING_INTERVAL_S, PING_TIMEOUT_S = 10, 8
"""The gateway notices within 18 s that a browser has vanished."""
MESSAGE_BYTES_MAX = 512_000
"""From a client: 10,000 cursors take 400 kB. docs/guarantees.md has the time that parsing takes."""


@dataclass(frozen=True, slots=True)
class ReadyJson:
    """An answer that is JSON already, because encoding 10,000 bikes at once would hold the loop."""

    text: str


class ReadyPacket(StrictPacket):
    """A Socket.IO packet whose parts may be ready JSON."""

    class json(StrictJSON):  # noqa: N801  # socketio's name for its codec
        """Encodes a packet's data."""

        @staticmethod
        def dumps(value: object, *args: object, **options: object) -> str:
            """Encode a value; a list may hold parts that are JSON already."""
            if not (isinstance(value, list) and any(isinstance(it, ReadyJson) for it in value)):
                return StrictJSON.dumps(value, *args, **options)
            parts = [
                it.text if isinstance(it, ReadyJson) else StrictJSON.dumps(it, *args, **options)
                for it in value
            ]
            return f"[{','.join(parts)}]"


_is_answer_awaited: ContextVar[bool] = ContextVar("is_answer_awaited", default=True)


class BrowserServer(SocketIOServer):
    """A Socket.IO server whose handlers can see whether the client asked for an acknowledgement.

    The stock API does not tell them. python-socketio would also take an event named ``*`` for the
    catch-all handler itself, so that name is quoted.
    """

    def handle_event(
        self, eio_sid: str, namespace: str, ack_id: int | None, data: list[Any]
    ) -> None:
        """Call the handler of an event, which may call :func:`is_answer_awaited`."""
        _is_answer_awaited.set(ack_id is not None)
        super().handle_event(eio_sid, namespace, ack_id, [_event_name(data[0]), *data[1:]])

    def on_stalled(self, connection: Connection) -> None:
        """Log a client that took none of its unsent bytes for too long."""
        client_id = self.manager.sid_from_eio_sid(connection.sid, "/")
        logger.warning("client_stalled", client=client_id, stalled_s=self.eio.stalled_timeout)


class BrowserSocketIO(SocketIO):
    """Flask-SocketIO with a :class:`BrowserServer`."""

    server_class = BrowserServer


def create_server(
    app: Flask,
    is_allowed_origin: OriginCheck,
    *,
    proxies: TrustedProxies,
    max_connections: int,
    stalled_s: float,
    outbox_bytes: int,
    message_queue: str | None = None,
) -> SocketIO:
    """Create the Socket.IO server of an app, without starting anything.

    Replaces ``app.wsgi_app`` by the middleware of Flask-SocketIO, which serves ``/socket.io/`` and
    passes all other requests on to Flask.
    The server closes a client that reads nothing for ``stalled_s``. The unsent bytes of all
    clients together may take ``outbox_bytes``. Operators announce through the Redis at
    ``message_queue``.
    """
    return BrowserSocketIO(
        app,
        async_mode="gevent",
        async_handlers=False,  # the events of one client are answered in order
        cors_allowed_origins=is_allowed_origin,
        origins_setting=ORIGINS_SETTING,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        max_http_buffer_size=MESSAGE_BYTES_MAX,
        proxies=proxies,
        max_connections=max_connections,
        max_total_outbox_bytes=outbox_bytes,
        stalled_timeout=stalled_s,
        serializer=ReadyPacket,
        message_queue=message_queue,
    )


class Pull(Protocol):
    """Returns the frames that are due to a client that polls, as many as fit."""

    def __call__(self, *, room_bytes: int, room_frames: int) -> Sequence[bytes]:
        """At most ``room_frames`` frames of about ``room_bytes`` bytes."""


def serve_browser(connection: Connection, *, pull: Pull, go_on: Callable[[], None]) -> None:
    """Set the callbacks through which a connection gets frames.

    The connection of a client that polls calls ``pull``. A WebSocket connection
    calls ``go_on`` when it can take more frames.
    """

    def on_poll(room_frames: int, room_bytes: int) -> list[str | bytes]:
        frames = pull(room_bytes=room_bytes, room_frames=room_frames)
        return [packet_of(frame).decode() for frame in frames]

    connection.on_poll = on_poll
    connection.on_writable = connection.on_upgrade = go_on


def is_answer_awaited() -> bool:
    """Tell whether the client asked for an acknowledgement of the event that is being served."""
    return _is_answer_awaited.get()


def _event_name(given: object) -> str:
    """Return the name of an event; a value that cannot be a name becomes one that no event has."""
    return given if isinstance(given, str) and given != "*" else repr(given)
