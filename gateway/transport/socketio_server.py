"""``SocketIOServer``: ``socketio.Server`` on an ``EngineServer``, to the letter of the protocol."""

from typing import Any
from weakref import ref

import socketio
from engineio import packet as engineio_packet
from socketio import packet

from gateway.transport.connection import BadPacket, Connection
from gateway.transport.engine_server import EngineServer
from gateway.transport.environ import ConnectionEnviron, KeptEnviron, SharedNames
from gateway.transport.namespace_connect import Admission
from gateway.transport.packet_log import shown
from gateway.transport.payload import CLOSE
from gateway.transport.serializers import packet_class_of
from gateway.transport.socketio_packets import BadSocketIOPacket, Incoming
from gateway.transport.timers import Schedule
from gateway.transport.wakeup import ThreadCalls, from_any_thread

ACKS = (packet.ACK, packet.BINARY_ACK)

# The reference server's value: a client that opens a session asks for a namespace within this.
CONNECT_TIMEOUT_S = 45.0


class SocketIOServer(socketio.Server):  # type: ignore[misc]  # socketio has no types
    """Socket.IO v5. Events of one client begin in order; acknowledgements run beside.

    An event waits for the one before it to end, or with ``async_handlers`` (which is the default)
    to wait for something itself.

    Takes the options of ``socketio.Server`` and of ``EngineServer``, and ``connect_timeout``.
    ``always_connect`` changes nothing: what a connect handler emits always follows its CONNECT.
    """

    def __init__(self, *, connect_timeout: float = CONNECT_TIMEOUT_S, **options: Any) -> None:
        serializer = packet_class_of(options.pop("serializer", "default"))
        super().__init__(serializer=serializer, **options)
        self.eio.deliver = self._receive
        self._names = SharedNames()
        self._silent = self.eio.clock.queue(connect_timeout, self._check_connected)
        self._ever_asked: set[str] = set()
        self._admission = Admission(self)
        self._incomplete: Schedule[tuple[str, ref[Incoming]]] = self.eio.clock.queue(
            self.eio.ping_interval + self.eio.ping_timeout, self._check_complete
        )

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
        self._forget_incomplete(eio_sid)
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
            connection.close(self.reason.TRANSPORT_CLOSE, farewell=CLOSE, linger=True)

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
        incoming = self._assemble(eio_sid, data)
        if incoming is None:
            return
        kind, connection = incoming.kind, self.eio.connection(eio_sid)
        if kind == packet.CONNECT:
            self._ever_asked.add(eio_sid)
        elif eio_sid not in self._ever_asked:
            raise BadSocketIOPacket("the first packet must be CONNECT")
        if connection is None:  # the test client of Flask-SocketIO has none
            self._serve(eio_sid, incoming)
            return
        if kind in (packet.CONNECT, packet.DISCONNECT):
            connection.count_idle()
        self._queue(connection, incoming)

    def _queue(self, connection: Connection, incoming: Incoming) -> None:
        """Have a packet served when it is its turn."""
        call, size = (self._serve_or_reject, connection, incoming), incoming.cost
        if incoming.kind in ACKS:  # beside: an event handler may be waiting for it
            connection.run_beside(*call, size=size)
        elif incoming.kind == packet.DISCONNECT:
            connection.run_in_time(*call)
        else:
            is_alone = incoming.kind == packet.CONNECT or not self.async_handlers
            connection.run(*call, size=size, is_alone=is_alone)

    def _assemble(self, eio_sid: str, data: str | bytes) -> Incoming | None:
        """Return the packet that ``data`` completes, or None."""
        incoming: Incoming | None = self._binary_packet.get(eio_sid)
        if incoming is not None:
            before = incoming.cost
            incoming.attach(data, self.eio.max_http_buffer_size)
            self._hold(eio_sid, incoming.cost - before)
        else:
            incoming = Incoming(self.packet_class, data)
            if not incoming.is_complete:
                self._binary_packet[eio_sid] = incoming
                self._hold(eio_sid, incoming.cost)
                self._incomplete.add((eio_sid, ref(incoming)))
        if not incoming.is_complete:
            return None
        self._forget_incomplete(eio_sid)
        return incoming

    def _forget_incomplete(self, eio_sid: str) -> None:
        incoming: Incoming | None = self._binary_packet.pop(eio_sid, None)
        if incoming is not None:
            self._hold(eio_sid, -incoming.cost)

    def _hold(self, eio_sid: str, more_bytes: int) -> None:
        """Count what is held of a packet of which a part is missing."""
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.hold(more_bytes)

    def _check_complete(self, asked: tuple[str, "ref[Incoming]"], due: float) -> None:
        eio_sid, incoming = asked
        connection, pending = self.eio.connection(eio_sid), self._binary_packet.get(eio_sid)
        if connection is not None and pending is not None and pending is incoming():
            connection.reject(BadPacket("attachments did not come in time"))

    def _serve_or_reject(self, connection: Connection, incoming: Incoming) -> None:
        try:
            self._serve(connection.sid, incoming)
        except BadSocketIOPacket as error:
            connection.reject(BadPacket(str(error)))
        except BadPacket as error:
            connection.reject(error)

    def _serve(self, eio_sid: str, incoming: Incoming) -> None:
        received = incoming.decode(self.packet_class)
        kind, namespace, data = received.packet_type, received.namespace, received.data
        if kind == packet.CONNECT:
            self._handle_connect(eio_sid, namespace, data)
        elif kind == packet.DISCONNECT:
            self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
        elif kind in (packet.EVENT, packet.BINARY_EVENT):
            self._handle_event(eio_sid, namespace, received.id, data)
        else:
            self._serve_ack(eio_sid, namespace, received.id, data)

    def _serve_ack(
        self, eio_sid: str, namespace: str | None, ack_id: int, data: list[Any] | None
    ) -> None:
        """Call whoever waits for an acknowledgement."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        self.logger.info("received ack from %s [%s]", sid, namespace or "/")
        waiting = self.manager.callbacks.get(sid, {})
        # 0 is where the manager keeps its counter. Taken out at once: an answer counts once.
        callback = waiting.pop(ack_id, None) if ack_id else None
        if callback is not None:
            callback(*(data or ()))
            return
        self.logger.warning("Unknown callback received, ignoring.")
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.count_idle()

    def _handle_event(
        self, eio_sid: str, namespace: str | None, ack_id: int | None, data: list[Any]
    ) -> None:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        self.logger.info('received event "%s" from %s [%s]', shown(data[0]), sid, namespace)
        if self.manager.is_connected(sid, namespace):
            self._handle_event_internal(self, sid, eio_sid, data, namespace, ack_id)
        else:
            self.logger.warning("%s is not connected to namespace %s", sid, shown(namespace))

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        self._admission.join(eio_sid, namespace or "/", data)

    def close_client(self, eio_sid: str, message: str) -> None:
        """Close a connection for what its client did."""
        self.eio.note("bad-connect", message)
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.close(self.reason.TRANSPORT_ERROR, farewell=CLOSE)

    # Calls from any thread

    @property
    def threads(self) -> ThreadCalls:
        """Where calls of native threads wait for the event loop."""
        threads: ThreadCalls = self.eio.threads
        return threads

    @from_any_thread
    def emit(self, event: str, data: Any = None, *args: Any, **options: Any) -> None:
        """Emit as the stock server does; with much waiting for the client, wait until it took some.

        That holds for one client. An ``emit`` to many lets the event loop turn. From a native
        thread it returns at once.
        """
        super().emit(event, data, *args, **options)
        if self.eio.is_crowded:
            to = options.get("to") or options.get("room") or (args[0] if args else None)
            self.eio.pace(self._one_client(to, options.get("namespace") or "/"))

    def _one_client(self, to: object, namespace: str) -> str | None:
        found = self.manager.eio_sid_from_sid(to, namespace) if isinstance(to, str) else None
        return found if isinstance(found, str) else None

    @from_any_thread
    def disconnect(self, sid: str, *args: Any, **options: Any) -> None:
        """Disconnect a client, as the stock server does."""
        super().disconnect(sid, *args, **options)

    @from_any_thread
    def enter_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        """Let a client into a room, as the stock server does."""
        super().enter_room(sid, room, namespace)

    @from_any_thread
    def leave_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        """Take a client out of a room, as the stock server does."""
        super().leave_room(sid, room, namespace)

    @from_any_thread
    def close_room(self, room: str, namespace: str | None = None) -> None:
        """Close a room, as the stock server does."""
        super().close_room(room, namespace)

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
