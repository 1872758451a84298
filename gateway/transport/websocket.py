"""One WebSocket on the event loop: two callbacks, one outbox, no greenlet."""

import _socket
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from struct import pack
from time import monotonic
from typing import Any, Protocol

from gateway.transport.budget import Budget
from gateway.transport.frames import NORMAL, POLICY, PONG, close_frame, frame
from gateway.transport.loop_time import Share, charge
from gateway.transport.outbox import Outbox
from gateway.transport.outbox_budget import Backlog
from gateway.transport.rate_quota import Quota
from gateway.transport.reader import Closed, Event, MessageReader, Nothing, Ping, Violation

READABLE, WRITABLE = 1, 2
# One callback reads at most this much. Its frames are taken in as many time slices as they need.
READ_BYTES = 16 * 1024
STALLED = "takes nothing that it is sent"
MOST_WAITS = "too much waits for all clients, and most of it for this one or from it"
# SO_LINGER with 0 s: close by RST, so that the kernel forgets what a dead client will not read.
RESET_ON_CLOSE = pack("ii", 1, 0)


class Owner(Protocol):
    """What a WebSocket reports to."""

    def on_message(self, link: "WebSocketLink", message: str | bytes) -> None:
        """Take a complete message."""

    def on_drained(self, link: "WebSocketLink") -> None:
        """The outbox became empty."""

    def on_lost(self, link: "WebSocketLink", violated: str | None) -> None:
        """The connection ended by the client or the network, or for the rule it violated."""


