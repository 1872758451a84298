"""One WebSocket on the event loop: two callbacks, one outbox, no greenlet."""

import _socket
import socket
from collections.abc import Callable
from contextlib import suppress
from struct import pack
from typing import Any, Protocol

from gateway.transport.frames import NORMAL, PONG, close_frame, frame
from gateway.transport.outbox import Outbox
from gateway.transport.reader import Closed, Event, MessageReader, Ping, Violation

READABLE, WRITABLE = 1, 2
# One callback reads at most this much, so that a client that floods cannot hold the loop.
READ_BYTES = 16 * 1024
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


class WebSocketLink:
    """A taken-over connection after its 101. All methods return at once."""

    __slots__ = (
        "_failed",
        "_heard_close",
        "_loop",
        "_max_outbox_bytes",
        "_outbox",
        "_read_watcher",
        "_reader",
        "_readers",
        "_sock",
        "_write_watcher",
        "closed",
        "closing",
        "on_blocked",
        "owner",
        "writable",
    )

    def __init__(
        self,
        sock: _socket.socket,
        loop: Any,
        readers: Readers,
        owner: Owner,
        max_outbox_bytes: int,
    ) -> None:
        self._sock = sock
        self._loop = loop
        self._readers = readers
        self.owner = owner
        self._max_outbox_bytes = max_outbox_bytes
        self._outbox: Outbox | None = None
        self._reader: MessageReader | None = None
        self._write_watcher: Any = None
        self._read_watcher = loop.io(sock.fileno(), READABLE)
        self._heard_close = False
        self._failed = False
        self.closing = False
        self.closed = False
        self.writable = True
        self.on_blocked: Callable[[WebSocketLink], None] | None = None  # writable no longer

    def start(self, early: bytes = b"") -> None:
        """Listen; ``early`` is what was read before the connection was taken."""
        self.resume()
        if early:
            self._feed(early)

    def pause(self) -> None:
        """Stop listening; the client's data stays in its kernel."""
        self._read_watcher.stop()

    def resume(self) -> None:
        """Listen (again)."""
        if not self.closed and not self._read_watcher.active:
            self._read_watcher.start(self.read_now)

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
            self._loop.run_callback(self._lose, None)
            return
        if sent != len(data):
            self._keep(memoryview(data)[sent:])

    def send_ahead(self, data: bytes) -> None:
        """Write ready frames before what waits and is not begun; of a bounded number only."""
        if self._outbox is None or self.closing:
            self.send(data)
        else:
            self._outbox.push_ahead(data)

    def _keep(self, data: bytes | memoryview) -> None:
        if self._outbox is None:
            self._block()
            self._outbox = Outbox()
            self._write_watcher = self._loop.io(self._sock.fileno(), WRITABLE)
            self._write_watcher.start(self._writable)
        if self._outbox.size > self._max_outbox_bytes:
            # Deferred: whoever sends may be in the middle of a list of connections.
            self._loop.run_callback(self._overflow)
            return
        self._outbox.push(data)

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
        if not outbox.size:
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

    def _overflow(self) -> None:
        if not self.closed:
            self.abort()
            self.owner.on_lost(self, "takes too little of what it is sent")

    # In

    def read_now(self) -> None:
        """Take what the kernel holds."""
        if self.closed:
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
        reader, self._reader = self._reader or self._readers.lend(), None
        for event in reader.feed(data):
            self._take(event)
            if self._over:
                return
        if reader.idle:
            self._readers.give_back(reader)
        else:
            self._reader = reader

    @property
    def _over(self) -> bool:
        """True when nothing more that the client sends matters."""
        return self.closed or self._failed or self._heard_close

    def _take(self, event: Event) -> None:
        if isinstance(event, str | bytes):
            if not self.closing:
                self.owner.on_message(self, event)
        elif isinstance(event, Ping):
            self.send(frame(PONG, event.payload))
        elif isinstance(event, Closed):
            self._echo_close(event.code)
        else:
            self.fail(event)

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
        self._failed = True
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
        self._block()
        self._stop_writing()
        self._reader = None
        self._read_watcher.stop()
        self._read_watcher.close()
        self._sock.close()
