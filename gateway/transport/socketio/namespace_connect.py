"""Connecting to a namespace: the client gets nothing before its connect handler has accepted it.

How it works: ``join`` runs the application's connect handler. Packets that the application sends
to the client in that namespace meanwhile are held in ``HeldPackets`` and follow CONNECT; after
CONNECT_ERROR they are dropped. Packets of other namespaces are not held.
"""

from sys import getsizeof
from time import monotonic_ns
from typing import Any, Protocol

from socketio import packet
from socketio.exceptions import ConnectionRefusedError as Refused

from gateway.transport.limits.outbox_budget import OutboxBudget
from gateway.transport.server.engine_server import EngineServer
from gateway.transport.socketio.socketio_packets import UNREADABLE, address_of

INVALID_NAMESPACE = {"message": "Invalid namespace"}
IS_CONNECTED = {"message": "Unable to connect"}
REFUSED = {"message": "Connection refused by server"}
FAILED = {"message": "Internal server error"}
CANNOT_BE_READ = {"message": "The auth data cannot be read"}

# In addition to its text, a held packet costs its own object, with a dictionary.
PACKET_BYTES = 300


class NamespaceServer(Protocol):
    """A ``SocketIOServer``, as far as this module calls it."""

    eio: EngineServer
    manager: Any
    logger: Any
    packet_class: Any
    handlers: Any
    namespace_handlers: Any
    namespaces: Any

    def call_handler(self, event: str, namespace: str, *arguments: Any) -> Any:
        """Call the application's handler of ``event``; return its answer."""

    def environ_of(self, eio_sid: str) -> Any:
        """Return the WSGI environment of the request that opened the connection."""

    def send_to(self, eio_sid: str, kind: int, namespace: str, data: Any) -> None:
        """Send a packet of the library's own."""

    def close_client(self, eio_sid: str, message: str) -> None:
        """Close the connection and log ``message``."""


class HeldPackets:
    """The packets sent to a client in a namespace before its CONNECT there is answered."""

    __slots__ = (
        "_attachments",
        "_mine",
        "_outbox_budget",
        "_packet_class",
        "cost",
        "is_too_much",
        "namespace",
        "packets",
    )

    def __init__(self, packet_class: Any, namespace: str, outbox_budget: OutboxBudget) -> None:
        self._packet_class = packet_class
        self._outbox_budget = outbox_budget
        self._attachments = 0
        self._mine = False
        self.namespace = namespace
        self.packets: list[Any] = []
        self.cost = 0
        self.is_too_much = False

    def covers(self, data: str | bytes) -> bool:
        """Say whether the encoded ``data`` belongs to the namespace that is being joined."""
        if self._attachments:
            self._attachments -= 1
            return self._mine
        namespace, self._attachments = address_of(self._packet_class, data)
        self._mine = namespace == self.namespace
        return self._mine

    def keep(self, engine_packet: Any) -> None:
        """Keep an encoded packet for later, unless all clients together have too much waiting."""
        if self.is_too_much:
            return
        self.packets.append(engine_packet)
        self.cost += getsizeof(engine_packet.data) + PACKET_BYTES
        self._outbox_budget.note(self, self.cost)

    def release(self) -> list[Any]:
        """Return the kept packets and count them no longer."""
        packets, self.packets, self.cost = self.packets, [], 0
        self._outbox_budget.note(self, 0)
        return packets

    @property
    def taken_bytes(self) -> int:
        """Grow all the time: the client does not stall, it waits for the connect handler."""
        return monotonic_ns()

    def evict(self) -> None:
        """Drop the packets and keep no more; the client is closed when the handler accepts it."""
        self.is_too_much = True
        self.release()

    def end_stalled(self) -> None:
        """Do nothing: the delay is the application's."""


class NamespaceConnect:
    """Answers each CONNECT with CONNECT or CONNECT_ERROR, and holds packets until then."""

    def __init__(self, server: NamespaceServer) -> None:
        self._server = server
        self._held: dict[str, HeldPackets] = {}

    def holds(self, eio_sid: str, engine_packet: Any) -> bool:
        """Keep a packet whose client is connecting to its namespace; say whether it was kept."""
        held = self._held.get(eio_sid)
        if held is None or not held.covers(engine_packet.data):
            return False
        held.keep(engine_packet)
        return True

    def join(self, eio_sid: str, namespace: str, auth: Any) -> None:
        """Accept or refuse a client, as the application's connect handler decides."""
        server = self._server
        if not self._is_known(namespace):
            self._refuse(eio_sid, namespace, INVALID_NAMESPACE)
            return
        if auth is UNREADABLE:
            self._refuse(eio_sid, namespace, CANNOT_BE_READ)
            return
        sid = server.manager.pre_connect(eio_sid, namespace)
        if sid is None:
            self._refuse(eio_sid, namespace, IS_CONNECTED)  # the stock server keeps it, too
            return
        self._held[eio_sid] = held = HeldPackets(
            server.packet_class, namespace, server.eio.outbox_budget
        )
        try:
            refusal = self._ask(sid, eio_sid, namespace, auth)
        finally:
            del self._held[eio_sid]
            packets = held.release()
        if server.manager.sid_from_eio_sid(eio_sid, namespace) != sid:
            return  # the client left while its handler ran
        if refusal is None:
            self._admit(sid, eio_sid, namespace, packets)
            if held.is_too_much:
                server.close_client(eio_sid, "too much was sent while the client was connecting")
        else:
            server.manager.disconnect(sid, namespace, ignore_queue=True)
            self._refuse(eio_sid, namespace, refusal)

    def _is_known(self, namespace: str) -> bool:
        server = self._server
        return (
            namespace in server.handlers
            or namespace in server.namespace_handlers
            or server.namespaces == "*"
            or namespace in server.namespaces
        )

    def _ask(self, sid: str, eio_sid: str, namespace: str, auth: Any) -> Any:
        """Run the connect handler; return None, or the data of CONNECT_ERROR."""
        environ = self._server.environ_of(eio_sid)
        try:
            answer = self._call_connect(namespace, sid, environ, auth)
        except Refused as error:
            return error.error_args
        except ConnectionRefusedError:
            return REFUSED
        except Exception:
            self._server.logger.exception("connect handler failed: namespace=%s", namespace)
            return FAILED
        return Refused().error_args if answer is False else None

    def _call_connect(self, namespace: str, sid: str, environ: Any, auth: Any) -> Any:
        call = self._server.call_handler
        if auth:
            return call("connect", namespace, sid, environ, auth)
        try:
            return call("connect", namespace, sid, environ, None)
        except TypeError as error:  # an older handler takes no authentication
            try:
                return call("connect", namespace, sid, environ)
            except TypeError:
                raise error from None

    def _admit(self, sid: str, eio_sid: str, namespace: str, packets: list[Any]) -> None:
        server = self._server
        server.manager.connect(sid, namespace)
        connection = server.eio.connection(eio_sid)
        if connection is not None:
            connection.is_joined = True
        server.send_to(eio_sid, packet.CONNECT, namespace, {"sid": sid})
        for engine_packet in packets:
            server.eio.send_packet(eio_sid, engine_packet)

    def _refuse(self, eio_sid: str, namespace: str, reason: Any) -> None:
        send_to = self._server.send_to
        try:
            send_to(eio_sid, packet.CONNECT_ERROR, namespace, reason)
        except Exception:
            self._server.logger.exception("refusal cannot be encoded: namespace=%s", namespace)
            send_to(eio_sid, packet.CONNECT_ERROR, namespace, FAILED)
