"""Watches the peers of ZeroMQ sockets: bounds how many there are, and cuts off a flood.

libzmq has no limit of peers and no way to disconnect one; to unbind an endpoint would end the
connections it has. But its monitor tells the descriptor of each connection, and a connection ends
when its descriptor is shut down: that of each newcomer past the limit, and that of a peer that
sends more than it may. Peers that were there before go on.

A thread reads the monitors: libzmq can hold the socket's owner for as long as a peer floods it
(:mod:`device.subscriptions` says where).
"""

import errno
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Thread
from typing import TypeAlias

import zmq

Socket: TypeAlias = zmq.Socket[bytes]
Notice: TypeAlias = Callable[..., None]
"""Is told an event and its fields, which an operator should know."""

DESCRIPTORS_PART = 8
"""A bound endpoint takes at most this part of the descriptors that the process may open."""
PEERS_LEAST, PEERS_MOST = 16, 4_096
"""Within these the limit of peers stays. A gateway takes a bike on each connection, or a fleet."""
SPARES = 2
"""Descriptors kept to be given up when none is left: without one libzmq tries again and again to
take the next connection, and its thread does nothing else. So it takes it, and it is cut off."""
SAY_AGAIN_S = 60.0
EVENTS_A_LOOK = 256
"""Events of one monitor that the thread reads before it looks at the others."""
RATES_S = 0.05
"""How often rates are measured: a flood lasts so long, and its queue gets no longer."""
ENDING_MAX_S = 0.5
STARVED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Why ``accept`` fails again at once, however often it is tried."""

_EVENT = struct.Struct("=Hi")
_JOINED = int(zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED)
_LEFT = int(zmq.EVENT_DISCONNECTED)
_FAILED, _STOPPED = int(zmq.EVENT_ACCEPT_FAILED), int(zmq.EVENT_MONITOR_STOPPED)
_EVENTS = _JOINED | _LEFT | _FAILED | _STOPPED
_BYTES_RECEIVED = struct.Struct("=128xQ")
"""Of Linux's ``struct tcp_info``: the bytes received on a connection."""
_names = count(1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The bytes that one peer may send: at once, and each second."""

    burst_bytes: int
    bytes_a_s: int


@dataclass(slots=True, eq=False)
class Peer:
    """A connection: the bytes that it brought, and may still bring now."""

    descriptor: int
    left_bytes: float
    read_bytes: int = 0


@dataclass(slots=True, eq=False)
class Door:
    """The peers of one socket, by the descriptors of their connections."""

    opened: Socket
    endpoint: str
    is_bound: bool
    peers_max: int
    allowance: Allowance | None
    monitor: Socket
    notice: Notice
    cuts: int = 0
    """Connections that were cut off."""
    is_starved: bool = False
    """Whether a connection could not be taken for want of a descriptor."""
    _peers: dict[int, Peer] = field(default_factory=dict)
    _say_again_s: float = 0.0

    @property
    def peers(self) -> int:
        """How many connections there are."""
        return len(self._peers)

    def peer(self, descriptor: int) -> Peer | None:
        """Return the peer whose connection has this descriptor now."""
        return self._peers.get(descriptor)

    def cut(self, descriptor: int) -> bool:
        """End one peer's connection; libzmq then finds it ended. Tells whether it could."""
        is_cut = descriptor in self._peers and cut_off(
            descriptor, self.endpoint, is_bound=self.is_bound
        )
        self.cuts += is_cut
        return is_cut

    def look(self) -> bool:
        """Read what the monitor says; tell whether the monitor still works. For the thread."""
        for _ in range(EVENTS_A_LOOK):
            try:
                head, _address = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return True
            event, value = _EVENT.unpack(head)
            if event & _JOINED:
                self._join(value)
            elif event == _LEFT:
                self._peers.pop(value, None)
            elif event == _FAILED:
                self.is_starved |= value in STARVED
            elif event == _STOPPED:
                return False
        return True

    def measure(self, passed_s: float) -> None:
        """Cut off the peers that send more than they may. For the thread."""
        if self.allowance is None:
            return
        for descriptor, meter in list(self._peers.items()):
            read_bytes = bytes_received(descriptor)
            gained = meter.left_bytes + passed_s * self.allowance.bytes_a_s
            spent = max(read_bytes - meter.read_bytes, 0)
            meter.read_bytes = read_bytes
            meter.left_bytes = min(gained, self.allowance.burst_bytes) - spent
            if meter.left_bytes < 0 and self.cut(descriptor):
                meter.left_bytes = self.allowance.burst_bytes  # its end is on the way
                self._say("peer_cut_off", time.monotonic(), why="it sent more than it may")

    def _join(self, descriptor: int) -> None:
        """Note a peer, and cut it off where there is no place for it."""
        full, starved = len(self._peers) >= self.peers_max, self.is_starved
        left_bytes = self.allowance.burst_bytes if self.allowance else 0
        self._peers[descriptor] = Peer(descriptor, left_bytes)
        if self.is_bound and (full or starved):
            self.cut(descriptor)
            why = "the limit of peers is reached" if full else "no descriptor is free"
            self._say("endpoint_full", time.monotonic(), peers=len(self._peers) - 1, why=why)

    def _say(self, event: str, now_s: float, **fields: object) -> None:
        """Log an event, at most once a minute."""
        if now_s >= self._say_again_s:
            self._say_again_s = now_s + SAY_AGAIN_S
            self.notice(event, endpoint=self.endpoint, **fields)


class Doorkeeper:
    """Watches the sockets of one context; used by the thread that owns them."""

    def __init__(self, context: "zmq.Context[Socket]", notice: Notice) -> None:
        self._context = context
        self._notice = notice
        self._doors: list[Door] = []
        self._spares: list[socket.socket] = []
        self._thread: Thread | None = None

    def bind(
        self, opened: Socket, endpoint: str, peers_max: int, allowance: Allowance | None = None
    ) -> Door:
        """Bind a socket and watch its peers; raises ZMQError when it cannot be bound."""
        monitor = self._monitor(opened)
        try:
            opened.bind(endpoint)
        except zmq.ZMQError:
            _end_monitor(opened, monitor)
            raise
        endpoint = opened.getsockopt_string(zmq.LAST_ENDPOINT)
        return self._add(Door(opened, endpoint, True, peers_max, allowance, monitor, self._notice))

    def watch(self, opened: Socket, endpoint: str, allowance: Allowance) -> Door:
        """Watch the peers of a socket that is going to connect to an endpoint, or to several."""
        monitor = self._monitor(opened)
        return self._add(Door(opened, endpoint, False, 0, allowance, monitor, self._notice))

    def start(self) -> None:
        """Begin to watch, once all sockets are open."""
        if self._doors:
            self._take_spares()
            self._thread = Thread(target=self._run, name="doorkeeper", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Watch nothing any more; to be called before the sockets are closed."""
        for door in self._doors:
            door.opened.disable_monitor()
        if self._thread is not None:
            self._thread.join(ENDING_MAX_S)
        for door in self._doors:
            door.monitor.close()
        self._doors.clear()
        self._give_up_spares()

    def _monitor(self, opened: Socket) -> Socket:
        """Open a monitor without a high-water mark, so that libzmq's thread never waits for it."""
        address = f"inproc://doorkeeper-{next(_names)}"
        opened.monitor(address, _EVENTS)
        monitor = self._context.socket(zmq.PAIR)
        monitor.linger, monitor.rcvhwm = 0, 0
        monitor.connect(address)
        return monitor

    def _add(self, door: Door) -> Door:
        self._doors.append(door)
        return door

    def _run(self) -> None:
        """Read the monitors until all have ended."""
        doors = {door.monitor: door for door in self._doors}
        poller = zmq.Poller()
        for monitor in doors:
            poller.register(monitor, zmq.POLLIN)
        measured_s = time.monotonic()
        while doors:
            ready = dict(poller.poll(self._wait_ms(doors.values())))
            for monitor in [it for it in ready if it in doors]:
                if not doors[monitor].look():
                    poller.unregister(monitor)
                    del doors[monitor]
            self._relieve(doors.values())
            now_s = time.monotonic()
            if now_s - measured_s >= RATES_S:
                for door in doors.values():
                    door.measure(now_s - measured_s)
                measured_s = now_s

    def _wait_ms(self, doors: Iterable[Door]) -> int | None:
        is_watching = any(door.is_starved or (door.allowance and door.peers) for door in doors)
        return int(RATES_S * 1_000) if is_watching else None

    def _relieve(self, doors: Iterable[Door]) -> None:
        """Without descriptors, give up the spare ones, until there are some again."""
        if any(door.is_starved for door in doors) and self._spares:
            self._give_up_spares()
        elif not self._spares and self._take_spares():
            for door in doors:
                door.is_starved = False

    def _take_spares(self) -> bool:
        with suppress(OSError):
            while len(self._spares) < SPARES:
                self._spares.append(socket.socket())
            return True
        self._give_up_spares()
        return False

    def _give_up_spares(self) -> None:
        while self._spares:
            self._spares.pop().close()


def peers_allowed(wanted: int) -> int:
    """Return how many peers an endpoint may have: ``wanted``, as far as descriptors allow."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = PEERS_MOST if soft == resource.RLIM_INFINITY else soft // DESCRIPTORS_PART
    return max(PEERS_LEAST, min(wanted, most, PEERS_MOST))


def cut_off(descriptor: int, endpoint: str, *, is_bound: bool) -> bool:
    """End a connection of libzmq's: one to a bound endpoint, or from here to one of several.

    The descriptor may have become another file's meanwhile. The address at its near end, or at its
    far end, shows that it is still such a connection; a duplicate cannot change while it is looked
    at. Tells whether it was.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        address = connection.getsockname() if is_bound else connection.getpeername()
        place = f":{address[1]}" if isinstance(address, tuple) else str(address)
        if any(one.endswith(place) for one in endpoint.split(",")):
            connection.shutdown(socket.SHUT_RDWR)
            return True
    return False


def bytes_received(descriptor: int) -> int:
    """Return how many bytes a connection received; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.size)
        return int(_BYTES_RECEIVED.unpack(info)[0])
    except (OSError, struct.error):
        return 0
    finally:
        connection.detach()  # it is libzmq's, and stays open


def _end_monitor(opened: Socket, monitor: Socket) -> None:
    opened.disable_monitor()
    monitor.close()
