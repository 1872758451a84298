"""Reads a ZeroMQ socket into a bounded queue, so that libzmq's own queue never fills up.

Why. libzmq 4.3.5 aborts the process when three conditions meet: a receive queue is full, so libzmq
stops reading the connection; the peer disconnects; and a heartbeat is due on that connection, ours
or a PING of the peer that libzmq has already read (``stream_engine_base.cpp``: ``out_event``
asserts that there was no error; libzmq issues 3937 and 4767). Any peer can cause the last two. So
the first must not happen: receiving sockets have no high-water mark
(:func:`shared.keepalive.never_full`), and the bound is in this module.

How it works. In each turn the owner calls :meth:`Intake.read`, which reads the socket until it is
empty or the time is up. Messages go into the queue. When the queue is full, further messages are
read and dropped, because unread messages would occupy libzmq's memory.

A flood can arrive faster than it can be read and would then grow in libzmq. After
:data:`FLOOD_TURNS` turns with a full queue and a socket that did not become empty, the peers that
sent most of the dropped bytes are cut off. :mod:`shared.unread` limits what libzmq holds until
then, and what it holds of messages whose last frame never comes. For both, each message is counted
for the descriptor of its connection. Frames are received without a copy: only such a frame knows
its descriptor, and it costs less than a copy and a question for more frames.

Invariants: only this module reads the socket; a message is either queued or dropped as a whole; the
queue exceeds its limits by at most one message.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias

import zmq

Frames: TypeAlias = list[bytes]

FRAME_COST_BYTES = 64
"""The memory that a frame takes besides its bytes."""
LOOK_FRAMES = 16
"""How many frames are read between two looks at the clock: 2 ms for the largest frames, 16 us
for small ones."""
FLOOD_TURNS = 4
"""How many turns in a row must leave a full queue and a socket that is not empty. An honest
sender cannot cause this, because reading a message takes a tenth of the time to write it."""
FLOOD_PART = 2
"""The largest sender is cut off, and each peer that sent at least half as much. If only one were
cut off at a time, twenty peers that flood together would continue for eighty turns."""
SPARED_S = 0.3
"""How long a descriptor is not cut again: messages of its ended connection are still being read."""

NOBLOCK = int(zmq.NOBLOCK)
"""A plain integer, because using pyzmq's enumerations takes longer than the call itself."""
DESCRIPTOR = "__fd"
"""The property of a frame that holds the descriptor of its connection."""
NO_DESCRIPTOR = -1
LONG_HEADER_FROM, LONG_HEADER_BYTES, SHORT_HEADER_BYTES = 256, 9, 2
"""ZMTP writes so many bytes in front of a frame, depending on the frame's size."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the queue and of one message. A message that is cut short is no longer valid."""

    messages_max: int
    bytes_max: int
    frames_kept: int
    bytes_kept: int
    frame_bytes_max: int
    """Of a longer frame one byte more than this is kept, so that it is still too long."""


def ignore(_descriptor: int, _size: int) -> None:
    """Count nothing: the way of a socket whose peers nobody watches."""


