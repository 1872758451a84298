"""``SocketIOServer``: ``socketio.Server`` on an ``EngineServer``, to the letter of the protocol."""

from collections.abc import Callable
from typing import Any

import socketio
from engineio import packet as engineio_packet
from socketio import packet
from socketio.exceptions import ConnectionRefusedError as Refused

from gateway.transport.connection import BadPacket, Connection
from gateway.transport.engine_server import EngineServer
from gateway.transport.environ import ConnectionEnviron, KeptEnviron, SharedNames
from gateway.transport.lane import Lane
from gateway.transport.payload import CLOSE
from gateway.transport.packets import BadSocketIOPacket, StrictPacket, add_attachment, decode

# The reference server's value: a client that opens a session asks for a namespace within this.
CONNECT_TIMEOUT_S = 45.0

INVALID_NAMESPACE = {"message": "Invalid namespace"}
REFUSED = {"message": "Connection refused by server"}
FAILED = {"message": "Internal server error"}


class Held:
    """What a connect handler sends, or others send to its client, before CONNECT is answered."""

    __slots__ = ("_attachments", "_packet_class", "namespace", "packets", "size")

    def __init__(self, packet_class: Any, namespace: str) -> None:
        self._packet_class = packet_class
        self._attachments = 0
        self.namespace = namespace
        self.packets: list[Any] = []
        self.size = 0

    def takes(self, data: str | bytes) -> bool:
        """Say whether the encoded ``data`` belongs to the namespace that is being connected."""
        if isinstance(data, bytes) and self._packet_class.uses_binary_events:
            mine = self._attachments > 0
            self._attachments -= mine
            return mine
        decoded = self._packet_class(encoded_packet=data)
        mine = (decoded.namespace or "/") == self.namespace
        self._attachments = decoded.attachment_count if mine else 0
        return mine

    def keep(self, engine_packet: Any) -> None:
        """Keep an encoded packet for later."""
        self.packets.append(engine_packet)
        self.size += len(engine_packet.data)


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
        self._held: dict[str, Held] = {}
        self._ack_lanes: dict[str, Lane] = {}

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    # Sessions

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        super()._handle_eio_connect(eio_sid, environ)
        if not isinstance(self.eio, EngineServer) or eio_sid not in self.eio.sockets:
            return
        self.environ[eio_sid] = KeptEnviron(environ, self._names)
        self._silent.add(self.eio.sockets[eio_sid])

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
        return self._environ(eio_sid)

    def _environ(self, eio_sid: str) -> Any:
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
        if connection is None:  # the test client of Flask-SocketIO has no connection
            call(eio_sid, *args)
        else:
            connection.run(call, eio_sid, *args, size=size)

    def _beside(
        self, eio_sid: str, size: int, namespace: str | None, ack_id: int, data: list[Any]
    ) -> None:
        """Run the callback of an acknowledgement while an event handler may be waiting for it."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is None or ack_id == 0 or ack_id not in self.manager.callbacks.get(sid, {}):
            return
        if self.eio.connection(eio_sid) is None:
            self._handle_ack(eio_sid, namespace, ack_id, data)
            return
        lane = self._ack_lanes.get(eio_sid)
        if lane is None:
            lane = self._ack_lanes[eio_sid] = Lane(lambda: self._end_ack_lane(eio_sid))
        lane.put(self._handle_ack, eio_sid, namespace, ack_id, data, size=size)

    def _end_ack_lane(self, eio_sid: str) -> None:
        if self._ack_lanes[eio_sid].idle:
            del self._ack_lanes[eio_sid]

    def _handle_event(
        self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]
    ) -> None:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if self.manager.is_connected(sid, namespace):
            self._handle_event_internal(self, sid, eio_sid, data, namespace, id)

    # Joining a namespace

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or "/"
        if not self._is_known(namespace):
            self._refuse(eio_sid, namespace, INVALID_NAMESPACE)
            return
        sid = self.manager.pre_connect(eio_sid, namespace)
        if sid is None:
            self._close(eio_sid, "CONNECT to a namespace that is connected")
            return
        self._held[eio_sid] = held = Held(self.packet_class, namespace)
        try:
            refusal = self._ask(sid, eio_sid, namespace, data)
        finally:
            del self._held[eio_sid]
        if refusal is not None:
            self.manager.disconnect(sid, namespace, ignore_queue=True)
            self._refuse(eio_sid, namespace, refusal)
        else:
            self._admit(sid, eio_sid, held)

    def _is_known(self, namespace: str) -> bool:
        return (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        )

    def _ask(self, sid: str, eio_sid: str, namespace: str, data: Any) -> Any:
        """Run the connect handler; return None, or what CONNECT_ERROR says."""
        try:
            answer = self._call_connect_handler(namespace, sid, self._environ(eio_sid), data)
        except Refused as error:
            return error.error_args
        except ConnectionRefusedError:
            return REFUSED
        except Exception:
            self.logger.exception("connect handler failed: namespace=%s", namespace)
            return FAILED
        return Refused().error_args if answer is False else None

    def _call_connect_handler(self, namespace: str, sid: str, environ: Any, data: Any) -> Any:
        if data:
            return self._trigger_event("connect", namespace, sid, environ, data)
        try:
            return self._trigger_event("connect", namespace, sid, environ, None)
        except TypeError as error:  # an older handler takes no authentication
            try:
                return self._trigger_event("connect", namespace, sid, environ)
            except TypeError:
                raise error from None

    def _admit(self, sid: str, eio_sid: str, held: Held) -> None:
        namespace = held.namespace
        self.manager.connect(sid, namespace)
        hello = self.packet_class(packet.CONNECT, {"sid": sid}, namespace=namespace)
        self._send_packet(eio_sid, hello)
        for engine_packet in held.packets:
            self.eio.send_packet(eio_sid, engine_packet)
        if held.size > self.eio.max_outbox_bytes:
            self._close(eio_sid, "too much was sent while the client was connecting")

    def _refuse(self, eio_sid: str, namespace: str, reason: Any) -> None:
        error = self.packet_class(packet.CONNECT_ERROR, data=reason, namespace=namespace)
        self._send_packet(eio_sid, error)

    def _close(self, eio_sid: str, message: str) -> None:
        self.eio.note("bad-connect", message)
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.close(self.reason.TRANSPORT_ERROR, farewell=CLOSE)

    # Packets out

    def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        encoded = pkt.encode()
        parts = encoded if isinstance(encoded, list) else [encoded]
        for part in parts:
            self._send_eio_packet(eio_sid, engineio_packet.Packet(engineio_packet.MESSAGE, part))

    def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:
        held = self._held.get(eio_sid)
        if held is None or not held.takes(eio_pkt.data):
            self.eio.send_packet(eio_sid, eio_pkt)
        elif held.size <= self.eio.max_outbox_bytes:
            held.keep(eio_pkt)

    def instrument(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: the Admin UI replaces parts of the stock transport that are not here."""
        raise NotImplementedError("the Socket.IO Admin UI does not work with this transport")
