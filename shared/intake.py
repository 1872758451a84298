"""Reads a ZeroMQ socket ahead of its owner, so that libzmq's own queue is never full.

Why. libzmq 4.3.5 aborts the process when three things meet: a receive queue is full, so that libzmq
stops to read the connection; the peer leaves; and a heartbeat is due on that connection, ours or a
PING of the peer that was read already (``stream_engine_base.cpp``: ``out_event`` asserts that there
was no error; libzmq issues 3937 and 4767). A stranger has the last two in his hand, so the first
must not happen: receiving sockets have no high-water mark
(:func:`shared.keepalive.never_full`), and the bound is here. All
that came is read, for a bounded time; what does not fit is dropped.

A flood that comes faster than it can be read would pile up in libzmq. After some turns without an
end the peers that sent most of it are cut off.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias

import zmq

Frames: TypeAlias = list[bytes]

FRAME_COST_BYTES = 64
"""What a frame takes in memory beside its bytes."""
LOOK_FRAMES = 16
"""Frames read between two looks at the clock: 2 ms of the largest, 16 us of small ones."""
SAMPLE_LOOKS = 8
"""Of so many looks one notes the senders of all that it drops. To note each eighth message would
find the same sender every time, because libzmq takes turns among them."""
FLOOD_TURNS = 4
"""Turns in a row, with a full queue, that did not read a socket empty. Who sends honestly cannot:
reading takes a tenth of what writing a message took."""
FLOOD_PART = 2
"""The greatest sender is cut off, and each peer that sent at least half as much: twenty peers that
flood together would go on for eighty turns if only one of them were cut off at a time."""
SPARED_S = 0.3
"""Between two cuts of one descriptor: what the first of its connections sent is still read."""

NOBLOCK, RCVMORE = int(zmq.NOBLOCK), int(zmq.RCVMORE)
"""As plain integers: pyzmq's enumerations cost more than what they are asked for."""
DESCRIPTOR = "__fd"
"""The property of a frame that names the connection it came on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the queue, and of one message; a message that is cut is not valid any more."""

    messages_max: int
    bytes_max: int
    frames_kept: int
    bytes_kept: int


class Intake:
    """The messages that were read from one socket and wait for its owner."""

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        bounds: Bounds,
        cut: Callable[[int], bool],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Read ``socket``; ``cut`` ends the connection of a descriptor, if it can."""
        self.dropped = 0
        """Messages that did not fit."""
        self._bounds = bounds
        self._cut = cut
        self._clock = clock
        self._waiting: deque[Frames] = deque()
        self._waiting_bytes = 0
        self.attach(socket)

    def attach(self, socket: "zmq.Socket[bytes]") -> None:
        """Read another socket from now on; messages that wait stay."""
        self._socket = socket
        self._frames: Frames = []  # of the message that is being read
        self._size = 0
        self._is_dropping = False
        self._flood_turns = self._looks = 0
        self._spared_until_s: dict[int, float] = {}  # by descriptor, and so few
        self._senders: Counter[int] = Counter()

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)

    def take(self) -> Frames | None:
        """Hand out the message that waits longest."""
        if not self._waiting:
            return None
        frames = self._waiting.popleft()
        self._waiting_bytes -= _cost(frames)
        return frames

    def read(self, max_s: float) -> bool:
        """Read for ``max_s`` at most; tell whether the socket was found empty.

        Nothing else reads the socket: a message may be read in several turns.
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
        """Read :data:`LOOK_FRAMES` frames at most; tell whether those were all."""
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
            self._is_dropping = False  # libzmq gives out a message as a whole: none had begun
            return True
        return False

    def _finish(self) -> None:
        """Put the message that was read behind those that wait, unless it is being dropped."""
        if self._is_dropping:
            self.dropped += 1
        else:
            self._waiting.append(self._frames)
            self._waiting_bytes += _cost(self._frames)
        self._frames, self._size, self._is_dropping = [], 0, False

    def _note_sender(self) -> None:
        """Read the first frame of a message that is dropped, and note what connection it came on.

        A message in libzmq's queue may be of a connection that has ended, and whose descriptor is
        another's by now; that one may be cut off in its place, once, and comes back.
        """
        frame = self._socket.recv(NOBLOCK, copy=False)
        self._size += len(frame)
        if not frame.more:
            self._finish()
        try:
            self._senders[int(frame.get(DESCRIPTOR))] += len(frame) + FRAME_COST_BYTES
        except (zmq.ZMQError, ValueError):  # it came on no connection of a network
            return

    def _cut_off(self) -> None:
        """Cut off the peers that sent most of the dropped bytes, and were not cut off just now."""
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
