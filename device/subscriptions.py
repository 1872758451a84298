"""The subscriptions of a device's XPUB. Only useful ones are accepted.

How it works. A PUB keeps every topic that a peer subscribes to, in a tree with a node for each
byte: 30 MB of topics took 1 GB (measured). So this XPUB is in manual mode: a subscription is
accepted only if it is the beginning of a topic that this device publishes, or empty. Every other
one is ignored and counted.

Two weak places of libzmq remain. It keeps ignored subscriptions until their peer leaves; when all
peers together have too many, the peer with the most is cut off. And libzmq reads all subscriptions
of a flood at once, in the call that sends or receives next; so :mod:`shared.doorkeeper`, in its own
thread, cuts off a peer that sends more than :func:`allowance`.
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
"""Read in a turn; takes a millisecond."""
IGNORED_MAX = 10_000
"""Ignored subscriptions of all peers that libzmq keeps: at most 32 MB."""
FRAME_BYTES_MAX = 512
"""A topic has 80 bytes; the frame of ZeroMQ's handshake may carry a name of 255."""
BURST_BYTES, BURST_BYTES_A_BIKE, BYTES_A_S = 128 * 1024, 400, 4 * 1024
"""A gateway sends 60 bytes, and a heartbeat a second. A peer that wants single bikes sends two
topics of at most 90 bytes for each bike, and may repeat them. Topics of bikes that other devices
publish come on top."""
SUBSCRIBE, UNSUBSCRIBE = b"\1", b"\0"


def allowance(bikes: int) -> Allowance:
    """Return how much a subscriber may send to a device with this many bikes."""
    return Allowance(BURST_BYTES + BURST_BYTES_A_BIKE * bikes, BYTES_A_S)


@dataclass(slots=True)
class Subscriptions:
    """The subscriptions of one XPUB in manual mode."""

    pub: "zmq.Socket[bytes]"
    doors: Iterable[Door]
    device_ids: Iterable[str]
    ignored: int = 0
    """Messages that were not accepted."""
    _topics: list[bytes] = field(init=False)
    _kept: Counter[Peer] = field(default_factory=Counter)  # ignored ones, by peer

    def __post_init__(self) -> None:
        kinds = (reading_topic, status_topic)
        self._topics = sorted(topic(name) for name in self.device_ids for topic in kinds)

    def turn(self) -> None:
        """Read a bounded number of subscriptions."""
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
        elif kind == SUBSCRIBE:  # libzmq applies it to the peer whose message was read last
            self.pub.setsockopt(zmq.SUBSCRIBE, topic)
        else:
            self.pub.setsockopt(zmq.UNSUBSCRIBE, topic)

    def _is_useful(self, topic: bytes) -> bool:
        place = bisect_left(self._topics, topic)
        return place < len(self._topics) and self._topics[place].startswith(topic)

    def _note_ignored(self, frame: zmq.Frame, *, is_kept: bool) -> None:
        """Count an ignored subscription; with too many in all, cut off the peer with the most."""
        peer = self._sender(frame)
        if peer is None:
            return
        self._kept[peer] += 1 if is_kept else -1
        if is_kept and self._kept.total() > IGNORED_MAX:
            self._make_room()

    def _sender(self, frame: zmq.Frame) -> Peer | None:
        """Return the peer that sent a frame; None if it left."""
        try:
            descriptor = int(frame.get(DESCRIPTOR))
        except (zmq.ZMQError, ValueError):
            return None
        return next(filter(None, (door.peer(descriptor) for door in self.doors)), None)

    def _make_room(self) -> None:
        """Drop the counts of peers that left, then cut off the peers with the most."""
        for peer in list(self._kept):
            if not any(door.peer(peer.descriptor) is peer for door in self.doors):
                del self._kept[peer]
        while self._kept.total() > IGNORED_MAX:
            ((peer, _),) = self._kept.most_common(1)
            del self._kept[peer]
            for door in self.doors:
                door.cut(peer.descriptor)
