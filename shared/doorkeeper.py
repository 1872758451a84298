"""Limits the peers of ZeroMQ sockets: how many may connect, and how much each may send.

Why. libzmq limits neither the number of peers nor their rate, and it cannot disconnect a single
peer. Unbinding an endpoint takes all its peers away from the socket (measured), and they do not
notice it. So a full endpoint stays bound, and newcomers are cut off. They try again, every 2 s at
most.

How it works. A monitor socket of libzmq reports the file descriptor of each connection. Shutting
down a descriptor (``shutdown(2)``) ends that connection, and libzmq cleans it up. This module
shuts down

- each new connection to a bound endpoint beyond the limit of peers,
- each new connection that libzmq could accept only with the last spare descriptors (below),
- the connection of a peer that sends more than its allowance,
- the connections of peers whose unread messages take too much memory (:mod:`shared.unread`).

Existing connections continue. A thread reads the monitors, because libzmq can block the owner of a
socket while a peer floods it (:mod:`device.subscriptions` explains where).

Spare descriptors. When a process has no free descriptor, libzmq retries ``accept`` in a busy loop.
So the doorkeeper holds two unused sockets. It closes them when ``accept`` fails; libzmq then
accepts the waiting connections, which are cut off, and the doorkeeper opens the spares again.
"""

import errno
import os
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from threading import Thread
from typing import TypeAlias

import zmq

from shared.keepalive import KERNEL_BYTES
from shared.unread import LOOK_EVERY_MS, OwnerPauses, UnreadWatch, bytes_received

Socket: TypeAlias = zmq.Socket[bytes]
Notice: TypeAlias = Callable[..., None]
"""Logs an event with fields for the operator."""

DESCRIPTORS_PART = 8
"""A bound endpoint may use at most one eighth of the descriptors of the process."""
PEERS_LEAST, PEERS_MOST = 16, 4_096
"""The bounds for the limit of peers. Each connection to a gateway serves one bike or a fleet."""
SPARES = 2
"""How many spare descriptors the doorkeeper holds; the module's docstring explains them."""
LOG_AGAIN_S = 60.0
EVENTS_A_LOOK = 256
"""How many events of one monitor the thread reads before it turns to the next monitor."""
RATES_S = 0.05
"""How often rates are measured. A flood is cut off after at most this time."""
ENDING_MAX_S = 0.5
DISCARDED_BYTES = 4 * KERNEL_BYTES
"""More than the kernel keeps for a connection; Linux discards so much without a copy."""
STARVED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Errors of ``accept`` that a retry does not solve: resources are missing."""

_EVENT = struct.Struct("=Hi")
_JOINED = int(zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED)
_LEFT = int(zmq.EVENT_DISCONNECTED)
_FAILED, _STOPPED = int(zmq.EVENT_ACCEPT_FAILED), int(zmq.EVENT_MONITOR_STOPPED)
_EVENTS = _JOINED | _LEFT | _FAILED | _STOPPED
_names = count(1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many bytes one peer may send in one burst, and per second."""

    burst_bytes: int
    bytes_a_s: int


@dataclass(slots=True, eq=False)
class Peer:
    """A connection, the bytes read from it so far, and its remaining allowance."""

    descriptor: int
    left_bytes: float
    read_bytes: int = 0
    taken_bytes: int = 0
    """How much of it the owner of the socket has read, as far as :mod:`shared.unread` knows."""
    settled_bytes: int = 0
    """How much had come in at the last time that :mod:`shared.unread` settled the counts."""
    is_heard: bool = False
    """Whether the owner has read a whole message since then."""
    is_cut: bool = False


