"""Judges the order of one device's messages with the feed of a gateway.

How it works. Every message goes through a :class:`~gateway.feed.feed.Feed`, the gateway's own code,
that has no replay to ask. The feed returns effects: a reading it dropped, a message it refused, a
gap it announced. Each of these is noted as a fault. So the check never finds a publisher right that
a gateway would not show.

Before each message the feed judges its timeouts as of one turn (:data:`TURN_S`) earlier: a gateway
reads the messages that came before it judges timeouts.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from device.check.findings import Findings
from gateway.domain import Gap, Now
from gateway.feed.effects import Announce, Ask, Count, Effect, Effects, Seen
from gateway.feed.feed import Feed
from gateway.feed.retransmission import SILENT_HOLD_S
from shared.cursor import START, Cursor
from shared.errors import BadMessage
from shared.reading import Reading, Status

CAPACITY = 6_000
"""The readings of a device that a gateway holds by default."""
TURN_S = 0.025
"""A gateway judges timeouts this often, after it has read the messages of the turn."""
HOLES_MAX = 1_000
_COUNTED = {
    "old_epoch": ("epoch_back", "an epoch must be greater than all before"),
    "future_epoch": ("epoch_future", "use the start's time in milliseconds"),
    "far_seq": ("far_seq", "numbers go up by one"),
}
"""By the feed's reason: the code of the finding, and the rule for the message."""


class Hole(NamedTuple):
    """Numbers ``first`` to ``last`` of an epoch that never came."""

    epoch: int
    first: int
    last: int


@dataclass(slots=True)
class SequenceJudge:
    """One device's feed, and the holes in its numbers."""

    device_id: str
    findings: Findings
    newest: Cursor = START
    """The greatest position of a reading so far."""
    holes: deque[Hole] = field(default_factory=lambda: deque(maxlen=HOLES_MAX))
    _feed: Feed = field(init=False)
    _not_restarted: deque[int] = field(default_factory=lambda: deque(maxlen=HOLES_MAX))

    def __post_init__(self) -> None:
        self._feed = Feed(self.device_id, CAPACITY, repair_s=SILENT_HOLD_S)

    def receive_reading(self, reading: Reading, now: Now) -> None:
        """Judge the position of a reading."""
        self._pass_time(now, -TURN_S)
        self._judge_restart(reading.cursor)
        self._judge_all(self._feed.receive_reading(reading, now), now)
        self.newest = max(self.newest, reading.cursor)

    def receive_status(self, status: Status, now: Now) -> None:
        """Judge the position that a status tells."""
        self._pass_time(now, -TURN_S)
        before, cursor = self.newest, status.cursor
        if cursor.epoch == before.epoch and cursor < before:
            text = f"last_seq is {cursor.seq} after reading {before.seq} was sent"
            self.findings.wrong(self.device_id, "last_seq_behind", text)
        self._judge_all(self._feed.receive_status(status, now), now)

    def receive_invalid(self, error: BadMessage, now: Now) -> None:
        """Note the number of a message that is invalid otherwise."""
        if error.position is not None:
            self._judge_all(self._feed.receive_invalid(error.position, now), now)

    def conclude(self, now: Now) -> None:
        """Judge the readings that should have come and did not."""
        self._pass_time(now, 0.0)
        self._pass_time(now, SILENT_HOLD_S)

    def _pass_time(self, now: Now, by_s: float) -> None:
        then = Now(now.monotonic_s + by_s, now.wall_ms)
        self._judge_all(self._feed.tick(then), then)

    def _judge_all(self, effects: Effects, now: Now) -> None:
        for effect in effects:
            self._judge(effect, now)

    def _judge(self, effect: Effect, now: Now) -> None:
        match effect:
            case Seen(reading):
                self._judge_used(reading.cursor)
            case Count(reason, cursor):
                self._judge_counted(reason, cursor)
            case Announce(gap):
                self._judge_gap(gap)
            case Ask(purpose):  # there is no replay here
                self._judge_all(self._feed.receive_no_answer(purpose, now), now)

    def _judge_restart(self, cursor: Cursor) -> None:
        before = self.newest
        if before != START and cursor.epoch > before.epoch and cursor.seq == before.seq + 1:
            text = f"epoch changed from {before} to {cursor}, but seq went on; it restarts at 1"
            self.findings.wrong(self.device_id, "epoch_not_restarted", text)
            self._not_restarted.append(cursor.epoch)

    def _judge_used(self, cursor: Cursor) -> None:
        """Note why a gateway drops a reading as already seen."""
        before = self.newest
        if before == START:
            return  # a status came first: the reading was published before the check began
        if self._feed.refused == "conflict":
            text = f"{cursor} came after {before}: two publishers use this id at the same time"
            self.findings.wrong(self.device_id, "conflict", text)
        elif cursor == before:
            text = f"seq {cursor.seq} came twice; every reading has a number of its own, +1 each"
            self.findings.wrong(self.device_id, "seq_repeated", text)
        elif cursor < before:
            text = f"seq {cursor.seq} came after {before.seq}; numbers only grow, by one"
            self.findings.wrong(self.device_id, "seq_back", text)
        else:
            text = f"seq {cursor.seq} came too late: a status had told of it as published"
            self.findings.wrong(self.device_id, "last_seq_ahead", text)

    def _judge_counted(self, reason: str, cursor: Cursor | None) -> None:
        code, expected = _COUNTED.get(reason, ("not_taken", "a gateway drops it"))
        newest = self._feed.position
        text = f"{cursor or 'a reading'} came after {newest}; {expected} ({reason})"
        self.findings.wrong(self.device_id, code, text)

    def _judge_gap(self, gap: Gap) -> None:
        after, end = gap.after or START, gap.end
        if gap.reason == "epoch_back":
            text = f"after 10 s a gateway goes back from {after} to {end}; what it held is lost"
            self.findings.wrong(self.device_id, "epoch_back", text, "adopted")
            return
        is_reported = after.seq == 0 and after.epoch in self._not_restarted
        if gap.reason in ("not_recovered", "overrun") and not is_reported:
            self.holes.append(Hole(end.epoch, after.seq + 1, end.seq))
