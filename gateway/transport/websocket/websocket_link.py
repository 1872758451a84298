"""One WebSocket on the event loop: two callbacks, one outbox, no greenlet.

How it works. A ``WebSocketLink`` owns a non-blocking socket after its 101 answer was prepared.

Out: ``send`` hands bytes to the kernel at once. If the kernel does not take all, the link is no
longer ``writable``: an outbox holds the rest and all later bytes, and a write watcher empties it
whenever the kernel has room. When the outbox is empty, it is dropped and the owner is told.

In: a read watcher calls when bytes are there. One callback reads at most ``READ_BYTES`` and handles
frames while its time slice lasts. Then the link waits for its next slice; until then its read
watcher stands still, so TCP slows the client down. A link whose owner paused it waits the same way.

Closing: each side may begin. ``close`` queues a Close frame behind all other bytes; the link ends
when the client has answered it. When the client broke a rule (``fail``), the link sends the reason,
shuts its sending side down and drops what it still receives until the client closes. ``abort`` ends
at once.

Invariants:

- ``_outbox`` and ``_write_watcher`` exist together, and only while the link is not ``writable``.
- A frame is never torn: later bytes follow it only when all of it was sent or is in the outbox.
- A link holds a ``MessageReader`` only while a message is incomplete or frames wait for a slice.
- The owner's callbacks run in the loop and may call any method of the link, ``abort`` included.
"""

import _socket
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from struct import pack
from time import monotonic
from typing import Any, Protocol

from gateway.transport.event_loop.loop_time import LoopTime, charge
from gateway.transport.limits.budget import Budget
from gateway.transport.limits.outbox_budget import OutboxBudget
from gateway.transport.limits.rate_quota import PacketQuota
from gateway.transport.websocket.frames import NORMAL, POLICY, PONG, close_frame, frame
from gateway.transport.websocket.outbox import Outbox
from gateway.transport.websocket.reader import (
    Closed,
    Event,
    MessageReader,
    NoMessage,
    Ping,
    Violation,
)

READABLE, WRITABLE = 1, 2
# One callback reads at most this much, and handles its frames in as many time slices as they need.
READ_BYTES = 16 * 1024
STALLED = "the client takes none of the data that it is sent"
HOLDS_MOST = "all clients together hold too much memory, and this one holds most"
# SO_LINGER with 0 s: close by RST, so that the kernel drops data that a dead client will not read.
RESET_ON_CLOSE = pack("ii", 1, 0)


class Owner(Protocol):
    """Receives the events of a WebSocket.

    Implemented by ``Connection``, and by ``Probe`` until an upgrade is complete.
    """

    def on_message(self, link: "WebSocketLink", message: str | bytes) -> None:
        """The client sent a message."""

    def on_drained(self, link: "WebSocketLink") -> None:
        """The outbox became empty."""

    def on_lost(self, link: "WebSocketLink", violated: str | None) -> None:
        """The connection ended; ``violated`` names the rule that the client broke, if it did."""


