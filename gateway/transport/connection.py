"""One Engine.IO session: a client, by polling or by WebSocket, and the seam for a fan-out.

A program that sends much to many takes connections from ``EngineServer.connection(sid)`` and
fills them itself, in one order with what the application emits:

- WebSocket: when ``writable``, call ``send_frames`` with ready-made frames; go on at
  ``on_writable``.
- polling: set ``on_poll``, which is asked for packets each time a GET of the client is answered;
  call ``wake_poll`` when there are new ones and ``poll_waiting``.
- ``on_upgrade`` says that polling became WebSocket, ``on_close`` that the connection has ended,
  at once and before the application's disconnect handler; ``close_transport`` closes so that a
  stock client comes back. No callback is made from inside ``send_frames``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from engineio import packet as engineio_packet
from gevent.event import Event

from gateway.transport.frames import GOING_AWAY, NORMAL, POLICY, PROTOCOL_ERROR, packet_frame
from gateway.transport.loop_time import LoopTime, charge
from gateway.transport.outbox_budget import HIGH_WATER_BYTES, Holder
from gateway.transport.payload import (
    BINARY_MARK,
    CLOSE,
    MESSAGE,
    NOOP,
    PING,
    PONG,
    UPGRADE,
    BadPayload,
    decode_packet,
)
from gateway.transport.polling import PollingLink
from gateway.transport.rate_quota import TokenBucket
from gateway.transport.reader import Violation
from gateway.transport.serial_executor import Lane, Once
from gateway.transport.timeslice import give_way
from gateway.transport.upgrade import Probe
from gateway.transport.websocket import LARGEST_BACKLOG, STALLED, WebSocketLink

if TYPE_CHECKING:
    from gateway.transport.engine_server import EngineServer

# The types of packets, those of later protocols as well.
DIGITS = frozenset("0123456789")
PING_FRAME = packet_frame(PING)
# A sender waits this long for a client that takes something. It waits PATIENCE_S, once, for one
# that takes nothing: a sender to many clients must not stop for each that has gone.
SEND_WAIT_S = 10.0
PATIENCE_S = 1.0


class BadPacket(ValueError):
    """A packet that the protocol does not allow; the connection is closed for it."""

    code = PROTOCOL_ERROR


class UnknownPacket(BadPacket):
    """A packet of a type that no client sends; as the stock server, a WebSocket passes over it."""


class TooManyPackets(BadPacket):
    """A packet without content that is one too many."""

    code = POLICY


class Connection:
    """A client of an ``EngineServer``. Only the methods ``wait_...`` block."""

    __slots__ = (
        "__weakref__",
        "_beside_bytes",
        "_lane",
        "_lane_beside",
        "_quota",
        "_room",
        "_server",
        "_share",
        "_unmoved",
        "closed",
        "connected",
        "holder",
        "is_joined",
        "link",
        "on_close",
        "on_upgrade",
        "on_writable",
        "polling",
        "pong_due",
        "probe",
        "session",
        "sid",
    )

    def __init__(self, server: "EngineServer", sid: str, holder: str | None = None) -> None:
        self.sid = sid
        self.holder = holder
        """The party that the client is of, as far as its address tells."""
        self.is_joined = False
        """Whether the client was admitted to a namespace."""
        self.session: dict[Any, Any] | None = None
        self.connected = False
        self.closed = False
        self.link: WebSocketLink | None = None
        self.polling: PollingLink | None = PollingLink()
        self.probe: Probe | None = None
        self.on_writable: Callable[[], None] | None = None
        self.on_upgrade: Callable[[], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self._server = server
        self.pong_due: float | None = None
        self._lane: Lane | None = None
        self._lane_beside: Lane | None = None
        self._share: LoopTime | None = None
        self._room: Event | None = None
        self._quota: TokenBucket | None = None
        self._beside_bytes = 0
        self._unmoved: tuple[Holder, int] | None = None  # a wait that was in vain
        self.polling.on_change = self._note_cost

    # The seam

    @property
    def transport(self) -> str:
        """``websocket`` or ``polling``."""
        return "websocket" if self.link is not None else "polling"

    @property
    def writable(self) -> bool:
        """True when frames would go straight to the kernel."""
        link = self.link
        return link is not None and link.writable

    @property
    def pending_bytes(self) -> int:
        """Bytes that the application sent and the client has not taken."""
        if self.link is not None:
            return self.link.pending_bytes
        return self.polling.size if self.polling is not None else 0

    @property
    def taken_bytes(self) -> int:
        """A number that grows whenever the client takes some of its backlog."""
        if self.link is not None:
            return self.link.taken_bytes
        return self.polling.taken if self.polling is not None else 0

    @property
    def poll_waiting(self) -> bool:
        """True while a GET of the client waits for packets."""
        return self.polling is not None and self.polling.waiting

    @property
    def on_poll(self) -> Callable[[int, int], list[str | bytes]] | None:
        """Called with (packets, bytes) an answer has room for; returns packets, maybe none."""
        return self.polling.on_poll if self.polling is not None else None

    @on_poll.setter
    def on_poll(self, pull: Callable[[int, int], list[str | bytes]] | None) -> None:
        if self.polling is not None:
            self.polling.on_poll = pull

    def send_frames(self, data: bytes) -> None:
        """Write ready-made WebSocket frames, at most 64 kB in one call."""
        if self.link is not None:
            self.link.send(data)

    def wake_poll(self) -> None:
        """Have the waiting GET ask ``on_poll`` again."""
        if self.polling is not None:
            self.polling.wake()

    def close_transport(self) -> None:
        """Close without a Socket.IO DISCONNECT: stock clients reconnect after this."""
        self.close(self._server.reason.TRANSPORT_CLOSE, GOING_AWAY, farewell=CLOSE, linger=True)

    # Out

    @property
    def upgraded(self) -> bool:
        """True for WebSocket, by upgrade or from the start (engineio's name)."""
        return self.link is not None

    def send(self, packet: Any) -> None:
        """Send an ``engineio.packet.Packet``; its frame is made once, for all who get it."""
        link = self.link
        is_logged = getattr(packet, "is_logged", None)
        if is_logged is None:  # asked once for all who get it
            is_logged = packet.is_logged = self._server.log.is_on
        if is_logged:
            self._server.log.sent(self.sid, packet.encode())
        if link is None:
            self._enqueue(packet.encode())
            return
        frame = getattr(packet, "frame", None)
        if frame is None:
            frame = packet.frame = packet_frame(packet.encode())
        link.send(frame)

    def _enqueue(self, packet: str | bytes) -> None:
        polling, most = self.polling, self._server.max_outbox_bytes
        if polling is None or self.closed:
            return
        if most is not None and polling.size > most:
            self._server.later(self.evict)
        else:
            polling.push(packet)

    def _note_cost(self, cost: int) -> None:
        self._server.backlog.note(self, cost)

    def evict(self) -> None:
        """Close: of all clients this one has most waiting, to it or from it."""
        if not self.closed:
            self._drop_calls()
            self._server.note("slow-client", f"a client is closed: {LARGEST_BACKLOG}")
            self.close(self._server.reason.TRANSPORT_ERROR, farewell=CLOSE)
        if self.link is not None:
            self.link.abort()
        self.forget_waiting()

    def end_stalled(self) -> None:
        """Close: the client takes nothing of its backlog."""
        if not self.closed:
            self._server.on_stalled(self)
            self.close(self._server.reason.TRANSPORT_CLOSE, farewell=CLOSE)
        self.forget_waiting()

    def forget_waiting(self) -> None:
        """Drop the packets that a polling client has not fetched."""
        if self.polling is not None:
            self.polling.drain()

    # Waiting for the client

    @property
    def _holder(self) -> Holder:
        return self if self.link is None else self.link

    @property
    def _is_behind(self) -> bool:
        return self.pending_bytes > HIGH_WATER_BYTES and not self.closed

    def wait_until_taken(self) -> None:
        """Park this greenlet until the client has taken most of its backlog, or is closed."""
        while self._is_behind:
            self._server.backlog.wait(self._holder, None)

    def wait_a_while(self) -> None:
        """The same for a sender: at most SEND_WAIT_S, and only while the client takes some."""
        until_s = monotonic() + SEND_WAIT_S
        while self._is_behind and monotonic() < until_s:
            unmoved = self._holder, self.taken_bytes
            if self._unmoved == unmoved:
                return
            if not self._server.backlog.wait(self._holder, PATIENCE_S):
                self._unmoved = unmoved

    # From polling to WebSocket

    def start(self) -> None:
        """Begin to send pings, the first one interval from now."""
        self.connected = True
        self._server.heart.start(self)

    def begin_upgrade(self, link: WebSocketLink) -> Probe:
        """Wait for the client to upgrade over ``link``."""
        self._server.log.info(self.sid, "Received request to upgrade to websocket")
        self.probe = Probe(self, link)
        self._server.upgrades.add(self.probe)
        return self.probe

    def hold_polls(self) -> None:
        """End the waiting GET, so that the client can leave polling without loss."""
        if self.polling is not None:
            self.polling.dismiss(NOOP)

    def abandon(self, probe: Probe) -> None:
        """Go on without the upgrade."""
        if self.probe is probe:
            self._server.log.info(self.sid, "Failed websocket upgrade")
            self.probe = None
        self._server.close_later(probe.link)

    def upgrade_to(self, link: WebSocketLink, prefix: bytes = b"") -> None:
        """Use ``link`` for everything from now on, first for ``prefix`` and what was waiting."""
        self._server.log.info(self.sid, "Upgrade to websocket successful")
        self.hold_polls()
        self.probe, self.link = None, link
        polling, self.polling = self.polling, None
        waiting = []
        if polling is not None:
            polling.on_poll, waiting = None, polling.drain()
            polling.on_change = None
        first = prefix + b"".join(map(packet_frame, waiting))
        if first:
            link.send(first)
        if self.on_upgrade is not None:
            self.on_upgrade()

    # In

    def on_message(self, link: WebSocketLink, message: str | bytes) -> None:
        """Take a WebSocket message."""
        try:
            self._receive_by_websocket(message)
        except BadPacket as error:
            link.fail(Violation(error.code, str(error)))

    def on_drained(self, link: WebSocketLink) -> None:
        """Say that frames may be sent again."""
        if self.on_writable is not None:
            self.on_writable()

    def on_lost(self, link: WebSocketLink, violated: str | None) -> None:
        """End the session with its WebSocket."""
        self._server.close_later(link)
        reasons = self._server.reason
        if violated == STALLED and not self.closed:
            self._server.on_stalled(self)
        elif violated is not None:
            self._server.note("violation", f"connection failed: {violated}")
        self.close(reasons.TRANSPORT_ERROR if violated else reasons.TRANSPORT_CLOSE)

    def _receive_by_websocket(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str) and message[:1] == BINARY_MARK:
                message = decode_packet(message)
            self.receive(message)
        except UnknownPacket:
            self.count_idle()
        except BadPayload as error:
            raise BadPacket(str(error)) from error

    def receive(self, packet: str | bytes) -> None:
        """Take one Engine.IO packet. Raises BadPacket."""
        if self.closed:
            return
        if self._server.log.is_on:
            self._server.log.received(self.sid, packet)
        if isinstance(packet, bytes):
            self._server.deliver(self, packet)
        elif packet[:1] == MESSAGE:
            self._server.deliver(self, packet[1:])
        else:
            self._receive_control(packet[:1])

    def _receive_control(self, kind: str) -> None:
        if kind == PONG:
            if self.pong_due is None:
                self.count_idle()
            self._server.heart.on_pong(self)
        elif kind == CLOSE:
            self.close(self._server.reason.CLIENT_DISCONNECT, farewell=NOOP)
        elif kind == NOOP:
            self.count_idle()
        elif kind == UPGRADE:
            self.count_idle()
            self.send(engineio_packet.Packet(engineio_packet.NOOP))  # the stock server's answer
        elif kind in DIGITS:
            raise UnknownPacket(f"unexpected packet type {kind}")
        else:
            raise BadPacket(f"not a packet type: {kind!r}")

    def count_idle(self) -> None:
        """Count a packet that is no event. Raises TooManyPackets."""
        now_s = monotonic()
        if self._quota is None:
            self._quota = TokenBucket(now_s)
        if not self._quota.spend(now_s):
            raise TooManyPackets("too many packets that are no events")

    def reject(self, error: BadPacket) -> None:
        """End the connection for a packet that was looked at only now; serve nothing behind it."""
        self._drop_calls()
        if self.link is not None:
            self.link.fail(Violation(error.code, str(error)))
        elif not self.closed:
            self._server.note("violation", f"connection failed: {error}")
            self.close(self._server.reason.TRANSPORT_ERROR, farewell=CLOSE)

    def _drop_calls(self) -> None:
        for lane in self._lanes:
            lane.drop()

    def hold(self, more_bytes: int) -> None:
        """Note that more is held for the client beside its calls, or with a minus less."""
        if not self.closed:  # what is held at the end is let go of as a whole
            self._beside_bytes += more_bytes
            self.on_size()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count something that is held for the client until this ends."""
        self.hold(size)
        try:
            yield
        finally:
            self.hold(-size)

    # The application

    @property
    def _lanes(self) -> list[Lane]:
        return [lane for lane in (self._lane, self._lane_beside) if lane is not None]

    def run(
        self, call: Callable[..., object], *args: object, size: int = 0, is_alone: bool = True
    ) -> None:
        """Call into the application in this client's order; listen no further when it lags.

        A call that is not alone holds the next ones up only until it waits for something.
        """
        if self._lane is None:
            self._lane = Lane(self, self.wait_until_taken)
        self._lane.put(call, *args, size=size, is_alone=is_alone)
        self._pause_if_full(self._lane)

    def run_beside(self, call: Callable[..., object], *args: object, size: int = 0) -> None:
        """The same, in an order apart from that of :meth:`run`."""
        if self._lane_beside is None:
            self._lane_beside = Lane(self)
        self._lane_beside.put(call, *args, size=size)
        self._pause_if_full(self._lane_beside)

    def run_in_time(self, call: Callable[..., object], *args: object) -> None:
        """Call as :meth:`run` does, but wait a limited time for a call that does not return."""
        once = Once(call, args)
        self.run(once)
        self._server.limit_wait(self, once)

    def run_overdue(self, call: Once) -> None:
        """Run a call whose turn did not come in time."""
        if not call.began:
            Lane(self).put(call)

    def _pause_if_full(self, lane: Lane) -> None:
        if lane.full and self._room is None and not self.closed:
            self._room = Event()
            if self.link is not None:
                self.link.pause()

    def wait_for_room(self) -> None:
        """Hold a polling POST while the application lags behind it, or its time slice is over."""
        if self._room is not None:
            self._room.wait()
        give_way()

    def on_room(self) -> None:
        """Listen again once no lane is full; forget those that are idle."""
        if self._lane is not None and self._lane.idle:
            self._lane = None
        if self._lane_beside is not None and self._lane_beside.idle:
            self._lane_beside = None
        if self._room is None or (self._is_lagging and not self.closed):
            return
        room, self._room = self._room, None
        room.set()
        if self.link is not None:
            self.link.resume()

    def on_size(self) -> None:
        """Note the bytes that the client sent and that are not served yet.

        The handlers of a closed client may still run. Their bytes do not count: closing others
        would not free them.
        """
        held = sum(lane.held_bytes for lane in self._lanes) + self._beside_bytes
        self._server.inbox.note(self, 0 if self.closed else held)

    @property
    def is_new(self) -> bool:
        """True when its calls took so little time lately that they go before others."""
        return self._share is None or self._share.is_small(monotonic())

    def charge(self, began_s: float) -> None:
        """Charge the time of its calls since then to it."""
        self._share = charge(self._share, began_s, monotonic())

    @property
    def _is_lagging(self) -> bool:
        return any(lane.full for lane in self._lanes)

    # Heartbeat

    @property
    def listening(self) -> bool:
        """False while the application lags and this client is not read."""
        return self._room is None

    def send_ping(self) -> None:
        """Send a ping, ahead of what waits: who takes that slowly is not silent."""
        if self._server.log.is_on:
            self._server.log.sent(self.sid, PING)
        if self.link is not None:
            self.link.send_ahead(PING_FRAME)
        elif self.polling is not None:
            self.polling.push_ahead(PING)

    def expire(self) -> None:
        """End: no pong came in time."""
        self._server.log.info(self.sid, "Client is gone, closing socket")
        self.close(self._server.reason.PING_TIMEOUT, GOING_AWAY, farewell=CLOSE)

    # The end

    def disconnect(self) -> None:
        """End by the server's own wish; the client is told by a close packet."""
        if self.link is not None:
            self.link.send(packet_frame(CLOSE))
        self.close(self._server.reason.SERVER_DISCONNECT, farewell=CLOSE, linger=True)

    def hang_up(self) -> None:
        """End: the client closed the connection of its waiting GET."""
        self.close(self._server.reason.TRANSPORT_CLOSE)

    def close(
        self, reason: str, code: int = NORMAL, farewell: str | None = None, *, linger: bool = False
    ) -> None:
        """End the session, once.

        A poll is answered with what waits and ``farewell``; with ``linger`` also the next one.
        """
        if self.closed:
            return
        self.closed = True
        if farewell is not None and self._server.log.is_on:
            self._server.log.sent(self.sid, farewell)
        may_come = self.polling is not None and not self.poll_waiting
        self._server.forget(self, linger=linger and may_come)
        if self.probe is not None:
            self.probe.close("session closed")
        if self.polling is not None:
            self.polling.end(farewell)
            if not (linger and may_come):  # there will be no GET that fetches it
                self._server.later(self.forget_waiting)
        if self.link is not None:
            self._close_link(self.link, code)
        if self.on_close is not None:
            self.on_close()
        self._server.backlog.wake(self._holder)  # end all waits for this client
        self.on_room()  # let go of a POST that waits for the application
        self.run_in_time(self._server.say_disconnected, self, reason)

    def let_go(self) -> None:
        """Hold nothing any more: a timer may know this connection for a while yet."""
        self._beside_bytes = 0  # noted when the call that leads here has ended
        self.session = self.on_writable = self.on_upgrade = self.on_close = self.on_poll = None

    def _close_link(self, link: WebSocketLink, code: int) -> None:
        if link.pending_bytes and code == GOING_AWAY:
            link.abort()  # it does not read: a Close frame would wait behind what it ignores
            return
        link.close(code)
        self._server.close_later(link)
