"""A stranger's connections to a gateway: many at once, each closed when the attack is over."""

import re
import selectors
import socket
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from tests.timing import scaled_s

ATTACKER, HONEST = "127.0.0.2", "127.0.0.1"
"""An attacker has an address of its own, so that the gateway can tell it from an honest client."""
LASTS_S = 0.3
"""How long one attack goes on: long enough for thirty turns, short enough for many attacks."""
BYTES_MAX = 2_000_000
"""What one attack sends on one connection at most."""
FRAMES_BYTES_MAX = 120_000
"""Of tiny frames: 20,000 of them on each connection are a second's work for a gateway."""
WAIT_S = 5.0
"""For an answer that has to come."""
UNREAD_BUFFER = 4096
"""The kernel's buffer of a client that reads nothing: the rest waits in the gateway."""
READS, WRITES = selectors.EVENT_READ, selectors.EVENT_WRITE
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
POLL = "/socket.io/?EIO=4&transport=polling"


class Target(NamedTuple):
    """The ports of the gateway that is attacked."""

    web: int
    device_bind: int
    replay_bind: int


class Attacker:
    """Opens connections and floods them; closes all of them at the end."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._lines: list[socket.socket] = []
        self._sessions: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for line in self._lines:
            line.close()
        self._end_sessions()

    # Connections

    def line(self, first: bytes = b"", *, source: str = ATTACKER, unread: bool = False) -> "Line":
        """Connect and send ``first``; ``unread`` makes the kernel's buffer for answers small."""
        line = socket.socket()
        self._lines.append(line)
        if unread:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BUFFER)
        try:
            line.bind((source, 0))
        except OSError:
            pytest.skip("this system has one loopback address only")
        line.settimeout(scaled_s(WAIT_S))
        with suppress(OSError):  # the gateway may refuse it: that is its right
            line.connect((HONEST, self.target.web))
            line.sendall(first)
        return line

    def lines(self, count: int, first: bytes = b"", *, unread: bool = False) -> list["Line"]:
        """Make ``count`` connections."""
        return [self.line(first, unread=unread) for _ in range(count)]

    def websockets(self, count: int, then: bytes = b"", *, unread: bool = False) -> list["Line"]:
        """Open sessions by WebSocket that join the namespace, and send ``then``."""
        lines = self.lines(count, upgrade() + frame(TEXT, b"40"), unread=unread)
        for line in lines:
            receive_until(line, b'40{"sid"')
            line.sendall(then)
        return lines

    def sessions(self, count: int, *, each: int = 1) -> list[str]:
        """Open sessions by polling, ``each`` on one of ``count`` lines; return their ids."""
        lines = self.lines(count, request(POLL) * each)
        answers = b"".join(receive_until(line, b"HTTP/1.1 ", b"}", times=each) for line in lines)
        opened = re.findall(r'"sid":"([^"]+)"', answers.decode())
        self._sessions += opened
        return opened

    def _end_sessions(self) -> None:
        """End the sessions by polling: each would keep a place for 18 s from the next attack."""
        ends = [request(f"{POLL}&sid={it}", method="POST", body=b"1") for it in self._sessions]
        if ends:
            self.exchange(b"".join(ends) + request("/healthz", "Connection: close"))

    # Talking

    def exchange(self, sent: bytes, *, source: str = ATTACKER) -> bytes:
        """Send bytes on a connection of their own; return all that comes before its end."""
        line = self.line(sent, source=source)
        heard = b""
        with suppress(OSError):
            while part := line.recv(65_536):
                heard += part
        line.close()
        return heard


Line = socket.socket


def pour(
    lines: Sequence[Line],
    piece: bytes,
    *,
    lasts_s: float = LASTS_S,
    bytes_max: int = BYTES_MAX,
    reads: bool = True,
    pause_s: float = 0.0,
) -> None:
    """Send a piece over and over on all lines, until it is time or the gateway closed them.

    With ``reads`` what comes back is read and forgotten. ``pause_s`` lies between two rounds: the
    pace of an attack that is slow on purpose.
    """
    sent = dict.fromkeys(lines, 0)
    until_s = monotonic() + lasts_s
    with selectors.DefaultSelector() as watched:
        for line in lines:
            line.setblocking(False)
            watched.register(line, WRITES | (READS if reads else 0), line)
        while watched.get_map() and (left_s := until_s - monotonic()) > 0:
            for key, events in watched.select(left_s):
                ready = key.data
                if not _read_and_write(ready, events, piece, sent):
                    watched.unregister(ready)
                elif sent[ready] >= bytes_max and reads:
                    watched.modify(ready, READS, ready)
                elif sent[ready] >= bytes_max:
                    watched.unregister(ready)
            sleep(pause_s)


def _read_and_write(line: Line, events: int, piece: bytes, sent: dict[Line, int]) -> bool:
    """Do each at most once; return False when the connection has ended."""
    try:
        if events & READS and not line.recv(1 << 18):
            return False
        if events & WRITES:
            sent[line] += line.send(memoryview(piece)[sent[line] % len(piece) :])
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def receive_until(line: Line, *marks: bytes, times: int = 1) -> bytes:
    """Read until each mark was heard so many times; fail when the connection ends before."""
    heard = b""
    while any(heard.count(mark) < times for mark in marks):
        part = line.recv(65_536)
        assert part, f"closed after {heard[:200]!r}"
        heard += part
    return heard


def reset(lines: Iterable[Line]) -> None:
    """End connections by RST."""
    for line in lines:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        line.close()


# What is sent


def request(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """Make a request of HTTP/1.1."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *length, *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def upgrade(path: str = "/socket.io/?EIO=4&transport=websocket", *headers: str) -> bytes:
    """Make a request for a WebSocket."""
    wanted = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    return request(path, *wanted, f"Sec-WebSocket-Key: {KEY}", *headers)


def frame(kind: int, payload: bytes = b"", *, is_last: bool = True) -> bytes:
    """Frame what a client sends, with a mask that changes nothing."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65_536:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes(((0x80 if is_last else 0) | kind,)) + length + bytes(4) + payload


def event(name: str, body: str) -> bytes:
    """Frame a Socket.IO event."""
    return frame(TEXT, f'42["{name}",{body}]'.encode())