class Readers:
    """Frame readers for all: a client holds one only in the middle of a message."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._spare: MessageReader | None = None

    def lend(self) -> MessageReader:
        """Return an idle reader."""
        spare, self._spare = self._spare, None
        return spare or MessageReader(self._max_bytes)

    def give_back(self, reader: MessageReader) -> None:
        """Take an idle reader back."""
        self._spare = reader


class Slices(Protocol):
    """The time slices of the event loop (``timeslice.TimeSlices``)."""

    @property
    def is_over(self) -> bool:
        """True when the running piece of work should wait for its next slice."""

    def ends_piece(self, began_s: float) -> bool:
        """True when work that began then should wait for its next slice."""

    def run_later(self, call: Callable[[], object], *, is_new: bool = False) -> None:
        """Call from the loop in a later turn."""


class Commons:
    """The parts that all WebSockets of a server share."""

    def __init__(
        self,
        loop: Any,
        slices: Slices,
        backlog: Backlog,
        inbox: Budget[Any],
        max_message_bytes: int,
        max_outbox_bytes: int | None = None,
    ) -> None:
        self.loop = loop
        self.slices = slices
        self.backlog = backlog
        self.inbox = inbox
        self.readers = Readers(max_message_bytes)
        self.max_outbox_bytes = max_outbox_bytes
        self.closing: set[WebSocketLink] = set()
        """Links that are closed by one side and still hold a descriptor."""


class WebSocketLink:
    """A taken-over connection after its 101. All methods return at once.

    Frames are taken in time slices. A link whose slice is over waits for the next one, with frames
    it has read (``_has_rest``) or before it reads; its read watcher stands still meanwhile. So it
    does while the owner paused the link.
    """

    __slots__ = (
        "_commons",
        "_failed",
        "_has_rest",
        "_heard_close",
        "_is_paused",
        "_outbox",
        "_quota",
        "_read_watcher",
        "_reader",
        "_share",
        "_sock",
        "_waits",
        "_write_watcher",
        "closed",
        "closing",
        "on_blocked",
        "on_released",
        "owner",
        "writable",
    )

    def __init__(self, sock: _socket.socket, commons: Commons, owner: Owner) -> None:
        self._sock = sock
        self._commons = commons
        self.owner = owner
        self._outbox: Outbox | None = None
        self._reader: MessageReader | None = None
        self._quota: Quota | None = None
        self._write_watcher: Any = None
        self._read_watcher = commons.loop.io(sock.fileno(), READABLE)
        self._is_paused = False
        self._has_rest = False  # the reader may hold whole frames
        self._waits = False  # for a time slice
        self._share: Share | None = None
        self._heard_close = False
        self._failed = False
        self.closing = False
        self.closed = False
        self.writable = True
        self.on_released: Callable[[], object] | None = None  # its descriptor is closed
        self.on_blocked: Callable[[WebSocketLink], None] | None = None  # writable no longer

    def start(self, early: bytes = b"") -> None:
        """Listen; ``early`` is what was read before the connection was taken."""
        if early:
            self._feed(early)
        self._listen()

    def pause(self) -> None:
        """Take nothing more; the client's data stays in its kernel."""
        self._is_paused = True
        self._read_watcher.stop()

    def resume(self) -> None:
        """Go on where it was."""
        self._is_paused = False
        self._listen()

    def _listen(self) -> None:
        if self.closed or self._is_paused or self._waits:
            return
        if self._has_rest:
            self._wait_for_slice()
        elif not self._read_watcher.active:
            self._read_watcher.start(self._readable)

    # Out

    @property
    def pending_bytes(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._outbox.size if self._outbox is not None else 0

    @property
    def taken_bytes(self) -> int:
        """Bytes that the kernel took since it could not take all."""
        return self._outbox.taken if self._outbox is not None else 0

    @property
    def sender(self) -> Callable[[bytes], int]:
        """How the kernel is handed bytes; whoever calls it hands the result to ``go_on``."""
        return self._sock.send

    def go_on(self, data: bytes, sent: int) -> None:
        """Take over after a call of ``sender`` that took ``sent`` bytes, or failed (-1)."""
        if sent < 0:
            self.send(data)  # meets the same error again and knows what to do
        else:
            self._keep(memoryview(data)[sent:])

    def send(self, data: bytes) -> None:
        """Write ready frames; what the kernel does not take now follows when it does."""
        if not self.writable:
            if not self.closed and not self.closing:
                self._keep(data)
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._commons.loop.run_callback(self._lose, None)
            return
        if sent != len(data):
            self._keep(memoryview(data)[sent:])

    def send_ahead(self, data: bytes) -> None:
        """Write ready frames before what waits and is not begun; of a bounded number only."""
        if self._outbox is None or self.closing:
            self.send(data)
        else:
            self._outbox.push_ahead(data)
            self._commons.backlog.note(self, self._outbox.cost)

    def _keep(self, data: bytes | memoryview) -> None:
        outbox = self._open_outbox()
        most = self._commons.max_outbox_bytes
        if most is not None and outbox.size > most:
            # Deferred: whoever sends may be in the middle of a list of connections.
            self._commons.loop.run_callback(self.evict)
            return
        outbox.push(data)
        self._commons.backlog.note(self, outbox.cost)

    def _open_outbox(self) -> Outbox:
        if self._outbox is None:
            self._block()
            self._outbox = Outbox()
            self._write_watcher = self._commons.loop.io(self._sock.fileno(), WRITABLE)
            self._write_watcher.start(self._writable)
        return self._outbox

    def _send_pong(self, payload: bytes) -> None:
        """Answer a ping; of several that wait, only the latest (RFC 6455, 5.5.3)."""
        data = frame(PONG, payload)
        outbox = self._outbox
        if outbox is None or self.closing:
            self.send(data)
        else:
            outbox.push_latest(data)
            self._commons.backlog.note(self, outbox.cost)

    def _block(self) -> None:
        self.writable = False
        if self.on_blocked is not None:
            self.on_blocked(self)

    def _writable(self) -> None:
        outbox = self._outbox
        if outbox is None:
            return
        try:
            outbox.advance(self._sock.sendmsg(outbox.peek()))
        except BlockingIOError:
            return
        except OSError:
            self._lose(None)
            return
        if outbox.size:
            self._commons.backlog.note(self, outbox.cost)
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
            self._commons.backlog.note(self, 0)

    def evict(self) -> None:
        """Close at once: of all clients this one has most waiting, to it or from it."""
        if not self.closed:
            self.abort()
            self.owner.on_lost(self, MOST_WAITS)

    def end_stalled(self) -> None:
        """Close at once: the client takes nothing of its backlog."""
        if not self.closed:
            self.abort()
            self.owner.on_lost(self, STALLED)

    # In

    def _readable(self) -> None:
        if self._commons.slices.is_over:
            self._wait_for_slice()
        else:
            self.read_now()

    def _wait_for_slice(self) -> None:
        self._waits = True
        self._read_watcher.stop()
        is_new = self._share is None or self._share.is_small(monotonic())
        self._commons.slices.run_later(self._use_slice, is_new=is_new)

    def _use_slice(self) -> None:
        self._waits = False
        if self.closed or self._is_paused:
            return
        if self._has_rest:
            self._feed(b"")
        else:
            self.read_now()
        self._listen()

    def read_now(self) -> None:
        """Take what the kernel holds, unless frames wait that came before it."""
        if self.closed or self._is_paused or self._has_rest:
            return
        try:
            data = self._sock.recv(READ_BYTES)
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
        readers, self._has_rest = self._commons.readers, False
        reader, self._reader = self._reader or readers.lend(), None
        began_s = monotonic()
        self._has_rest = self._take_all(reader.feed(data), began_s)
        self._share = charge(self._share, began_s, monotonic())
        if self._over:
            self._commons.inbox.note(self, 0)
            return
        if reader.idle:
            readers.give_back(reader)
            self._has_rest = False
            self._commons.inbox.note(self, 0)
        else:
            self._reader = reader
            self._commons.inbox.note(self, reader.held_bytes)
        if self._has_rest:
            self._read_watcher.stop()
            self._listen()

    def _take_all(self, events: Iterator[Event], began_s: float) -> bool:
        """Take events while they matter and the slice lasts; tell whether some may be left."""
        slices = self._commons.slices
        for event in events:
            self._take(event)
            if self._over:
                return False
            if self._is_paused or slices.ends_piece(began_s):
                return True
        return False

    @property
    def _over(self) -> bool:
        """True when nothing more that the client sends matters."""
        return self.closed or self._failed or self._heard_close

    def _take(self, event: Event) -> None:
        if isinstance(event, str | bytes):
            if not self.closing:
                self.owner.on_message(self, event)
        elif isinstance(event, Ping):
            self._send_pong(event.payload)
            self._count_idle()
        elif isinstance(event, Nothing):
            if event.is_idle:
                self._count_idle()
        elif isinstance(event, Closed):
            self._echo_close(event.code)
        else:
            self.fail(event)

    def _count_idle(self) -> None:
        """Count a frame without content; too many of them end the connection."""
        now_s = monotonic()
        if self._quota is None:
            self._quota = Quota(now_s)
        if not self._quota.spend(now_s):
            self.fail(Violation(POLICY, "too many frames without content"))

    def _echo_close(self, code: int) -> None:
        self._heard_close = True
        self.close(code)
        if self._outbox is None:
            self._release()
        self.owner.on_lost(self, None)

    def fail(self, violation: Violation, prefix: bytes = b"") -> None:
        """Say, behind ``prefix``, what was violated and hear no more (RFC 6455, 7.1.7)."""
        if self.closed or self.closing:
            return
        self.close(violation.code, violation.reason, prefix)
        self._failed, self._has_rest, self._reader = True, False, None
        self._commons.inbox.note(self, 0)
        if self._outbox is None:
            self._shut_down()
        self.owner.on_lost(self, violation.reason)

    def _shut_down(self) -> None:
        # To close with unread bytes would be a reset, and the client might never see why.
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._lose(None)

    def _lose(self, violated: str | None) -> None:
        if self.closed:
            return
        self._release()
        self.owner.on_lost(self, violated)

    # Closing

    def close(self, code: int = NORMAL, reason: str = "", prefix: bytes = b"") -> None:
        """Start the closing handshake behind what is still to be written (RFC 6455, 7.1.2).

        The owner calls ``abort`` when the client takes too long to answer.
        """
        if self.closed or self.closing:
            return
        self.send(prefix + close_frame(code, reason))
        self.closing = True
        if not self.closed:
            self._commons.closing.add(self)
        self._block()
        self.resume()

    def abort(self) -> None:
        """Close at once and have the kernel forget what was not delivered."""
        if self.closed:
            return
        with suppress(OSError):  # some systems refuse when the client has gone already
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._release()

    def _release(self) -> None:
        self.closed = True
        self._commons.closing.discard(self)
        if self.on_released is not None:
            self.on_released()
        self._block()
        self._stop_writing()
        self._reader = None
        self._commons.inbox.note(self, 0)
        self._read_watcher.stop()
        self._read_watcher.close()
        self._sock.close()