@dataclass(slots=True, eq=False)
class Door:
    """A watched socket, with its peers by the descriptors of their connections."""

    opened: Socket
    endpoint: str
    is_bound: bool
    peers_max: int
    allowance: Allowance | None
    monitor: Socket
    notice: Notice
    cuts: int = 0
    """How many connections were cut off."""
    is_closed: bool = False
    """Whether new connections are cut off, because unread messages take too much memory."""
    is_starved: bool = False
    """Whether libzmq could not accept a connection because no descriptor was free."""
    _peers: dict[int, Peer] = field(default_factory=dict)
    _log_again_s: float = 0.0

    @property
    def peers(self) -> int:
        """The number of connections."""
        return len(self._peers)

    def peer(self, descriptor: int) -> Peer | None:
        """Return the peer whose connection currently has this descriptor."""
        return self._peers.get(descriptor)

    @property
    def is_counted(self) -> bool:
        """Whether the owner counts what it reads: it does unless peers have an allowance."""
        return self.is_bound and self.allowance is None

    def each_peer(self) -> list[Peer]:
        """Return the peers whose connections were not cut off."""
        return [peer for peer in list(self._peers.values()) if not peer.is_cut]

    def note_read(self, descriptor: int, size: int) -> None:
        """Count ``size`` bytes of a peer's connection as read. For the socket's owner."""
        peer = self._peers.get(descriptor)
        if peer is not None:
            peer.taken_bytes += size
            peer.is_heard = True

    def cut(self, descriptor: int) -> bool:
        """End the connection of one peer, and tell whether this worked."""
        peer = self._peers.get(descriptor)
        if peer is None or not cut_off(descriptor, self.endpoint, is_bound=self.is_bound):
            return False
        peer.is_cut = True
        self.cuts += 1
        return True

    def cut_for(self, descriptor: int, why: str) -> bool:
        """End the connection of one peer and log the reason, at most once per minute."""
        is_cut = self.cut(descriptor)
        if is_cut:
            self._log("peer_cut_off", time.monotonic(), why=why)
        return is_cut

    def look(self) -> bool:
        """Read the monitor's events; return False once the monitor has stopped. For the thread."""
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
        """Cut off each peer that exceeds its allowance. For the thread."""
        if self.allowance is None:
            return
        for descriptor, meter in list(self._peers.items()):
            read_bytes = bytes_received(descriptor)
            gained = meter.left_bytes + passed_s * self.allowance.bytes_a_s
            spent = max(read_bytes - meter.read_bytes, 0)
            meter.read_bytes = read_bytes
            meter.left_bytes = min(gained, self.allowance.burst_bytes) - spent
            if meter.left_bytes < 0 and self.cut_for(descriptor, "it exceeded its allowance"):
                meter.left_bytes = (
                    self.allowance.burst_bytes
                )  # libzmq will soon report the disconnect

    def _join(self, descriptor: int) -> None:
        """Add a peer, and cut it off if the endpoint is full or no descriptor is free."""
        full, starved = len(self._peers) >= self.peers_max, self.is_starved
        left_bytes = self.allowance.burst_bytes if self.allowance else 0
        self._peers[descriptor] = Peer(descriptor, left_bytes)
        if self.is_closed:
            self.cut_for(descriptor, "unread messages of others took too much memory")
        elif self.is_bound and (full or starved):
            self.cut(descriptor)
            why = "the limit of peers is reached" if full else "no descriptor is free"
            self._log("endpoint_full", time.monotonic(), peers=len(self._peers) - 1, why=why)

    def _log(self, event: str, now_s: float, **fields: object) -> None:
        """Log an event, at most once per minute and socket."""
        if now_s >= self._log_again_s:
            self._log_again_s = now_s + LOG_AGAIN_S
            self.notice(event, endpoint=self.endpoint, **fields)


