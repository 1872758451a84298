"""Puts readings in order as a gateway does, and returns the lines to write.

How it works. Each bike has a :class:`~gateway.feed.feed.Feed` of the gateway. It hands a reading on
when all before it have come, asks the bike's replay for missing ones, and announces a gap for those
that do not come. The recorder begins with the first message of a bike: without slots for a
backfill, a feed does not fetch the history from before. At the end :meth:`Recorder.finish` hands on
the readings that still wait.

Invariant: ``written`` of a reading in a feed holds the bytes that the bike published.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from device.record.lines import encode_gap, encode_line
from gateway.domain import Now
from gateway.feed.backfill import BackfillSlots
from gateway.feed.effects import Announce, Ask, Effects, Take
from gateway.feed.feed import Feed
from gateway.feed.reorder_buffer import ReorderBuffer, ReorderTotal
from gateway.upstream.replay_client import FeedReply, ReplayClient, Requests
from gateway.upstream.sockets import Incoming
from shared.errors import BadMessage
from shared.reading import Reading, Status
from shared.wire import (
    ReplayAnswer,
    ReplayRefusal,
    Serve,
    decode_message,
    decode_reading,
    encode_reading,
)

HOLE_MAX = 20_000
"""The largest hole that is asked for as a whole: what a device keeps in memory."""
LATER_S = 3_600.0
"""At the end everything that is missing has waited long enough."""


@dataclass(slots=True)
class Recorder:
    """The feeds of all bikes that are recorded; ``only`` names them, or is empty for all."""

    replay: ReplayClient
    devices_max: int
    repair_s: float
    only: Collection[str] = ()
    readings: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Messages that were not recorded, by reason."""
    requests: Requests = field(default_factory=list)
    """Questions to send; the caller empties the list."""
    _feeds: dict[str, Feed] = field(default_factory=dict)
    _held: ReorderTotal = field(default_factory=ReorderTotal)

    def receive(self, message: Incoming, now: Now) -> bytes:
        """Take in a message of a bike, and return the lines to write."""
        try:
            take_in = self._live if message.kind == "live" else self._reply
            return take_in(message, now)
        except BadMessage as error:
            return self._refuse(error, now)

    def tick(self, now: Now) -> bytes:
        """Judge the timeouts of all feeds, and return the lines to write."""
        due = [feed for feed in self._feeds.values() if feed.needs_tick(now)]
        return b"".join(self._carry_out(feed, feed.tick(now), now) for feed in due)

    def is_repairing(self, now: Now) -> bool:
        """Tell whether readings are missing that a replay may still have."""
        return any(feed.is_repairing(now) for feed in self._feeds.values())

    def finish(self, now: Now) -> bytes:
        """Hand on all readings that wait for others, with gaps between them."""
        later = Now(now.monotonic_s + LATER_S, now.wall_ms)
        return b"".join(
            self._carry_out(feed, _up_to_last_reading(feed.tick(later)), now)
            for feed in self._feeds.values()
        )

    def _refuse(self, error: BadMessage, now: Now) -> bytes:
        """Count a message that cannot be used; it may leave a hole, which is then no loss."""
        self.refused[error.reason] += 1
        feed = self._feeds.get(error.device_id or "")
        if feed is None or error.position is None:
            return b""
        return self._carry_out(feed, feed.receive_invalid(error.position, now), now)

    # --- messages ----------------------------------------------------------------------------

    def _live(self, message: Incoming, now: Now) -> bytes:
        decoded = decode_message(message.frames)
        content = decoded if isinstance(decoded, Status) else decoded.reading
        feed = self._feed(content.device_id)
        if feed is None:
            return b""
        if isinstance(content, Status):
            return self._carry_out(feed, feed.receive_status(content, now), now)
        reading = replace(content, written=message.frames[-1])
        return self._carry_out(feed, feed.receive_reading(reading, now), now)

    def _reply(self, message: Incoming, now: Now) -> bytes:
        match self.replay.receive(message.route, message.frames, now.monotonic_s):
            case FeedReply(purpose, ReplayAnswer(device_id=device_id) as answer):
                feed = self._feeds[device_id]
                whole = replace(answer, readings=_as_published(answer, message.frames[1:]))
                return self._carry_out(feed, feed.receive_answer(purpose, whole, now), now)
            case FeedReply(purpose, ReplayRefusal(device_id=device_id, code=code)):
                feed = self._feeds[device_id]
                refuse = feed.receive_busy if code == "busy" else feed.receive_no_answer
                return self._carry_out(feed, refuse(purpose, now), now)
            case Serve(devices=offered):
                feeds = [self._feeds[name] for name in offered if name in self._feeds]
                return b"".join(self._carry_out(it, it.replay_offered(now), now) for it in feeds)
        return b""

    def _feed(self, device_id: str) -> Feed | None:
        """Find or begin the feed of a bike; None if it is not recorded."""
        feed = self._feeds.get(device_id)
        if feed is not None or (self.only and device_id not in self.only):
            return feed
        if len(self._feeds) >= self.devices_max:
            self.refused["table_full"] += 1
            return None
        buffer, nothing = ReorderBuffer(self._held), BackfillSlots(limit=0)
        feed = Feed(device_id, HOLE_MAX, self.repair_s, buffer, nothing)
        self._feeds[device_id] = feed
        return feed

    # --- effects -----------------------------------------------------------------------------

    def _carry_out(self, feed: Feed, effects: Effects, now: Now) -> bytes:
        """Return the lines of the readings and gaps among some effects, and ask questions."""
        lines: list[bytes] = []
        for effect in effects:
            match effect:
                case Take(reading):
                    self.readings[feed.device_id] += 1
                    lines.append(
                        encode_line(now.wall_ms, reading.written or encode_reading(reading))
                    )
                case Announce(gap):
                    self.gaps[str(gap.reason)] += 1
                    lines.append(encode_gap(gap.body()))
                case Ask():
                    lines.append(self._ask(feed, effect, now))
        return b"".join(lines)

    def _ask(self, feed: Feed, ask: Ask, now: Now) -> bytes:
        """Ask for missing readings; return the lines to write if there is no replay to ask."""
        asked = self.replay.requests_for(feed.device_id, *ask, now.monotonic_s)
        self.requests += asked
        if asked:
            return b""
        if self.replay.may_be_offered(feed.device_id, now.monotonic_s):
            return self._carry_out(feed, feed.receive_busy(ask.purpose, now), now)
        return self._carry_out(feed, feed.receive_no_answer(ask.purpose, now), now)


def _up_to_last_reading(effects: Effects) -> Effects:
    """Leave out the gaps after the last reading: those readings may have come later."""
    last = max((at for at, effect in enumerate(effects) if isinstance(effect, Take)), default=-1)
    return effects[: last + 1]


def _as_published(answer: ReplayAnswer, payloads: Sequence[bytes]) -> tuple[Reading, ...]:
    """Return the readings of an answer with the bytes of its frames."""
    if all(reading.written is not None for reading in answer.readings):
        return answer.readings
    published = {reading.cursor: reading for reading in _decoded(answer.device_id, payloads)}
    return tuple(published.get(reading.cursor, reading) for reading in answer.readings)


def _decoded(device_id: str, payloads: Sequence[bytes]) -> Iterator[Reading]:
    for payload in payloads:
        try:
            yield replace(decode_reading(payload, device_id).reading, written=payload)
        except BadMessage:
            continue