class ReaderPool:
    """Lends message readers: a client holds one only in the middle of a message."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._spare: MessageReader | None = None

    def lend(self) -> MessageReader:
        """Return a reader that is between two messages."""
        spare, self._spare = self._spare, None
        return spare or MessageReader(self._max_bytes)

    def give_back(self, reader: MessageReader) -> None:
        """Keep a reader that is between two messages for the next client."""
        self._spare = reader


class Slices(Protocol):
    """The part of ``timeslice.TimeSlices`` that a link uses."""

    @property
    def is_over(self) -> bool:
        """True when the running piece of work should wait for its next slice."""

    def ends_piece(self, began_s: float) -> bool:
        """True when work that began at ``began_s`` should wait for its next slice."""

    def run_later(self, call: Callable[[], object], *, is_light: bool = False) -> None:
        """Call from the loop in a later turn."""


class LinkContext:
    """Objects that all WebSockets of a server share."""

    def __init__(
        self,
        loop: Any,
        slices: Slices,
        outbox_budget: OutboxBudget,
        inbox: Budget[Any],
        max_message_bytes: int,
        max_outbox_bytes: int | None = None,
    ) -> None:
        self.loop = loop
        self.slices = slices
        self.outbox_budget = outbox_budget
        self.inbox = inbox
        self.readers = ReaderPool(max_message_bytes)
        self.max_outbox_bytes = max_outbox_bytes
        self.closing: set[WebSocketLink] = set()
        """Links that one side has closed and that still hold a descriptor."""


class WebSocketLink:
    """One WebSocket; see the module. All methods return at once."""

    __slots__ = (
        "_awaits_slice",
        "_context",
        "_empty_frames",
        "_failed",
        "_has_frames",
        "_heard_close",
        "_is_paused",
        "_loop_time",
        "_outbox",
        "_read_watcher",
        "_reader",
        "_write_watcher",
        "closed",
        "closing",
        "on_blocked",
        "on_released",
        "owner",
        "sock",
        "writable",
    )

    def __init__(self, sock: _socket.socket, context: LinkContext, owner: Owner) -> None:
        self.sock = sock
        self._context = context
        self.owner = owner
        self._outbox: Outbox | None = None
        self._reader: MessageReader | None = None
        self._empty_frames: PacketQuota | None = None
        self._write_watcher: Any = None
        self._read_watcher = context.loop.io(sock.fileno(), READABLE)
        self._is_paused = False
        self._has_frames = False  # the reader may hold whole frames that wait for a slice
        self._awaits_slice = False  # a slice is awaited
        self._loop_time: LoopTime | None = None
        self._heard_close = False
        self._failed = False
        self.closing = False
        self.closed = False
        self.writable = True
        self.on_released: Callable[[], object] | None = None  # called when the descriptor is closed
        self.on_blocked: Callable[[WebSocketLink], None] | None = (
            None  # called when writable becomes False
        )

    def start(self, early: bytes = b"") -> None:
        """Begin to read; ``early`` holds bytes that were read before the connection was taken."""
        if early:
            self._feed(early)
        self._listen()

    def pause(self) -> None:
        """Stop reading; TCP then makes the client's kernel hold its data back."""
        self._is_paused = True
        self._read_watcher.stop()

    def resume(self) -> None:
        """Continue to read where it stopped."""
        self._is_paused = False
        self._listen()

    def _listen(self) -> None:
        if self.closed or self._is_paused or self._awaits_slice:
            return
        if self._has_frames:
            self._wait_for_slice()
        elif not self._read_watcher.active:
            self._read_watcher.start(self._readable)

    # Out

    @property
    def pending_bytes(self) -> int:
        """Unsent bytes: those that the kernel has not taken yet."""
        return self._outbox.size if self._outbox is not None else 0

    @property
    def taken_bytes(self) -> int:
        """Bytes that the kernel took from the present outbox."""
        return self._outbox.taken if self._outbox is not None else 0

    def finish_send(self, data: bytes, sent: int) -> None:
        """Send the rest after a ``send`` on :attr:`sock` took ``sent`` bytes, or failed (-1)."""
        if sent < 0:
            self.send(data)  # it meets the same error again and handles it
        else:
            self._queue(memoryview(data)[sent:])

    def send(self, data: bytes) -> None:
        """Write whole frames; bytes that the kernel does not take now follow when it has room."""
        if not self.writable:
            if not self.closed and not self.closing:
                self._queue(data)
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._context.loop.run_callback(self._lose, None)
            return
        if sent != len(data):
            self._queue(memoryview(data)[sent:])

    def send_ahead(self, data: bytes) -> None:
        """Write whole frames before those in the outbox that are not begun.

        Nothing bounds the outbox here, so the caller may send only a bounded number.
        """
        if self._outbox is None or self.closing:
            self.send(data)
        else:
            self._outbox.push_ahead(data)
            self._context.outbox_budget.note(self, self._outbox.cost)

    def _queue(self, data: bytes | memoryview) -> None:
        outbox = self._open_outbox()
        most = self._context.max_outbox_bytes
        if most is not None and outbox.size > most:
            # Deferred: the caller may be iterating over connections.
            self._context.loop.run_callback(self.evict)
            return
        outbox.push(data)
        self._context.outbox_budget.note(self, outbox.cost)

    def _open_outbox(self) -> Outbox:
        if self._outbox is None:
            self._block()
            self._outbox = Outbox()
            self._write_watcher = self._context.loop.io(self.sock.fileno(), WRITABLE)
            self._write_watcher.start(self._writable)
        return self._outbox

    def _send_pong(self, payload: bytes) -> None:
        """Answer a ping; the outbox keeps only the latest answer (RFC 6455, 5.5.3)."""
        data = frame(PONG, payload)
        outbox = self._outbox
        if outbox is None or self.closing:
            self.send(data)
        else:
            outbox.push_latest(data)
            self._context.outbox_budget.note(self, outbox.cost)

    def _block(self) -> None:
        self.writable = False
        if self.on_blocked is not None:
            self.on_blocked(self)

    def _writable(self) -> None:
        outbox = self._outbox
        if outbox is None:
            return
        try:
            outbox.advance(self.sock.sendmsg(outbox.peek()))
        except BlockingIOError:
            return
        except OSError:
            self._lose(None)
            return
        if outbox.size:
            self._context.outbox_budget.note(self, outbox.cost)
        else:
            self._drained()

    def _drained(self) -> None:
        self._stop_writing()
        if not self.closing:
            self.writable = True
            self.owner.on_drained(self)
        elif self._heard_close:
            self._release()
        elif self._failed:
            self._shut_down()

    def _stop_writing(self) -> None:
        watcher, self._write_watcher, self._outbox = self._write_watcher, None, None
        if watcher is not None:
            watcher.stop()
            watcher.close()
            self._context.outbox_budget.note(self, 0)

    def evict(self) -> None:
        """Close at once: all clients hold too much memory, and this one holds most."""
        if not self.closed:
            self.abort()
            self.owner.on_lost(self, HOLDS_MOST)

    def end_stalled(self) -> None:
        """Close at once: the client takes none of its unsent bytes."""
        if not self.closed:
            self.abort()
            self.owner.on_lost(self, STALLED)

    # In

    def _readable(self) -> None:
        if self._context.slices.is_over:
            self._wait_for_slice()
        else:
            self.read_now()

    def _wait_for_slice(self) -> None:
        self._awaits_slice = True
        self._read_watcher.stop()
        is_light = self._loop_time is None or self._loop_time.is_small(monotonic())
        self._context.slices.run_later(self._use_slice, is_light=is_light)

    def _use_slice(self) -> None:
        self._awaits_slice = False
        if self.closed or self._is_paused:
            return
        if self._has_frames:
            self._feed(b"")
        else:
            self.read_now()
        self._listen()

    def read_now(self) -> None:
        """Read bytes that the kernel holds, unless earlier frames still wait."""
        if self.closed or self._is_paused or self._has_frames:
            return
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._feed(data)
        else:
            self._lose(None)

    def _feed(self, data: bytes) -> None:
        if self._failed:
            return
        readers, self._has_frames = self._context.readers, False
        # The reader leaves the link meanwhile: the owner may close it from within ``_handle``.
        reader, self._reader = self._reader or readers.lend(), None
        began_s = monotonic()
        self._has_frames = self._handle_all(reader.feed(data), began_s)
        self._loop_time = charge(self._loop_time, began_s, monotonic())
        if self._ignores_input:
            self._context.inbox.note(self, 0)
            return
        if reader.idle:
            readers.give_back(reader)
            self._has_frames = False
            self._context.inbox.note(self, 0)
        else:
            self._reader = reader
            self._context.inbox.note(self, reader.held_bytes)
        if self._has_frames:
            self._read_watcher.stop()
            self._listen()

    def _handle_all(self, events: Iterator[Event], began_s: float) -> bool:
        """Handle events while the slice lasts; return whether more may follow."""
        slices = self._context.slices
        for event in events:
            self._handle(event)
            if self._ignores_input:
                return False
            if self._is_paused or slices.ends_piece(began_s):
                return True
        return False

    @property
    def _ignores_input(self) -> bool:
        return self.closed or self._failed or self._heard_close

    def _handle(self, event: Event) -> None:
        if isinstance(event, str | bytes):
            if not self.closing:
                self.owner.on_message(self, event)
        elif isinstance(event, Ping):
            self._send_pong(event.payload)
            self._count_empty()
        elif isinstance(event, NoMessage):
            if event.is_empty:
                self._count_empty()
        elif isinstance(event, Closed):
            self._echo_close(event.code)
        else:
            self.fail(event)

    def _count_empty(self) -> None:
        """Count a frame without content; too many end the connection."""
        now_s = monotonic()
        if self._empty_frames is None:
            self._empty_frames = PacketQuota(now_s)
        if not self._empty_frames.spend(now_s):
            self.fail(Violation(POLICY, "too many frames without content"))

    def _echo_close(self, code: int) -> None:
        self._heard_close = True
        self.close(code)
        if self._outbox is None:
            self._release()
        self.owner.on_lost(self, None)

    def fail(self, violation: Violation, prefix: bytes = b"") -> None:
        """Send ``prefix`` and a Close frame with the reason; ignore all input (RFC 6455, 7.1.7)."""
        if self.closed or self.closing:
            return
        self.close(violation.code, violation.reason, prefix)
        self._failed, self._has_frames, self._reader = True, False, None
        self._context.inbox.note(self, 0)
        if self._outbox is None:
            self._shut_down()
        self.owner.on_lost(self, violation.reason)

    def _shut_down(self) -> None:
        # Closing with unread bytes would be a reset, which may overtake the reason.
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._lose(None)

    def _lose(self, violated: str | None) -> None:
        if self.closed:
            return
        self._release()
        self.owner.on_lost(self, violated)

    # Closing

    def close(self, code: int = NORMAL, reason: str = "", prefix: bytes = b"") -> None:
        """Start the closing handshake behind all bytes in the outbox (RFC 6455, 7.1.2).

        The owner calls ``abort`` when the client takes too long to answer.
        """
        if self.closed or self.closing:
            return
        self.send(prefix + close_frame(code, reason))
        self.closing = True
        if not self.closed:
            self._context.closing.add(self)
        self._block()
        self.resume()

    def abort(self) -> None:
        """Close at once; the kernel drops data that was not delivered."""
        if self.closed:
            return
        with suppress(OSError):  # some systems refuse when the client has left
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._release()

    def _release(self) -> None:
        self.closed = True
        self._context.closing.discard(self)
        if self.on_released is not None:
            self.on_released()
        self._block()
        self._stop_writing()
        self._reader = None
        self._context.inbox.note(self, 0)
        self._read_watcher.stop()
        self._read_watcher.close()
        self.sock.close()
