"""``SocketIOServer``: ``socketio.Server`` on an ``EngineServer``, strict about the protocol.

How it works: ``SocketIOEngine.deliver`` hands each message to ``SocketIOServer.receive``: for a
WebSocket in a callback of the event loop, for a POST in the greenlet of its HTTP connection.
``receive`` reads the start of the packet and queues the packet at its connection. When
its turn comes, ``_serve`` decodes it in a greenlet and calls the application's handler. See "The
path of one subscribe" in docs/architecture.md.

python-socketio calls four methods here by name: its constructor calls ``_engineio_server_class`` to
make ``self.eio``, and registers ``_handle_eio_connect``, ``_handle_eio_message`` and
``_handle_eio_disconnect`` there as handlers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from engineio import packet as engineio_packet
from socketio import packet

from gateway.transport.connection.connection import Connection
from gateway.transport.engineio.packet_log import shown
from gateway.transport.engineio.payload import CLOSE, BadPacket
from gateway.transport.server.engine_server import EngineServer
from gateway.transport.socketio.environ import ConnectionEnviron, KeptEnviron, SharedNames
from gateway.transport.socketio.namespace_connect import NamespaceConnect
from gateway.transport.socketio.packet_assembly import PacketAssembly
from gateway.transport.socketio.socketio_packets import BadSocketIOPacket, IncomingPacket
from gateway.transport.socketio.threaded_server import ThreadedServer
from gateway.transport.stock.serializers import packet_class_of

ACKS = (packet.ACK, packet.BINARY_ACK)

# The reference server's value: a client that opens a session connects to a namespace within this.
CONNECT_TIMEOUT_S = 45.0


class SocketIOEngine(EngineServer):
    """The Engine.IO server below a ``SocketIOServer``, to which it hands its messages."""

    def __init__(self, socketio_server: "SocketIOServer", **options: Any) -> None:
        super().__init__(**options)
        self._socketio_server = socketio_server

    def deliver(self, connection: Connection, data: str | bytes) -> None:
        """Hand a message to Socket.IO. Raises BadPacket."""
        self._socketio_server.receive(connection, data)

    def on_stalled(self, connection: Connection) -> None:
        """Let Socket.IO report a client that takes nothing."""
        self._socketio_server.on_stalled(connection)


class SocketIOServer(ThreadedServer):
    """Socket.IO v5. Events of one client begin in order; acknowledgements do not wait for them.

    An event waits for the one before it to end, or with ``async_handlers`` (the default) to wait
    for something itself.

    Takes the options of ``socketio.Server`` and of ``EngineServer``, and ``connect_timeout``
    (seconds). ``always_connect`` changes nothing: the packets that a connect handler emits always
    follow its CONNECT.
    """

    def __init__(self, *, connect_timeout: float = CONNECT_TIMEOUT_S, **options: Any) -> None:
        serializer = packet_class_of(options.pop("serializer", "default"))
        super().__init__(serializer=serializer, **options)
        self._names = SharedNames()
        self._asked_to_connect: set[str] = set()  # Engine.IO ids that sent a CONNECT
        self._namespace_connect = NamespaceConnect(self)
        self._assembly = PacketAssembly(self.eio)
        self._connect_deadlines = self.eio.timers.clock.queue(
            connect_timeout, self._check_connected
        )

    def _engineio_server_class(self) -> Callable[..., EngineServer]:
        return partial(SocketIOEngine, self)

    def start_queue(self) -> None:
        """Listen to the message queue now; otherwise the first client starts it."""
        self.threads.serve_here()
        stock: Any = self
        if not stock.manager_initialized:
            stock.manager_initialized = True
            self.manager.initialize()

    # Sessions

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        super()._handle_eio_connect(eio_sid, environ)
        connection = self.eio.connection(eio_sid)
        if connection is not None:  # the test client of Flask-SocketIO has none
            self.environ[eio_sid] = KeptEnviron(environ, self._names)
            self._connect_deadlines.add(connection)

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        for namespace in list(self.manager.get_namespaces()):
            try:
                self._leave_namespace(eio_sid, namespace, reason)
            except Exception:
                self.logger.exception("disconnect handler failed: namespace=%s", namespace)
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            if sid is not None:  # it was connecting, or a handler of its disconnect still runs
                self.manager.disconnect(sid, namespace, ignore_queue=True)
        self._assembly.forget(eio_sid)
        self._asked_to_connect.discard(eio_sid)
        self.environ.pop(eio_sid, None)

    def _leave_namespace(self, eio_sid: str, namespace: str, reason: str) -> None:
        """Run a client's disconnect handler in a namespace, and take the client out of it."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            return
        self.manager.pre_disconnect(sid, namespace=namespace)
        try:
            self.call_handler("disconnect", namespace, sid, reason)
        finally:
            self.manager.disconnect(sid, namespace, ignore_queue=True)

    def _check_connected(self, connection: Connection, due: float) -> None:
        """Close a connection whose client is in no namespace after ``connect_timeout``."""
        namespaces = self.manager.get_namespaces()
        if not any(self.manager.sid_from_eio_sid(connection.sid, name) for name in namespaces):
            connection.close(self.reason.TRANSPORT_CLOSE, last_packet=CLOSE, linger=True)

    def on_stalled(self, connection: Connection) -> None:
        """Report a client that took none of its unsent bytes for ``stalled_timeout``."""
        # Not ``self.eio.on_stalled``: ``SocketIOEngine`` overrides it and calls this method.
        EngineServer.on_stalled(self.eio, connection)

    def get_environ(self, sid: str, namespace: str | None = None) -> Any:
        """Return the WSGI environment of the request that opened the client's connection."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace or "/")
        return self.environ_of(eio_sid)

    def environ_of(self, eio_sid: str) -> Any:
        """Return a new copy of that environment, by Engine.IO session id."""
        kept = self.environ.get(eio_sid)
        return ConnectionEnviron(kept) if isinstance(kept, KeptEnviron) else kept

    # Packets in

    def receive(self, connection: Connection, data: str | bytes) -> None:
        """Queue the packet that ``data`` completes, if it completes one. Raises BadPacket."""
        try:
            incoming = self._complete(connection.sid, data)
        except BadSocketIOPacket as error:
            raise BadPacket(str(error)) from error
        if incoming is not None:
            self._queue(connection, incoming)

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """Serve a packet at once: only the test client of Flask-SocketIO calls this."""
        incoming = self._complete(eio_sid, data)
        if incoming is not None:
            self._serve(eio_sid, incoming)

    def _complete(self, eio_sid: str, data: str | bytes) -> IncomingPacket | None:
        """Return the packet that ``data`` completes, or None. Raises BadSocketIOPacket.

        ``data`` is a text packet or an attachment of the client's previous text packet.
        """
        incoming = self._assembly.add(self.packet_class, eio_sid, data)
        if incoming is None:
            return None
        if incoming.kind == packet.CONNECT:
            self._asked_to_connect.add(eio_sid)
        elif eio_sid not in self._asked_to_connect:
            raise BadSocketIOPacket("the first packet must be CONNECT")
        return incoming

    def _queue(self, connection: Connection, incoming: IncomingPacket) -> None:
        """Have a packet served in its turn: ``_serve_or_reject``. Raises TooManyPackets."""
        if incoming.kind in (packet.CONNECT, packet.DISCONNECT):
            connection.count_overhead()
        call, size = (self._serve_or_reject, connection, incoming), incoming.cost
        if incoming.kind in ACKS:  # not behind events: an event handler may be waiting for it
            connection.run_ack(*call, size=size)
        elif incoming.kind == packet.DISCONNECT:
            connection.run_in_time(*call)
        else:
            is_alone = incoming.kind == packet.CONNECT or not self.async_handlers
            connection.run(*call, size=size, is_alone=is_alone)

    def _serve_or_reject(self, connection: Connection, incoming: IncomingPacket) -> None:
        try:
            self._serve(connection.sid, incoming)
        except BadSocketIOPacket as error:
            connection.reject(BadPacket(str(error)))
        except BadPacket as error:
            connection.reject(error)

    def _serve(self, eio_sid: str, incoming: IncomingPacket) -> None:
        received = incoming.decode(self.packet_class)
        kind, namespace, data = received.packet_type, received.namespace or "/", received.data
        if kind == packet.CONNECT:
            self._namespace_connect.join(eio_sid, namespace, data)
        elif kind == packet.DISCONNECT:
            self._leave_namespace(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
        elif kind in (packet.EVENT, packet.BINARY_EVENT):
            self.handle_event(eio_sid, namespace, received.id, data)
        else:
            self._serve_ack(eio_sid, namespace, received.id, data)

    def _serve_ack(self, eio_sid: str, namespace: str, ack_id: int, data: list[Any] | None) -> None:
        """Call the function that waits for an acknowledgement."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        self.logger.info("received ack from %s [%s]", sid, namespace)
        waiting = self.manager.callbacks.get(sid, {})
        # Id 0 is the manager's own counter. ``pop``: a second acknowledgement finds no function.
        callback = waiting.pop(ack_id, None) if ack_id else None
        if callback is not None:
            callback(*(data or ()))
            return
        self.logger.warning("Unknown callback received, ignoring.")
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.count_overhead()

    def handle_event(
        self, eio_sid: str, namespace: str, ack_id: int | None, data: list[Any]
    ) -> None:
        """Call the handler of the event ``data[0]``, and acknowledge if there is an ``ack_id``."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        self.logger.info('received event "%s" from %s [%s]', shown(data[0]), sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            self.logger.warning("%s is not connected to namespace %s", sid, shown(namespace))
            return
        answer = self.call_handler(data[0], namespace, sid, *data[1:])
        if ack_id is not None and answer is not self.not_handled:
            self._acknowledge(eio_sid, namespace, ack_id, answer)

    def _acknowledge(self, eio_sid: str, namespace: str, ack_id: int, answer: Any) -> None:
        """Send a handler's answer; a tuple is sent as several arguments.

        No greenlet switches between the handler's return and the send: what other greenlets send
        to the client because of this event follows the answer. Do not wait here.
        """
        several = answer if isinstance(answer, tuple) else (answer,)
        data = [] if answer is None else list(several)
        pkt = self.packet_class(packet.ACK, data=data, namespace=namespace, id=ack_id)
        self._send_packet(eio_sid, pkt)

    def call_handler(self, event: str, namespace: str, *arguments: Any) -> Any:
        """Call the application's handler of ``event``; return its answer."""
        # python-socketio finds the handler in ``handlers``, where ``gateway.web.events`` entered it
        # (``register_events``), or in a registered ``Namespace``.
        return self._trigger_event(event, namespace, *arguments)

    def close_client(self, eio_sid: str, message: str) -> None:
        """Close the connection of a client that caused too much data, and log ``message``."""
        self.eio.note("bad-connect", message)
        connection = self.eio.connection(eio_sid)
        if connection is not None:
            connection.close(self.reason.TRANSPORT_ERROR, last_packet=CLOSE)

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
        """Send an Engine.IO packet, unless it has to wait for the client's CONNECT to be answered.

        The manager of python-socketio calls this for each packet that the application emits.
        """
        if not self._namespace_connect.holds(eio_sid, eio_pkt):
            self.eio.send_packet(eio_sid, eio_pkt)

    def instrument(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: the Admin UI replaces parts of the stock transport that are not here."""
        raise NotImplementedError("the Socket.IO Admin UI does not work with this transport")
