"""Puts the attachments of binary Socket.IO packets together with their text, per client."""

from typing import Any
from weakref import ref

from gateway.transport.engineio.payload import BadPacket
from gateway.transport.event_loop.timers import Schedule
from gateway.transport.server.engine_server import EngineServer
from gateway.transport.socketio.socketio_packets import IncomingPacket


class PacketAssembly:
    """The packets whose attachments have not all come. A client has one of them at most."""

    def __init__(self, engine: EngineServer) -> None:
        self._engine = engine
        self._incomplete: dict[str, IncomingPacket] = {}
        # The weak reference lets a packet that is complete go before its deadline.
        self._deadlines: Schedule[tuple[str, ref[IncomingPacket]]] = engine.timers.clock.queue(
            engine.ping_interval + engine.ping_timeout, self._check
        )

    def add(self, packet_class: Any, eio_sid: str, data: str | bytes) -> IncomingPacket | None:
        """Return the packet that ``data`` completes, or None. Raises BadSocketIOPacket."""
        incoming = self._incomplete.get(eio_sid)
        if incoming is not None:
            before = incoming.cost
            incoming.attach(data, self._engine.max_http_buffer_size)
            self._hold(eio_sid, incoming.cost - before)
        else:
            incoming = IncomingPacket(packet_class, data)
            if not incoming.is_complete:
                self._incomplete[eio_sid] = incoming
                self._hold(eio_sid, incoming.cost)
                self._deadlines.add((eio_sid, ref(incoming)))
        if not incoming.is_complete:
            return None
        self.forget(eio_sid)
        return incoming

    def forget(self, eio_sid: str) -> None:
        """Drop the incomplete packet of a client, if there is one."""
        incoming = self._incomplete.pop(eio_sid, None)
        if incoming is not None:
            self._hold(eio_sid, -incoming.cost)

    def _hold(self, eio_sid: str, more_bytes: int) -> None:
        """Count the bytes of incomplete packets as held for their client."""
        connection = self._engine.connection(eio_sid)
        if connection is not None:
            connection.hold(more_bytes)

    def _check(self, asked: tuple[str, "ref[IncomingPacket]"], due: float) -> None:
        eio_sid, incoming = asked
        connection, pending = self._engine.connection(eio_sid), self._incomplete.get(eio_sid)
        if connection is not None and pending is not None and pending is incoming():
            connection.reject(BadPacket("attachments did not come in time"))
