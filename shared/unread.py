"""Limits the memory that libzmq uses for messages of peers that the process has not read.

Why. libzmq reads connections in its own thread, as fast as peers send. Its high-water mark would
stop that, but it can abort the process (:mod:`shared.intake`). And no option of libzmq limits a
message with frames without end: the process never gets to see it, because libzmq hands out whole
messages only.

How it works. The doorkeeper's thread looks at the resident memory every 10 ms. When it grew by more
than :data:`GROWTH_MAX_BYTES`, the thread asks the kernel how many bytes came in from each peer, and
subtracts what the owner of the socket has read. The peers with most unread bytes are cut off if
more than one of these limits is left:

- :data:`UNREAD_MAX_BYTES` of all peers together,
- :data:`UNHEARD_MAX_BYTES` of peers from which no whole message was read lately,
- :data:`SUDDEN_MAX_BYTES` of such peers, if the memory grew so much since the last look, or others
  were just cut off. Only frames without content take that much memory for so few bytes.

libzmq then drops their unfinished messages; the owner still reads their whole ones. The bytes
that wait for libzmq in the kernel are discarded.

While the owner of the sockets works without a pause, it reads nobody. So peers count as unheard
only if the owner had a pause, or read a message, since the counts were settled (below).

After a cut new connections are cut off, because the peers would come back at once and send more.
When the memory is free again, or :data:`CLOSED_MAX_S` after the last cut, new connections are
accepted. Connections of other peers continue.

Memory can also grow for another reason. Then few bytes are unread, and nobody is cut off.

Counts drift, because libzmq hides handshakes and heartbeats from the owner. So every
:data:`SETTLE_S`, and sooner when the memory grew and nobody was cut off, the counts of each peer
are settled: if a message of it was read since the last time, then everything that came in before
that time was read. A peer that sends a message without end is not settled.

On systems other than Linux the kernel does not tell these numbers, and nobody is cut off.
"""

import ctypes
import os
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import get_ident, get_native_id
from typing import Protocol, TypeAlias

LOOK_EVERY_MS = 10
"""For frames without content libzmq takes up to 1 GB of memory a second. 100 looks take 14 ms of a
processor."""
GROWTH_MAX_BYTES = 4 * 1024 * 1024
UNREAD_MAX_BYTES = 4 * 1024 * 1024
"""Of all peers of all sockets. A dozen usual answers of devices that arrive at once are as much."""
UNHEARD_MAX_BYTES, SUDDEN_MAX_BYTES = 512 * 1024, 128 * 1024
"""The same of peers that sent no whole message lately. A frame without content takes libzmq 64
bytes, and 2 on the wire: 16 MB and 4 MB."""
LARGE_BYTES = 256 * 1024
"""Beyond a limit every peer with so many unread bytes is cut off. An answer has half of them."""
OVERHEAD_BYTES = 256
"""The handshake of a peer, or its heartbeats between two offers of replay, 10 s apart."""
PAUSE_S = 0.002
"""The owner of the sockets had a pause if it did not run for so long."""
GIVE_BACK_S, CLOSED_MAX_S = 0.1, 1.0
"""How often free memory is given back to the system after a cut, and for how long at most."""
SETTLE_S, SETTLE_LEAST_S = 2.0, 0.02

