"""One client that polls: the packets that wait for its next GET, and the GET that waits.

How it works: a GET either is answered at once, or waits in ``_answer`` until ``wake`` is called.
``wake`` only schedules ``_look`` on the event loop, so that a sender can put many packets into one
answer. An answer takes first the packets that the application queued, then those that a fan-out
returns from ``on_poll``, up to MAX_PACKETS_PER_POLL and MAX_BYTES_PER_POLL. ``dismiss`` and ``end``
name a last packet: it answers the GET when the queue is empty.

Invariants: at most one GET waits; ``size`` and ``_cost`` always match the queue.
"""

import socket
from collections import deque
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any, Protocol

from gevent import get_hub
from gevent import socket as gevent_socket
from gevent.event import AsyncResult

from gateway.transport.engineio.payload import MAX_BYTES_PER_POLL, MAX_PACKETS_PER_POLL
from gateway.transport.http.socket_handoff import CannotTake, server_socket
from gateway.transport.polling.repetition import Requests

# In addition to its object, a packet costs a slot in the deque.
DEQUE_SLOT_BYTES = 8

Packets = list[str | bytes]
Environ = Mapping[str, Any]
READABLE = 1


class RestingConnection(Protocol):
    """A TCP connection between two GETs, which only the event loop watches."""

    def check(self) -> None:
        """Close it if nothing came for a while."""

    def close(self) -> None:
        """Close it at once."""

    def release(self) -> None:
        """Return it to the web server."""


class PollingLink:
    """The packets of a polling client, and its GET while it waits."""

    __slots__ = (
        "_answer",
        "_cost",
        "_last_packet",
        "_queue",
        "_woken",
        "ended",
        "on_change",
        "on_poll",
        "posting",
        "requests",
        "resting",
        "size",
        "taken",
    )

    def __init__(self) -> None:
        self._queue: deque[str | bytes] = deque()
        self._answer: Callable[[Packets], object] | None = None
        self._woken = False
        self._last_packet: str | None = None
        self.on_poll: Callable[[int, int], Packets] | None = None
        self.on_change: Callable[[int], None] | None = None
        """Called with the memory that the queue costs, in bytes, when that changes."""
        self.size = self._cost = 0
        self.taken = 0
        self.ended = False
        self.posting = False
        self.resting: RestingConnection | None = None
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
        """Put a packet behind those that wait."""
        self._queue.append(packet)
        self._count(packet)
        self.wake()

    def push_ahead(self, packet: str) -> None:
        """Put a packet before those that wait; callers do this a bounded number of times."""
        self._queue.appendleft(packet)
        self._count(packet)
        self.wake()

    def _count(self, packet: str | bytes) -> None:
        self.size += len(packet)
        self._cost += cost_of(packet)
        self._report_cost()

    def _report_cost(self) -> None:
        if self.on_change is not None:
            self.on_change(self._cost)

    def wake(self) -> None:
        """Have the waiting GET look again after the code that sends now is done."""
        if self.waiting:
            self._woken = True
            get_hub().loop.run_callback(self._look)

    def dismiss(self, packet: str) -> None:
        """Answer the GET that waits, if one does; with ``packet`` if no other packet waits."""
        if self._answer is not None:
            self._last_packet = packet
            self.wake()

    def end(self, last_packet: str | None) -> None:
        """Answer with the packets that wait and ``last_packet``, now or at the next GET."""
        self.ended = True
        self._last_packet = last_packet
        self.wake()

    def drain(self) -> Packets:
        """Remove and return all packets, for another transport to send."""
        packets = list(self._queue)
        self._queue.clear()
        self.size = self._cost = 0
        self._report_cost()
        return packets

    def answer_get(self, answer: Callable[[Packets], object]) -> Packets | None:
        """Return the packets that answer a GET, or None: then ``answer`` gets them later."""
        packets = self._take()
        if packets or self._dismissed:
            return packets + self._take_last_packet()
        self._answer = answer
        return None

    def wait(self, sock: gevent_socket.socket | None, on_hangup: Callable[[], None]) -> Packets:
        """Return the packets that answer a GET; the greenlet waits until there are some."""
        later: AsyncResult[Packets] = AsyncResult()
        answer = later.set
        packets = self.answer_get(answer)
        if packets is not None:
            return packets
        watch = HangupWatch(sock, on_hangup) if sock is not None else None
        try:
            packets = later.get()
        finally:
            if self._answer is answer:  # it may be the answer of the client's next GET already
                self._answer = None
            if watch is not None:
                watch.close()
        return packets or []

    def _look(self) -> None:
        self._woken = False
        if self._answer is None:
            return
        packets = self._take()
        if packets or self._dismissed:
            answer, self._answer = self._answer, None
            answer(packets + self._take_last_packet())

    @property
    def _dismissed(self) -> bool:
        """True when a GET is to be answered even if no packet waits."""
        return self.ended or self._last_packet is not None

    def _take_last_packet(self) -> Packets:
        if self._queue:
            return []
        last_packet, self._last_packet = self._last_packet, None
        return [] if last_packet is None else [last_packet]

    def _take(self) -> Packets:
        """Remove and return the packets of one answer: queued ones, then those of ``on_poll``."""
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
        if packets:
            self.taken += size
            self._report_cost()
        room, room_bytes = MAX_PACKETS_PER_POLL - len(packets), MAX_BYTES_PER_POLL - size
        is_full = bool(self._queue) or room <= 0 or room_bytes <= 0
        if self.on_poll is None or self.ended or is_full:
            return packets
        return packets + self.on_poll(room, room_bytes)


def cost_of(packet: str | bytes) -> int:
    """Return the memory that a packet in the queue costs, in bytes."""
    return getsizeof(packet) + DEQUE_SLOT_BYTES


def plain_socket(environ: Environ) -> gevent_socket.socket | None:
    """Return the socket of a GET, or None where it cannot be watched."""
    try:
        return server_socket(environ)
    except CannotTake:
        return None


class HangupWatch:
    """Calls ``on_hangup`` when the client closes the connection its GET waits on."""

    __slots__ = ("_on_hangup", "_sock", "_watcher")

    def __init__(self, sock: gevent_socket.socket, on_hangup: Callable[[], None]) -> None:
        self._sock, self._on_hangup = sock, on_hangup
        self._watcher: Any = get_hub().loop.io(sock.fileno(), READABLE)
        self._watcher.start(self._look)

    def close(self) -> None:
        """Stop watching; this ends the reference cycle with the watcher, too."""
        self._watcher.stop()
        self._watcher.close()

    def _look(self) -> None:
        self._watcher.stop()  # readable stays readable: look once
        try:
            gone = not _peek(self._sock)
        except BlockingIOError:
            self._watcher.start(self._look)
            return
        except OSError:
            gone = True
        if gone:
            self._on_hangup()


def _peek(sock: gevent_socket.socket) -> bytes:
    timeout_s = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return sock.recv(1, socket.MSG_PEEK)
    finally:
        sock.settimeout(timeout_s)