class Doorkeeper:
    """Watches the sockets of one context. The thread that owns the sockets calls its methods."""

    def __init__(self, context: "zmq.Context[Socket]", notice: Notice) -> None:
        self._context = context
        self._notice = notice
        self._doors: list[Door] = []
        self._spares: list[socket.socket] = []
        self._thread: Thread | None = None

    def bind(
        self, opened: Socket, endpoint: str, peers_max: int, allowance: Allowance | None = None
    ) -> Door:
        """Bind a socket and watch its peers. Raises ZMQError if it cannot be bound."""
        monitor = self._monitor(opened)
        try:
            opened.bind(endpoint)
        except zmq.ZMQError:
            _end_monitor(opened, monitor)
            raise
        endpoint = opened.getsockopt_string(zmq.LAST_ENDPOINT)
        return self._add(Door(opened, endpoint, True, peers_max, allowance, monitor, self._notice))

    def watch(self, opened: Socket, endpoint: str, allowance: Allowance) -> Door:
        """Watch the peers of a socket that will connect to one or several endpoints."""
        monitor = self._monitor(opened)
        return self._add(Door(opened, endpoint, False, 0, allowance, monitor, self._notice))

    def start(self) -> None:
        """Start watching. Call this after all sockets have been added."""
        if self._doors:
            self._take_spares()
            run = partial(self._run, OwnerPauses())
            self._thread = Thread(target=run, name="doorkeeper", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop watching. Call this before closing the sockets."""
        for door in self._doors:
            door.opened.disable_monitor()
        if self._thread is not None:
            self._thread.join(ENDING_MAX_S)
        for door in self._doors:
            door.monitor.close()
        self._doors.clear()
        self._give_up_spares()

    def _monitor(self, opened: Socket) -> Socket:
        """Open a monitor without a high-water mark, so that it never blocks libzmq's thread."""
        address = f"inproc://doorkeeper-{next(_names)}"
        opened.monitor(address, _EVENTS)
        monitor = self._context.socket(zmq.PAIR)
        monitor.linger, monitor.rcvhwm = 0, 0
        monitor.connect(address)
        return monitor

    def _add(self, door: Door) -> Door:
        self._doors.append(door)
        return door

    def _run(self, owner: OwnerPauses) -> None:
        """Read the monitors until all have stopped."""
        doors = {door.monitor: door for door in self._doors}
        poller = zmq.Poller()
        for monitor in doors:
            poller.register(monitor, zmq.POLLIN)
        measured_s = time.monotonic()
        unread = UnreadWatch([door for door in self._doors if door.is_counted], owner)
        while doors:
            ready = dict(poller.poll(self._wait_ms(doors.values())))
            for monitor in [it for it in ready if it in doors]:
                if not doors[monitor].look():
                    poller.unregister(monitor)
                    del doors[monitor]
            self._relieve(doors.values())
            now_s = time.monotonic()
            unread.look(now_s)
            if now_s - measured_s >= RATES_S:
                for door in doors.values():
                    door.measure(now_s - measured_s)
                measured_s = now_s

    def _wait_ms(self, doors: Iterable[Door]) -> int | None:
        if any(door.is_counted and door.peers for door in doors):
            return LOOK_EVERY_MS
        is_watching = any(door.is_starved or (door.allowance and door.peers) for door in doors)
        return int(RATES_S * 1_000) if is_watching else None

    def _relieve(self, doors: Iterable[Door]) -> None:
        """Close the spare descriptors when none is free; open them again when some are."""
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
    """Return the limit of peers: ``wanted``, within the bounds and the descriptor limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = PEERS_MOST if soft == resource.RLIM_INFINITY else soft // DESCRIPTORS_PART
    return max(PEERS_LEAST, min(wanted, most, PEERS_MOST))


def cut_off(descriptor: int, endpoint: str, *, is_bound: bool) -> bool:
    """End a connection of libzmq to a bound ``endpoint``, or to one of several endpoints.

    The descriptor may belong to another file by now. So this function duplicates it, because a
    duplicate cannot be closed by libzmq, and compares its address with the endpoint: the local
    address if the endpoint is bound, else the remote one. Returns False if they differ.

    The bytes that libzmq has not read yet are discarded: 64 kB of frames without content would
    become 2 MB of memory. After the shutdown the kernel takes no more bytes, and one ``recv``
    discards all that are there. So libzmq never misses a part between two others.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        address = connection.getsockname() if is_bound else connection.getpeername()
        place = f":{address[1]}" if isinstance(address, tuple) else str(address)
        if any(one.endswith(place) for one in endpoint.split(",")):
            connection.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                connection.recv(DISCARDED_BYTES, socket.MSG_DONTWAIT | socket.MSG_TRUNC)
            return True
    return False


def _end_monitor(opened: Socket, monitor: Socket) -> None:
    opened.disable_monitor()
    monitor.close()
