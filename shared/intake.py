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
sent most of the dropped bytes are cut off. To find them, a sample of the dropped messages notes the
descriptor of its connection.

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
SAMPLE_LOOKS = 8
"""One look in eight notes the senders of all messages it drops. Noting every eighth message would
find the same sender each time, because libzmq takes messages from the senders in turn."""
FLOOD_TURNS = 4
"""How many turns in a row must leave a full queue and a socket that is not empty. An honest
sender cannot cause this, because reading a message takes a tenth of the time to write it."""
FLOOD_PART = 2
"""The largest sender is cut off, and each peer that sent at least half as much. If only one were
cut off at a time, twenty peers that flood together would continue for eighty turns."""
SPARED_S = 0.3
"""How long a descriptor is not cut again: messages of its ended connection are still being read."""

NOBLOCK, RCVMORE = int(zmq.NOBLOCK), int(zmq.RCVMORE)
"""Plain integers, because using pyzmq's enumerations takes longer than the call itself."""
DESCRIPTOR = "__fd"
"""The property of a frame that holds the descriptor of its connection."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the queue and of one message. A message that is cut short is no longer valid."""

    messages_max: int
    bytes_max: int
    frames_kept: int
    bytes_kept: int


class Intake:
    """The queue of messages that were read from one socket and wait for its owner."""

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        bounds: Bounds,
        cut: Callable[[int], bool],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Read ``socket``. ``cut`` ends the connection of a descriptor and tells if it could."""
        self.dropped = 0
        """How many messages did not fit."""
        self._bounds = bounds
        self._cut = cut
        self._clock = clock
        self._waiting: deque[Frames] = deque()
        self._waiting_bytes = 0
        self.attach(socket)

    def attach(self, socket: "zmq.Socket[bytes]") -> None:
        """Read another socket from now on. Queued messages stay."""
        self._socket = socket
        self._frames: Frames = []  # the frames of the message being read
        self._size = 0
        self._is_dropping = False
        self._flood_turns = self._looks = 0
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
        self._looks += 1
        receive, get, bounds = self._socket.recv, self._socket.getsockopt, self._bounds
        try:
            for _ in range(LOOK_FRAMES):
                if not (self._frames or self._is_dropping) and self._is_full:
                    self._is_dropping = True
                    if self._looks % SAMPLE_LOOKS == 0:
                        self._note_sender()
                        continue
                frame = receive(NOBLOCK)
                self._size += len(frame)
                is_kept = len(self._frames) < bounds.frames_kept and self._size <= bounds.bytes_kept
                if not self._is_dropping and (is_kept or not self._frames):
                    self._frames.append(frame)
                if not get(RCVMORE):
                    self._finish()
        except zmq.Again:
            self._is_dropping = False  # libzmq delivers whole messages, so none is unfinished
            return True
        return False

    def _finish(self) -> None:
        """Queue the message that was read, unless it is being dropped."""
        if self._is_dropping:
            self.dropped += 1
        else:
            self._waiting.append(self._frames)
            self._waiting_bytes += _cost(self._frames)
        self._frames, self._size, self._is_dropping = [], 0, False

    def _note_sender(self) -> None:
        """Read the first frame of a dropped message, and note the descriptor of its connection.

        The connection may have ended and its descriptor may belong to another peer by now. That
        peer may then be cut off by mistake, once, and reconnects.
        """
        frame = self._socket.recv(NOBLOCK, copy=False)
        self._size += len(frame)
        if not frame.more:
            self._finish()
        try:
            self._senders[int(frame.get(DESCRIPTOR))] += len(frame) + FRAME_COST_BYTES
        except (zmq.ZMQError, ValueError):  # the message did not come over a network connection
            return

    def _cut_off(self) -> None:
        """Cut off the peers that sent most of the dropped bytes, unless they were just cut off."""
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