class Intake:
    """The queue of messages that were read from one socket and wait for its owner."""

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        bounds: Bounds,
        cut: Callable[[int], bool],
        note_read: Callable[[int, int], None] = ignore,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Read ``socket``.

        ``cut`` ends the connection of a descriptor and tells if it could. ``note_read`` counts the
        bytes of a message that was read, for the descriptor of its connection.
        """
        self.dropped = 0
        """How many messages did not fit."""
        self._bounds = bounds
        self._cut = cut
        self._note_read = note_read
        self._clock = clock
        self._waiting: deque[Frames] = deque()
        self._waiting_bytes = 0
        self.attach(socket)

    def attach(self, socket: "zmq.Socket[bytes]") -> None:
        """Read another socket from now on. Queued messages stay."""
        self._socket = socket
        self._frames: Frames = []  # the frames of the message being read
        self._size = self._wire_bytes = 0
        self._is_dropping = False
        self._sender: int | None = None  # None between two messages
        self._flood_turns = 0
        self._spared_until_s: dict[int, float] = {}  # by descriptor, which bounds it
        self._senders: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Frames | None:
        """Remove and return the oldest message, or None."""
        if not self._waiting:
            return None
        frames = self._waiting.popleft()
        self._waiting_bytes -= _cost(frames)
        return frames

    def read(self, max_s: float) -> bool:
        """Read for at most ``max_s`` seconds; tell whether the socket became empty.

        Reading one message may take several turns.
        """
        until_s = self._clock() + max_s
        is_emptied = False
        while not is_emptied and self._clock() < until_s:
            is_emptied = self._read_some()
        is_flooded = self._is_full and not is_emptied
        self._flood_turns = self._flood_turns + 1 if is_flooded else 0
        if self._flood_turns >= FLOOD_TURNS:
            self._cut_off()
        return is_emptied

    @property
    def _is_full(self) -> bool:
        bounds = self._bounds
        return len(self) >= bounds.messages_max or self._waiting_bytes >= bounds.bytes_max

    def _read_some(self) -> bool:
        """Read at most :data:`LOOK_FRAMES` frames; tell whether the socket became empty."""
        receive = self._socket.recv
        try:
            for _ in range(LOOK_FRAMES):
                frame = receive(NOBLOCK, False)
                if self._sender is None:
                    self._sender = _descriptor(frame)
                    self._is_dropping = self._is_full
                self._add(frame)
                if not frame.more:
                    self._finish()
        except zmq.Again:
            return True  # libzmq delivers whole messages, so none is unfinished
        return False

    def _add(self, frame: zmq.Frame) -> None:
        """Keep a frame of the message being read, or a part of it, as the bounds say."""
        bounds, size = self._bounds, len(frame)
        header_bytes = LONG_HEADER_BYTES if size >= LONG_HEADER_FROM else SHORT_HEADER_BYTES
        self._wire_bytes += size + header_bytes
        if self._is_dropping:
            return
        self._size += size
        is_kept = len(self._frames) < bounds.frames_kept and self._size <= bounds.bytes_kept
        if is_kept or not self._frames:
            is_long = size > bounds.frame_bytes_max
            piece = bytes(frame.buffer[: bounds.frame_bytes_max + 1]) if is_long else frame.bytes
            self._frames.append(piece)

    def _finish(self) -> None:
        """Queue the message that was read, unless it is being dropped."""
        sender = NO_DESCRIPTOR if self._sender is None else self._sender
        self._note_read(sender, self._wire_bytes)
        if self._is_dropping:
            self.dropped += 1
            self._senders[sender] += self._wire_bytes + FRAME_COST_BYTES
        else:
            self._waiting.append(self._frames)
            self._waiting_bytes += _cost(self._frames)
        self._frames, self._sender, self._size, self._wire_bytes = [], None, 0, 0

    def _cut_off(self) -> None:
        """Cut off the peers that sent most of the dropped bytes, unless they were just cut off.

        A connection may have ended and its descriptor may belong to another peer by now. That peer
        may then be cut off by mistake, once, and reconnects.
        """
        self._flood_turns = most = 0
        now_s = self._clock()
        for descriptor, sent in self._senders.most_common():
            if sent * FLOOD_PART < most:
                break
            is_spared = now_s < self._spared_until_s.get(descriptor, now_s)
            if not is_spared and self._cut(descriptor):
                self._spared_until_s[descriptor] = now_s + SPARED_S
                most = most or sent
        self._senders.clear()


def _cost(frames: Frames) -> int:
    return sum(map(len, frames)) + FRAME_COST_BYTES * len(frames)


def _descriptor(frame: zmq.Frame) -> int:
    """Return the descriptor of the connection that a message came over."""
    try:
        return int(frame.get(DESCRIPTOR))
    except (zmq.ZMQError, ValueError):  # it did not come over a network connection
        return NO_DESCRIPTOR
