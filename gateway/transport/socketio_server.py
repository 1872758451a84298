"""``SocketIOServer``: ``socketio.Server`` on an ``EngineServer``, to the letter of the protocol."""

from collections.abc import Callable
from typing import Any

import socketio
from engineio import packet as engineio_packet
from socketio import packet

from gateway.transport.admission import Admission
from gateway.transport.connection import BadPacket, Connection
from gateway.transport.engine_server import EngineServer
from gateway.transport.environ import ConnectionEnviron, KeptEnviron, SharedNames
from gateway.transport.lane import Lane
from gateway.transport.packets import BadSocketIOPacket, StrictPacket, add_attachment, decode
from gateway.transport.payload import CLOSE

# The reference server's value: a client that opens a session asks for a namespace within this.
CONNECT_TIMEOUT_S = 45.0


class SocketIOServer(socketio.Server):  # type: ignore[misc]  # socketio has no types
    """Socket.IO v5. Events of one client run in order, one at a time, acknowledgements beside.

    Takes the options of ``socketio.Server`` and of ``EngineServer``, and ``connect_timeout``.
    ``always_connect`` changes nothing: what a connect handler emits always follows its CONNECT.
    """

    def __init__(self, *, connect_timeout: float = CONNECT_TIMEOUT_S, **options: Any) -> None:
        if options.get("serializer", "default") == "default":
            options["serializer"] = StrictPacket
        super().__init__(**options)
        self.eio.deliver = self._receive
        self._names = SharedNames()
        self._silent = self.eio.clock.queue(connect_timeout, self._check_connected)
        self._ever_asked: set[str] = set()
        self._admission = Admission(self)
        self._ack_lanes: dict[str, Lane] = {}

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    # Sessions

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        super()._handle_eio_connect(eio_sid, environ)
        connection = self.eio.connection(eio_sid)
        if connection is not None:  # the test client of Flask-SocketIO has none
            self.environ[eio_sid] = KeptEnviron(environ, self._names)
            self._silent.add(connection)

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        for namespace in list(self.manager.get_namespaces()):
            self._leave_namespace(eio_sid, namespace, reason)
        self._binary_packet.pop(eio_sid, None)
        self._ever_asked.discard(eio_sid)
        self.environ.pop(eio_sid, None)

    def _leave_namespace(self, eio_sid: str, namespace: str, reason: str) -> None:
        try:
            self._handle_disconnect(eio_sid, namespace, reason)
        except Exception:
            self.logger.exception("disconnect handler failed: namespace=%s", namespace)
        finally:
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            if sid is not None:
                self.manager.disconnect(sid, namespace, ignore_queue=True)

    def _check_connected(self, connection: Connection, due: float) -> None:
        namespaces = self.manager.get_namespaces()
        if not any(self.manager.sid_from_eio_sid(connection.sid, name) for name in namespaces):
            connection.close(self.reason.TRANSPORT_CLOSE, farewell=CLOSE)

    def get_environ(self, sid: str, namespace: str | None = None) -> Any:
        """Return the WSGI environment of the request that opened the client's connection."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace or "/")
        return self.environ_of(eio_sid)

    def environ_of(self, eio_sid: str) -> Any:
        """Return the same by Engine.IO session id, made anew for one event."""
        kept = self.environ.get(eio_sid)
        return ConnectionEnviron(kept) if isinstance(kept, KeptEnviron) else kept

    # Packets in

    def _receive(self, connection: Connection, data: str | bytes) -> None:
        try:
            self._handle_eio_message(connection.sid, data)
        except BadSocketIOPacket as error:
            raise BadPacket(str(error)) from error

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        received = self._assemble(eio_sid, data)
        if received is None:
            return
        if received.packet_type == packet.CONNECT:
            self._ever_asked.add(eio_sid)
        elif eio_sid not in self._ever_asked:
            raise BadSocketIOPacket("the first packet must be CONNECT")
        self._dispatch(eio_sid, received, len(data))

    def _assemble(self, eio_sid: str, data: str | bytes) -> Any:
        """Return the packet that ``data`` completes, or None."""
        pending = self._binary_packet.get(eio_sid)
        if pending is not None:
            if not add_attachment(pending, data, self.eio.max_http_buffer_size):
                return None
            return self._binary_packet.pop(eio_sid)
        received = decode(self.packet_class, data)
        if not received.attachment_count:
            return received
        self._binary_packet[eio_sid] = received
        return None

    def _dispatch(self, eio_sid: str, received: Any, size: int) -> None:
        kind, namespace, data = received.packet_type, received.namespace, received.data
        if kind == packet.CONNECT:
            self._in_order(eio_sid, size, self._handle_connect, namespace, data)
        elif kind == packet.DISCONNECT:
            reason = self.reason.CLIENT_DISCONNECT
            self._in_order(eio_sid, size, self._handle_disconnect, namespace, reason)
        elif kind in (packet.EVENT, packet.BINARY_EVENT):
            self._in_order(eio_sid, size, self._handle_event, namespace, received.id, data)
        else:
            self._beside(eio_sid, size, namespace, received.id, data)

    def _in_order(
        self, eio_sid: str, size: int, call: Callable[..., object], *args: object
    ) -> None:
        connection = self.eio.connection(eio_sid)
        if connection is None:  # the test client again
            call(eio_sid, *args)
        else:
            connection.run(call, eio_sid, *args, size=size)

    def _beside(
        self, eio_sid: str, size: int, namespace: str | None, ack_id: int, data: list[Any]
    ) -> None:
        """Run the callback of an acknowledgement while an event handler may be waiting for it."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        waiting = self.manager.callbacks.get(sid, {})
        # 0 is where the manager keeps its counter. Taken out at once: an answer counts once.
        callback = waiting.pop(ack_id, None) if ack_id else None
        if callback is None:
            return
        if self.eio.connection(eio_sid) is None:
            callback(*data)
            return
        lane = self._ack_lanes.get(eio_sid)
        if lane is None:
            lane = self._ack_lanes[eio_sid] = Lane(lambda: self._end_ack_lane(eio_sid))
        lane.put(callback, *data, size=size)

    def _end_ack_lane(self, eio_sid: str) -> None:
        if self._ack_lanes[eio_sid].idle:
            del self._ack_lanes[eio_sid]

    def _handle_event(
        self, eio_sid: str, namespace: str | None, ack_id: int | None, data: list[Any]
    ) -> None:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if self.manager.is_connected(sid, namespace):
            self._handle_event_internal(self, sid, eio_sid, data, namespace, ack_id)

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        self._admission.join(eio_sid, namespace or "/", data)

    def close_client(self, eio_sid: str, message: str) -> None:
        """Close a connection for what its client did."""
        self.eio.note("bad-connect", message)
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.close(self.reason.TRANSPORT_ERROR, farewell=CLOSE)

    # Packets out

    def send_to(self, eio_sid: str, kind: int, namespace: str, data: Any) -> None:
        """Send a packet of the library's own to one client."""
        pkt = self.packet_class(kind, data=data, namespace=namespace, binary=False)
        self._send_packet(eio_sid, pkt)

    def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        encoded = pkt.encode()
        parts = encoded if isinstance(encoded, list) else [encoded]
        for part in parts:
            self._send_eio_packet(eio_sid, engineio_packet.Packet(engineio_packet.MESSAGE, part))

    def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:
        if not self._admission.holds(eio_sid, eio_pkt):
            self.eio.send_packet(eio_sid, eio_pkt)

    def instrument(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: the Admin UI replaces parts of the stock transport that are not here."""
        raise NotImplementedError("the Socket.IO Admin UI does not work with this transport")
