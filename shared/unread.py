"""Limits the memory that libzmq uses for messages of peers that the process has not read.

Why. libzmq reads connections in its own thread, as fast as peers send. Its high-water mark would
stop that, but it can abort the process (:mod:`shared.intake`). And no option of libzmq limits a
message with frames without end: the process never gets to see it, because libzmq hands out whole
messages only.

How it works. The doorkeeper's thread looks at the resident memory every 20 ms. When it grew by more
than :data:`GROWTH_MAX_BYTES`, the thread asks the kernel how many bytes came in from each peer, and
subtracts what the owner of the socket has read. If more than :data:`UNREAD_MAX_BYTES` are left of
all peers together, or more than :data:`UNHEARD_MAX_BYTES` of peers from which no whole message was
read lately, the peers with most of them are cut off. libzmq then drops their unfinished messages;
the owner still reads their whole ones.

Meanwhile new connections are cut off, because the peers would come back at once and send more. When
the memory is free again, or :data:`CLOSED_MAX_S` after the last cut, new connections are accepted.
Connections of other peers continue.

Memory can also grow for another reason. Then few bytes are unread, and nobody is cut off.

Counts drift, because libzmq hides heartbeats from the owner. So every :data:`SETTLE_S` the counts
of each peer are settled: if a message of it was read since the last time, then everything that came
in before that time was read. A peer that sends a message without end is not settled.

On systems other than Linux the kernel does not tell these numbers, and nobody is cut off.
"""

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeAlias

LOOK_EVERY_MS = 20
"""libzmq reads up to 1 GB a second."""
GROWTH_MAX_BYTES = 4 * 1024 * 1024
UNREAD_MAX_BYTES = 4 * 1024 * 1024
"""Of all peers of all sockets. A dozen usual answers of devices that arrive at once are as much."""
UNHEARD_MAX_BYTES = 1024 * 1024
"""The same of peers that sent no whole message lately. Frames without a byte take libzmq 64 bytes,
and 2 on the wire: 32 MB."""
GIVE_BACK_S, CLOSED_MAX_S = 0.1, 1.0
"""How often free memory is given back to the system after a cut, and for how long at most."""
SETTLE_S = 2.0

_BYTES_RECEIVED = struct.Struct("=128xQ")
"""The field of Linux's ``struct tcp_info`` that counts the bytes received on a connection."""
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Peer(Protocol):
    """A connection, and what is known about it."""

    descriptor: int
    taken_bytes: int
    settled_bytes: int
    is_heard: bool


class Door(Protocol):
    """A socket that peers are connected to."""

    is_closed: bool
    """Whether new connections are cut off."""

    def each_peer(self) -> Sequence[Peer]:
        """Return the peers that were not cut off."""

    def cut_for(self, descriptor: int, why: str) -> bool:
        """Cut off a peer."""


_Unread: TypeAlias = tuple[int, Peer, Door]
"""How many bytes of a peer are unread, the peer, and its door."""


class UnreadWatch:
    """Cuts off the peers whose unread messages make the memory grow."""

    def __init__(self, doors: Iterable[Door]) -> None:
        self._doors = list(doors)
        self._calm_bytes = resident_bytes()
        self._settle_at_s = 0.0
        self._cut_at_s: float | None = None
        self._give_back_at_s = 0.0

    def look(self, now_s: float) -> None:
        """Look at the memory, and at the peers if it grew."""
        if not self._doors:
            return
        if now_s >= self._settle_at_s:
            self._settle_at_s = now_s + SETTLE_S
            self._settle()
        self._calm_bytes = min(self._calm_bytes, resident_bytes())
        if self._has_grown and not self._relieve(now_s) and self._cut_at_s is None:
            self._calm_bytes = resident_bytes()  # it grew for another reason
        if self._cut_at_s is not None and now_s >= self._give_back_at_s:
            self._give_back_at_s = now_s + GIVE_BACK_S
            give_back_memory()
            if not self._has_grown or now_s >= self._cut_at_s + CLOSED_MAX_S:
                self._open()

    @property
    def _has_grown(self) -> bool:
        return resident_bytes() - self._calm_bytes > GROWTH_MAX_BYTES

    def _settle(self) -> None:
        for peer in [peer for door in self._doors for peer in door.each_peer()]:
            if peer.is_heard:
                peer.taken_bytes = max(peer.taken_bytes, peer.settled_bytes)
            peer.settled_bytes, peer.is_heard = bytes_received(peer.descriptor), False

    def _relieve(self, now_s: float) -> bool:
        """Cut off the peers with most unread bytes; return False if few bytes are unread."""
        unread = [(_unread(peer), peer, door) for door in self._doors for peer in door.each_peer()]
        unheard = [each for each in unread if not each[1].is_heard]
        chosen = [*_excess(unheard, UNHEARD_MAX_BYTES), *_excess(unread, UNREAD_MAX_BYTES)]
        for _size, peer, door in chosen:
            door.is_closed = True
            door.cut_for(peer.descriptor, "its unread messages took too much memory")
            self._cut_at_s = now_s
        return bool(chosen)

    def _open(self) -> None:
        for door in self._doors:
            door.is_closed = False
        self._cut_at_s = None
        self._calm_bytes = resident_bytes()


def _excess(unread: list[_Unread], max_bytes: int) -> Iterator[_Unread]:
    """Yield those with most, until the rest has ``max_bytes`` at most."""
    left_bytes = sum(size for size, _, _ in unread)
    for each in sorted(unread, key=lambda it: it[0], reverse=True):
        if left_bytes <= max_bytes:
            return
        left_bytes -= each[0]
        yield each


def _unread(peer: Peer) -> int:
    received = bytes_received(peer.descriptor)
    peer.taken_bytes = min(peer.taken_bytes, received)  # the rest was the descriptor's last owner's
    return received - peer.taken_bytes


def bytes_received(descriptor: int) -> int:
    """Return how many bytes a connection has received; 0 if the system does not report it."""
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
        connection.detach()  # leave the descriptor open: libzmq owns it


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 if the system does not report it."""
    try:
        with _STATM.open("rb", buffering=0) as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def give_back_memory() -> None:
    """Give free memory back to the system, where the C library can do that."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