_BYTES_RECEIVED = struct.Struct("=128xQ")
"""The field of Linux's ``struct tcp_info`` that counts the bytes received on a connection."""
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Peer(Protocol):
    """A connection, and the counts of its bytes."""

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

    def __init__(self, doors: Iterable[Door], owner: "OwnerPauses") -> None:
        self._doors = list(doors)
        self._owner = owner
        self._last_bytes = self._calm_bytes = resident_bytes()
        self._settled_s = self._settle_at_s = 0.0
        self._cut_at_s: float | None = None
        self._give_back_at_s = 0.0

    def look(self, now_s: float) -> None:
        """Look at the memory, and at the peers if it grew."""
        if not self._doors:
            return
        resident = resident_bytes()
        growth_bytes, self._last_bytes = resident - self._last_bytes, resident
        self._calm_bytes = min(self._calm_bytes, resident)
        if self._has_grown(resident) and not self._relieve(now_s, self._unheard_max(growth_bytes)):
            self._note_other_growth(resident)
        if now_s >= self._settle_at_s:
            self._settled_s, self._settle_at_s = now_s, now_s + SETTLE_S
            self._settle()
        if self._cut_at_s is not None and now_s >= self._give_back_at_s:
            self._give_back_at_s = now_s + GIVE_BACK_S
            give_back_memory()
            if not self._has_grown(resident_bytes()) or now_s >= self._cut_at_s + CLOSED_MAX_S:
                self._open()

    def _note_other_growth(self, resident: int) -> None:
        if self._cut_at_s is None:
            self._calm_bytes = resident
        if self._owner_turned():
            self._settle_at_s = min(self._settle_at_s, self._settled_s + SETTLE_LEAST_S)

    def _has_grown(self, resident: int) -> bool:
        return resident - self._calm_bytes > GROWTH_MAX_BYTES

    def _unheard_max(self, growth_bytes: int) -> int:
        """Return the limit for unheard peers when the memory grew so much since the last look."""
        if not self._owner_turned():
            return UNREAD_MAX_BYTES
        is_attack = self._cut_at_s is not None or growth_bytes > GROWTH_MAX_BYTES
        return SUDDEN_MAX_BYTES if is_attack else UNHEARD_MAX_BYTES

    def _owner_turned(self) -> bool:
        """Tell whether the owner read its sockets since the counts were settled."""
        peers = (peer for door in self._doors for peer in door.each_peer())
        return self._owner.had_pause() or any(peer.is_heard for peer in peers)

    def _settle(self) -> None:
        self._owner.restart()
        for peer in [peer for door in self._doors for peer in door.each_peer()]:
            if peer.is_heard:
                peer.taken_bytes = max(peer.taken_bytes, peer.settled_bytes)
            peer.settled_bytes, peer.is_heard = bytes_received(peer.descriptor), False

    def _relieve(self, now_s: float, unheard_max: int) -> bool:
        """Cut off the peers with most unread bytes; return False if few bytes are unread."""
        unread = [(_unread(peer), peer, door) for door in self._doors for peer in door.each_peer()]
        unheard = [each for each in unread if not each[1].is_heard]
        chosen = [*_excess(unheard, unheard_max), *_excess(unread, UNREAD_MAX_BYTES)]
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


class OwnerPauses:
    """Tells whether a thread had a pause: it then read the messages that had come in before.

    The time in which it ran or waited for a processor is no pause.
    """

    def __init__(self) -> None:
        """Watch the thread that calls this."""
        is_linux = sys.platform == "linux"
        self._clock = time.pthread_getcpuclockid(get_ident()) if is_linux else time.CLOCK_MONOTONIC
        self._schedule = Path(f"/proc/self/task/{get_native_id()}/schedstat")
        self.restart()

    def restart(self) -> None:
        """Look for a pause from now on."""
        used_s = self._used_s()
        self._paused_s = time.monotonic() - used_s

    def had_pause(self) -> bool:
        """Tell whether the thread had a pause since :meth:`restart`."""
        now_s = time.monotonic()  # first here, last above: waiting in between is no pause
        return now_s - self._used_s() - self._paused_s >= PAUSE_S

    def _used_s(self) -> float:
        """Return how long the thread has run, or waited for a processor."""
        waited_s = _second_number(self._schedule) / 1e9
        return time.clock_gettime(self._clock) + waited_s


def _excess(unread: list[_Unread], max_bytes: int) -> Iterator[_Unread]:
    """Yield those with most if all together have too much, until few bytes of small ones remain."""
    left_bytes = sum(size for size, _, _ in unread)
    if left_bytes <= max_bytes:
        return
    for each in sorted(unread, key=lambda it: it[0], reverse=True):
        if left_bytes <= max_bytes and each[0] <= LARGE_BYTES:
            return
        left_bytes -= each[0]
        yield each


def _unread(peer: Peer) -> int:
    received = bytes_received(peer.descriptor)
    peer.taken_bytes = min(peer.taken_bytes, received)  # the rest was the descriptor's last owner's
    return max(received - peer.taken_bytes - OVERHEAD_BYTES, 0)


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
    return _second_number(_STATM) * _PAGE_BYTES


def _second_number(file: Path) -> int:
    """Read the second number of a small file of the system; 0 if there is none."""
    with suppress(OSError), file.open("rb", buffering=0) as opened:
        return int(opened.read().split()[1])
    return 0


def give_back_memory() -> None:
    """Give free memory back to the system, where the C library can do that."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
