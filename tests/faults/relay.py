"""A TCP relay that does what networks do: cut, swallow, delay, trickle, and stop inside a frame.

One thread moves the bytes; what the test asks for holds from that thread's next turn on.
"""

import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

from tests.timing import scaled_s

CHUNK_BYTES = 16_384
FLOW_BYTES_MAX = 65_536
"""What one direction may hold: more would hide from the sender that nobody reads."""
KERNEL_BYTES = 32_768
"""Asked for as buffers of both sockets, for the same reason."""
TURN_MAX_S = 0.5
Limits: TypeAlias = tuple[int | None, int | None]
"""Bytes up and down after which a connection is to end."""
NO_LIMITS: Limits = (None, None)
RESET = struct.pack("ii", 1, 0)
SLICES_A_SECOND = 20
"""A throttled direction passes its bytes in so many parts."""


@dataclass(eq=False)
class _Flow:
    """One direction of a connection: bytes read, each with the time before which it stays."""

    source: socket.socket
    sink: socket.socket
    limit: int | None
    """After so many bytes the connection ends."""
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    size: int = 0
    ready_s: float = 0.0
    passed: int = 0
    is_ended: bool = False

    def due_s(self) -> float | None:
        """When the next bytes may go; None when there are none."""
        return max(self.waiting[0][0], self.ready_s) if self.waiting else None

    @property
    def is_done(self) -> bool:
        return self.passed == self.limit or (self.is_ended and not self.waiting)


@dataclass(eq=False)
class _Link:
    """A connection from whom we accepted (``up`` flows from there) to the target."""

    up: _Flow
    down: _Flow

    @property
    def flows(self) -> tuple[_Flow, _Flow]:
        return self.up, self.down

    @property
    def limits(self) -> Limits:
        return self.up.limit, self.down.limit

    @property
    def is_at_limit(self) -> bool:
        return any(flow.passed == flow.limit for flow in self.flows)


