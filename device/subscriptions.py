"""The subscriptions of a device's XPUB, which takes useful ones only.

A PUB keeps every topic that somebody subscribes to, in a tree with a node for each byte: 30 MB of
them took 1 GB (measured). Here a subscription counts if it is the beginning of a topic that this
device publishes, the empty one too; everything else is ignored and counted.

libzmq has two weak places behind that. It keeps ignored subscriptions too, until their peer leaves;
so the peer with most of them is cut off when there are too many in all. And a
flood of subscriptions holds whoever sends or receives on the socket until it ends: libzmq takes
in all of them at once. So :mod:`shared.doorkeeper`, from its own thread, cuts off a peer that
sends more than :func:`allowance`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import zmq

from shared.doorkeeper import Allowance, Door, Peer
from shared.intake import DESCRIPTOR
from shared.wire import reading_topic, status_topic

TURN_MESSAGES = 256
"""Read in a turn, a millisecond; publishing goes first."""
IGNORED_MAX = 10_000
"""Ignored subscriptions that libzmq keeps, of all peers: 32 MB where they are as long as can be."""
FRAME_BYTES_MAX = 512
"""A topic has 80 bytes; the frame that greets a peer may carry a name of 255."""
BURST_BYTES, BURST_BYTES_A_BIKE, BYTES_A_S = 128 * 1024, 400, 4 * 1024
"""A gateway sends 60 bytes, and a heartbeat a second. Who wants single bikes sends two topics of at
most 90 bytes for each, and may do so twice; who wants bikes that are elsewhere sends more."""
SUBSCRIBE, UNSUBSCRIBE = b"\1", b"\0"


def allowance(bikes: int) -> Allowance:
    """Return what a subscriber of a device with so many bikes may send."""
    return Allowance(BURST_BYTES + BURST_BYTES_A_BIKE * bikes, BYTES_A_S)


@dataclass(slots=True)
class Subscriptions:
    """The subscriptions of one XPUB in manual mode."""

    pub: "zmq.Socket[bytes]"
    doors: Iterable[Door]
    device_ids: Iterable[str]
    ignored: int = 0
    """Messages that were no useful subscription."""
    _topics: list[bytes] = field(init=False)
    _kept: Counter[Peer] = field(default_factory=Counter)  # ignored ones

    def __post_init__(self) -> None:
        kinds = (reading_topic, status_topic)
        self._topics = sorted(topic(name) for name in self.device_ids for topic in kinds)

    def turn(self) -> None:
        """Take in what peers want, up to a bounded amount."""
        for _ in range(TURN_MESSAGES):
            try:
                frame = self.pub.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._receive(frame)

    def _receive(self, frame: zmq.Frame) -> None:
        kind, topic = frame.bytes[:1], frame.bytes[1:]
        if not self._is_useful(topic) or kind not in (SUBSCRIBE, UNSUBSCRIBE):
            self.ignored += 1
            self._note_ignored(frame, is_kept=kind == SUBSCRIBE)
        elif kind == SUBSCRIBE:  # of the peer whose message was read last
            self.pub.setsockopt(zmq.SUBSCRIBE, topic)
        else:
            self.pub.setsockopt(zmq.UNSUBSCRIBE, topic)

    def _is_useful(self, topic: bytes) -> bool:
        place = bisect_left(self._topics, topic)
        return place < len(self._topics) and self._topics[place].startswith(topic)

    def _note_ignored(self, frame: zmq.Frame, *, is_kept: bool) -> None:
        """Count what libzmq keeps of a peer, and cut off the greatest when it is too much."""
        peer = self._sender(frame)
        if peer is None:
            return
        self._kept[peer] += 1 if is_kept else -1
        if is_kept and self._kept.total() > IGNORED_MAX:
            self._make_room()

    def _sender(self, frame: zmq.Frame) -> Peer | None:
        """Find the peer that sent a frame; None when it has left."""
        try:
            descriptor = int(frame.get(DESCRIPTOR))
        except (zmq.ZMQError, ValueError):
            return None
        return next(filter(None, (door.peer(descriptor) for door in self.doors)), None)

    def _make_room(self) -> None:
        """Forget the peers that left; if that is not enough, cut off the one with most."""
        for peer in list(self._kept):
            if not any(door.peer(peer.descriptor) is peer for door in self.doors):
                del self._kept[peer]
        while self._kept.total() > IGNORED_MAX:
            ((peer, _),) = self._kept.most_common(1)
            del self._kept[peer]
            for door in self.doors:
                door.cut(peer.descriptor)
