"""One client that polls: what waits for its next GET, and the GET that waits."""

import socket
from collections import deque
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any, Protocol

from gevent import get_hub
from gevent import socket as gevent_socket
from gevent.event import AsyncResult

from gateway.transport.payload import MAX_BYTES_PER_POLL, MAX_PACKETS_PER_POLL
from gateway.transport.repetition import Requests
from gateway.transport.socket_handoff import CannotTake, server_socket

# Beside its object, a packet costs a place in the deque.
PLACE_BYTES = 8

Packets = list[str | bytes]
Environ = Mapping[str, Any]
READABLE = 1


class Kept(Protocol):
    """A connection that rests between two GETs."""

    def close(self) -> None:
        """Close it."""


class PollingLink:
    """The packets of a polling client, and its GET while it waits."""

    __slots__ = (
        "_answer",
        "_cost",
        "_farewell",
        "_queue",
        "_woken",
        "ended",
        "kept",
        "on_change",
        "on_poll",
        "posting",
        "requests",
        "size",
        "taken",
    )

    def __init__(self) -> None:
        self._queue: deque[str | bytes] = deque()
        self._answer: Callable[[Packets], object] | None = None
        self._woken = False
        self._farewell: str | None = None
        self.on_poll: Callable[[int, int], Packets] | None = None
        self.on_change: Callable[[int], None] | None = None
        """Told what the queue costs in memory, when that changes."""
        self.size = self._cost = 0
        self.taken = 0
        self.ended = False
        self.posting = False
        self.kept: Kept | None = None
        """Its connection that nobody but the event loop watches."""
        self.requests = Requests()

    @property
    def occupied(self) -> bool:
        """True while a GET is being answered: a second one breaks the protocol."""
        return self._answer is not None

    @property
    def waiting(self) -> bool:
        """True while a GET waits for something to be sent."""
        return self._answer is not None and not self._woken

    def push(self, packet: str | bytes) -> None:
        """Put a packet behind what is waiting."""
        self._queue.append(packet)
        self._count(packet)
        self.wake()

    def push_ahead(self, packet: str) -> None:
        """Put a packet before what is waiting; a bounded number only."""
        self._queue.appendleft(packet)
        self._count(packet)
        self.wake()

    def _count(self, packet: str | bytes) -> None:
        self.size += len(packet)
        self._cost += cost_of(packet)
        self._say_cost()

    def _say_cost(self) -> None:
        if self.on_change is not None:
            self.on_change(self._cost)

    def wake(self) -> None:
        """Have the waiting GET look again, once whoever sends has sent everything."""
        if self.waiting:
            self._woken = True
            get_hub().loop.run_callback(self._look)

    def dismiss(self, packet: str) -> None:
        """Answer the waiting GET, if there is one, with ``packet`` at the latest."""
        if self._answer is not None:
            self._farewell = packet
            self.wake()

    def end(self, farewell: str | None) -> None:
        """Answer with what is left and ``farewell``, now or when the client asks again."""
        self.ended = True
        self._farewell = farewell
        self.wake()

    def drain(self) -> Packets:
        """Return everything that waits, for another transport to send."""
        packets = list(self._queue)
        self._queue.clear()
        self.size = self._cost = 0
        self._say_cost()
        return packets

    def ask(self, answer: Callable[[Packets], object]) -> Packets | None:
        """Return what to answer a GET with; None means that ``answer`` is called with it later."""
        packets = self._take()
        if packets or self._dismissed:
            return packets + self._last_words()
        self._answer = answer
        return None

    def wait(self, sock: gevent_socket.socket | None, on_hangup: Callable[[], None]) -> Packets:
        """Return what to answer a GET with, once there is something; the greenlet waits for it."""
        later: AsyncResult[Packets] = AsyncResult()
        answer = later.set
        packets = self.ask(answer)
        if packets is not None:
            return packets
        watcher = watch_hangup(sock, on_hangup) if sock is not None else None
        try:
            packets = later.get()
        finally:
            if self._answer is answer:  # and not that of the client's next GET already
                self._answer = None
            if watcher is not None:
                watcher.stop()
                watcher.close()
        return packets or []

    def _look(self) -> None:
        self._woken = False
        if self._answer is None:
            return
        packets = self._take()
        if packets or self._dismissed:
            answer, self._answer = self._answer, None
            answer(packets + self._last_words())

    @property
    def _dismissed(self) -> bool:
        """True when a GET is to be answered even with nothing."""
        return self.ended or self._farewell is not None

    def _last_words(self) -> Packets:
        if self._queue:
            return []
        farewell, self._farewell = self._farewell, None
        return [] if farewell is None else [farewell]

    def _take(self) -> Packets:
        packets, size = self._take_waiting()
        if packets:
            self.taken += size
            self._say_cost()
        if self._queue:
            return packets
        return packets + self._pull(MAX_PACKETS_PER_POLL - len(packets), MAX_BYTES_PER_POLL - size)

    def _take_waiting(self) -> tuple[Packets, int]:
        packets: Packets = []
        size = 0
        while self._queue and len(packets) < MAX_PACKETS_PER_POLL:
            coming = len(self._queue[0])
            if packets and size + coming > MAX_BYTES_PER_POLL:
                break
            packet = self._queue.popleft()
            packets.append(packet)
            size += coming
            self.size -= coming
            self._cost -= cost_of(packet)
        return packets, size

    def _pull(self, max_packets: int, max_bytes: int) -> Packets:
        if self.on_poll is None or self.ended or max_packets <= 0 or max_bytes <= 0:
            return []
        return self.on_poll(max_packets, max_bytes)


def cost_of(packet: str | bytes) -> int:
    """Return the memory that a packet in the queue holds, in bytes."""
    return getsizeof(packet) + PLACE_BYTES


def plain_socket(environ: Environ) -> gevent_socket.socket | None:
    """Return the socket a GET came by, or None where it cannot be watched."""
    try:
        return server_socket(environ)
    except CannotTake:
        return None


def watch_hangup(sock: gevent_socket.socket, on_hangup: Callable[[], None]) -> Any:
    """Call ``on_hangup`` when the client closes the connection its GET waits on."""
    watcher = get_hub().loop.io(sock.fileno(), READABLE)

    def look() -> None:
        watcher.stop()  # readable stays readable: look once
        try:
            gone = not _peek(sock)
        except BlockingIOError:
            watcher.start(look)
            return
        except OSError:
            gone = True
        if gone:
            on_hangup()

    watcher.start(look)
    return watcher


def _peek(sock: gevent_socket.socket) -> bytes:
    timeout_s = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return sock.recv(1, socket.MSG_PEEK)
    finally:
        sock.settimeout(timeout_s)
