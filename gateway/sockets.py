"""The seam to Flask-SocketIO: its server, and a connection as the hub needs it.

Frames of the core carry their WebSocket header in front; the stock server writes its own, so
they are sent from behind it. It queues without bound for each client: ``is_writable`` is where
this ends.
"""

from engineio import packet as engineio_packet
from engineio.socket import Socket
from flask import Flask, request
from flask_socketio import SocketIO

from gateway.doors import OriginCheck
from gateway.groups import Batch
from gateway.packets import packet_of

QUEUED_MAX = 16
"""Packets that may wait in the server's queue of a client; then it lags in the ring instead.
Stock Python clients refuse a polling answer of more than 16."""
PING_INTERVAL_S, PING_TIMEOUT_S = 10, 8
MESSAGE_BYTES_MAX = 1_000_000


class StockConnection:
    """One client of the stock server."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    @property
    def is_writable(self) -> bool:
        """Tell whether the client took nearly all it was sent."""
        waiting: int = self._socket.queue.qsize()
        return not self._socket.closed and waiting < QUEUED_MAX

    @property
    def is_pulling(self) -> bool:
        """Tell that nobody pulls: the server polls for all."""
        return False

    def wake(self) -> None:
        """Do nothing: nobody pulls."""

    def send(self, batch: Batch) -> None:
        """Queue the packets of a batch."""
        for frame in batch.frames:
            text = packet_of(frame)[1:].decode()  # the server adds its own "4" for a message
            self._socket.send(engineio_packet.Packet(engineio_packet.MESSAGE, data=text))

    def close(self) -> None:
        """Close the transport without a Socket.IO DISCONNECT."""
        self._socket.close(wait=False)


def create_server(app: Flask, is_allowed_origin: OriginCheck) -> SocketIO:
    """Create the Socket.IO server of an app; nothing runs yet."""
    server = SocketIO(
        app,
        async_mode="gevent",
        async_handlers=False,  # the events of a client are served in their order, one by one
        cors_allowed_origins=is_allowed_origin,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        max_http_buffer_size=MESSAGE_BYTES_MAX,
    )
    _note_acks(server)
    return server


def connection_of(server: SocketIO, client_id: str) -> StockConnection:
    """Find the connection of a client."""
    transport = server.server.manager.eio_sid_from_sid(client_id, "/")
    return StockConnection(server.server.eio.sockets[transport])


def connection_count(server: SocketIO) -> int:
    """Count the open connections, whether they said CONNECT or not."""
    return len(server.server.eio.sockets)


def wants_ack() -> bool:
    """Tell whether the event being served was sent with an acknowledgement."""
    return bool(request.environ.get("spoke.ack"))


def _note_acks(server: SocketIO) -> None:
    """Let handlers know whether anybody waits for their answer: the stock server does not tell."""
    handle = server.server._handle_event  # noqa: SLF001  # the server offers no public place

    def note(transport: str, namespace: str, ack_id: int | None, data: object) -> None:
        environ = server.server.environ.get(transport)
        if environ is not None:
            environ["spoke.ack"] = ack_id is not None
        handle(transport, namespace, ack_id, data)

    server.server._handle_event = note  # noqa: SLF001  # as above