class Relay:
    """Listens on ``port`` and forwards to ``target``, as long as it is not told otherwise."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self.accepted = 0
        self.cuts = 0
        """How often a connection was ended at its limit."""
        self._delay_s = 0.0
        self._bytes_per_s: float | None = None
        self._is_hole = False
        self._limits: deque[Limits] = deque()
        self._links: list[_Link] = []
        self._place = _keep(port)
        self._listener: socket.socket | None = _listen(port)
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"relay-{port}")
        self._thread.start()

    # --- what a test asks for --------------------------------------------------------------

    def cut(self) -> None:
        """Reset every connection, and refuse new ones until :meth:`mend`."""
        with self._change():
            self._stop_listening()
            self._drop_links()

    def drop(self) -> None:
        """Reset every connection; new ones are welcome."""
        with self._change():
            self._drop_links()

    def mend(self) -> None:
        """Let everything through again, as fast as it goes."""
        with self._change():
            self._is_hole, self._delay_s, self._bytes_per_s = False, 0.0, None
            self._limits.clear()
            for flow in self._flows():
                flow.limit = None
            if self._listener is None:
                self._listener = _listen(self.port)

    def swallow(self) -> None:
        """Become a black hole: nothing is forwarded, nothing refused, nothing closed."""
        with self._change():
            self._is_hole = True

    def delay(self, seconds: float) -> None:
        """Deliver all bytes so much later."""
        with self._change():
            self._delay_s = seconds

    def throttle(self, bytes_per_s: float) -> None:
        """Let each direction pass no more than this."""
        with self._change():
            self._bytes_per_s = bytes_per_s

    def retarget(self, target: int) -> None:
        """Forward new connections to another port, and reset those there are."""
        with self._change():
            self.target = target
            self._drop_links()

    def end_each_after(self, limits: Iterable[Limits]) -> None:
        """End each new connection after so many bytes up or down, the next pair for each.

        The pair of one that ends otherwise goes back behind the others.
        """
        with self._change():
            self._limits = deque(limits)

    def passed_up(self) -> int:
        """Tell how many bytes the latest connection has sent to the target."""
        with self._lock:
            return self._links[-1].up.passed

    def close(self) -> None:
        """Stop, with nothing left open."""
        with self._change():
            self._is_closed = True
        self._thread.join(scaled_s(5))
        assert not self._thread.is_alive()
        self._stop_listening()
        self._drop_links()
        self._place.close()
        self._wake.close()
        self._waker.close()

    def _change(self) -> "_Changing":
        return _Changing(self._lock, self._waker)

    # --- the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_closed:
            with self._lock:
                readers, writers, wait_s = self._wanted(monotonic())
            with suppress(OSError, ValueError):  # closed by the test meanwhile: look again
                readable, writable, _ = select.select(readers, writers, [], wait_s)
                with self._lock:
                    self._turn(set(readable), set(writable))

    def _wanted(self, now_s: float) -> tuple[list[socket.socket], list[socket.socket], float]:
        """Say what to wait for, and how long."""
        readers = [self._wake] if self._listener is None else [self._wake, self._listener]
        writers: list[socket.socket] = []
        wait_s = TURN_MAX_S
        for flow in self._flows() if not self._is_hole else ():
            if flow.size < FLOW_BYTES_MAX and not flow.is_ended:
                readers.append(flow.source)
            due_s = flow.due_s()
            if due_s is not None and due_s <= now_s:
                writers.append(flow.sink)
            elif due_s is not None:
                wait_s = min(wait_s, due_s - now_s)
        return readers, writers, wait_s

    def _turn(self, readable: set[socket.socket], writable: set[socket.socket]) -> None:
        if self._wake in readable:
            self._wake.recv(CHUNK_BYTES)
        if self._listener is not None and self._listener in readable:
            self._accept(self._listener)
        now_s = monotonic()
        for link in list(self._links):
            try:
                for flow in link.flows:
                    if flow.source in readable:
                        self._read(flow, now_s)
                    if flow.sink in writable:
                        self._write(flow, now_s)
            except OSError:
                self._end(link)
                continue
            if any(flow.is_done for flow in link.flows):
                self._end(link)

    def _accept(self, listener: socket.socket) -> None:
        client, _address = listener.accept()
        self.accepted += 1
        limits = self._limits.popleft() if self._limits else NO_LIMITS
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=1)
        except OSError:  # as it would be without a relay
            _reset(client)
            self._give_back(limits)
            return
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        up, down = limits
        self._links.append(_Link(_Flow(client, server, up), _Flow(server, client, down)))

    def _read(self, flow: _Flow, now_s: float) -> None:
        data = flow.source.recv(CHUNK_BYTES)
        flow.is_ended = not data
        if data:
            flow.waiting.append((now_s + self._delay_s, data))
            flow.size += len(data)

    def _write(self, flow: _Flow, now_s: float) -> None:
        if not flow.waiting:
            return
        due_s, data = flow.waiting.popleft()
        room = len(data) if flow.limit is None else flow.limit - flow.passed
        if self._bytes_per_s is not None:
            room = min(room, max(1, int(self._bytes_per_s / SLICES_A_SECOND)))
            flow.ready_s = now_s + 1 / SLICES_A_SECOND
        sent = flow.sink.send(data[:room])
        flow.passed += sent
        flow.size -= sent
        if sent < len(data):
            flow.waiting.appendleft((due_s, data[sent:]))

    def _flows(self) -> Iterator[_Flow]:
        for link in self._links:
            yield from link.flows

    def _end(self, link: _Link) -> None:
        """Close both ends; what was passed on still arrives."""
        if link.is_at_limit:
            self.cuts += 1
        else:
            self._give_back(link.limits)
        self._links.remove(link)
        link.up.source.close()
        link.down.source.close()

    def _give_back(self, limits: Limits) -> None:
        if limits != NO_LIMITS:
            self._limits.append(limits)

    def _drop_links(self) -> None:
        for link in self._links:
            _reset(link.up.source)
            _reset(link.down.source)
        self._links.clear()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class _Changing:
    """The time in which a test changes the rules: the thread waits, and looks anew after it."""

    def __init__(self, lock: threading.Lock, waker: socket.socket) -> None:
        self._lock, self._waker = lock, waker

    def __enter__(self) -> None:
        self._waker.send(b"!")
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


def _keep(port: int) -> socket.socket:
    """Keep a port from others, also while nothing listens: a connection is refused then."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", port))
    return place


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
    return listener


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.close()
