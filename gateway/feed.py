"""The feed of one device: any order, loss and repetition in; in order, once, holes announced out.

Pure. Every method takes what happened and the time, and returns what should happen: a list of
effects. The rules are those of ``docs/protocol.md``, "Order at the gateway".

A feed stands at ``head``, the last position that is settled. What lies ahead is held until the
hole before it is filled by a replay, or given up and announced as a gap.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gateway.admission import is_future, refusal, strangeness
from gateway.asking import ASK_AGAIN_S, PAGE_MAX, Asking, Kind, Question
from gateway.effects import (
    Announce,
    Ask,
    Changed,
    Count,
    Effects,
    Empty,
    Now,
    Prepend,
    Seen,
    Start,
    Take,
)
from gateway.history import Fills, History
from gateway.horizon import Horizon, Missing
from gateway.packets import Gap
from gateway.reorder import Reorder
from shared.cursor import START, Cursor
from shared.reading import Reading, Status
from shared.wire import ReplayAnswer

ONLINE_S = 3.0
"""A device is online while something valid of its current epoch came within this time."""
REFUSED_SHOWN_S = 10.0
"""How long a refusal is shown after the last one: as long as it takes to be believed after all."""
NEVER_S = float("-inf")


class _Wait(NamedTuple):
    """Since when the hole after the head is waited for, and what was known to exist then."""

    since_s: float
    known: Cursor


@dataclass(slots=True)
class Feed:
    """The order of one device's readings; see the module.

    ``capacity`` is how many readings the ring holds: of a larger hole only the newest are asked
    for. ``held`` and ``fills`` are this device's part of what all feeds share.
    """

    device_id: str
    capacity: int
    repair_s: float
    _held: Reorder = field(default_factory=Reorder)
    _fills: Fills = field(default_factory=Fills)

    head: Cursor | None = None
    online: bool = False
    model: str | None = None
    refused: str | None = None
    ts_ms: int = 0
    newest: Cursor | None = None
    """What the replay said it holds last, at :attr:`newest_s`."""
    newest_s: float = NEVER_S

    _horizon: Horizon = field(default_factory=Horizon)
    _asking: Asking = field(default_factory=Asking)
    _history: History | None = None
    _wait: _Wait | None = None
    _final: Cursor = START  # what is missing up to here will not come: asked for, or given up
    _is_smooth: bool = False  # the next reading needs no thought: nothing is missing or held
    _shown: tuple[object, ...] = ()  # what the last Changed was about
    _alive_s: float = NEVER_S  # the last sign of the current epoch
    _accepted_s: float = NEVER_S  # the last sign of an older one that is still being settled
    _refused_s: float = NEVER_S

    # --- what comes in -------------------------------------------------------------------

    def receive_reading(self, reading: Reading, now: Now) -> Effects:
        """Take in a live reading."""
        head = self.head
        if (
            self._is_smooth
            and head is not None
            and reading.seq == head.seq + 1
            and reading.epoch == head.epoch
        ):
            self.head = Cursor(reading.epoch, reading.seq)
            self.ts_ms, self._alive_s = reading.ts_ms or now.wall_ms, now.monotonic_s
            return [Take(reading)]
        return self._receive_reading(reading, now)

    def receive_status(self, status: Status, now: Now) -> Effects:
        """Take in what the device says of itself; it shows that a last reading was lost."""
        cursor = status.cursor
        reason = self._refusal(cursor, now)
        if reason is not None:
            return self.refuse(reason, now)
        effects = self._admit(cursor, cursor, now)
        self._know(cursor)
        if status.state == "stopping":
            self._horizon.stop(cursor)
            self._hear(cursor.epoch, status.ts_ms, online=False, now=now)
        else:
            goes_on = self._horizon.go_on(cursor)
            self._hear(cursor.epoch, status.ts_ms, online=goes_on, now=now)
        self.model = status.model or self.model
        return effects + self._told() + self._settle(now)

    def receive_invalid(self, position: Cursor, now: Now) -> Effects:
        """Note the number of a reading that was refused for its values alone."""
        known = not is_future(position, now.wall_ms)
        if self.head is None or not known or not self._horizon.note(position, self.head):
            return []
        return self._settle(now)

    def receive_answer(self, answer: ReplayAnswer, now: Now) -> Effects:
        """Take in the answer to the question last asked."""
        question = self._asking.answered()
        if question is None:
            return [Count("unasked_answer")]
        self.newest, self.newest_s = answer.newest, now.monotonic_s
        effects: Effects = []
        if question.kind == "history":
            effects = self._use_history(answer, now)
        else:
            self._use_repair(question, answer, now)
        return effects + self._told() + self._settle(now)

    def receive_no_answer(self, now: Now) -> Effects:
        """Take in that nobody knows the answer, or that there is nobody to ask."""
        if self._asking.question is None:
            return []
        self._miss(now, pause_s=ASK_AGAIN_S)
        return self._settle(now)

    def receive_busy(self, now: Now) -> Effects:
        """Take in that the question should be asked again later."""
        self._asking.postponed(now.monotonic_s)
        return []

    def replay_offered(self, now: Now) -> Effects:
        """Take in that somebody offers to answer for the device who did not before."""
        self._asking.hope()
        return self._settle(now)

    def ask_newest(self, now: Now) -> Effects:
        """Find out what the device holds last, for a client that claims to be ahead."""
        self._asking.wants_newest = True
        return self._settle(now)

    def refuse(self, reason: str, now: Now) -> Effects:
        """Count a message of this device that was refused, and show it."""
        self._refused_s, self.refused = now.monotonic_s, reason
        return [Count(reason), *self._told()]

    def tick(self, now: Now) -> Effects:
        """Judge every timeout; what was received before must have been taken in."""
        now_s = now.monotonic_s
        if now_s - self._alive_s >= ONLINE_S:
            self.online = False
        if now_s - self._refused_s >= REFUSED_SHOWN_S:
            self.refused = None
        if self._asking.is_overdue(now_s):
            self._miss(now)
        return self._told() + self._next_stretch() + self._settle(now)

    # --- what others may know ------------------------------------------------------------

    @property
    def position(self) -> Cursor:
        """The greatest position known to exist."""
        return START if self.head is None else self._horizon.greatest(self.head)

    @property
    def last_seq(self) -> int:
        """The greatest number known of the current epoch."""
        return self.position.seq

    @property
    def held_count(self) -> int:
        """How many readings wait for a hole to be filled."""
        return len(self._held)

    def is_fetching_history(self, now: Now) -> bool:
        """Tell whether history may still appear in front of the ring."""
        return self._history is not None and self._history.is_moving(now.monotonic_s)

    def is_settling(self) -> bool:
        """Tell whether :meth:`tick` has more to do soon than judge who is online."""
        has_history = self._history is not None and self._history.is_fetched
        return self._wait is not None or self._asking.question is not None or has_history

    def forget(self) -> None:
        """Give back what this feed holds of what all share; it will not be used again."""
        self._held.clear()
        self._drop_history()

    # --- admission -----------------------------------------------------------------------

    def _refusal(self, cursor: Cursor, now: Now) -> str | None:
        known_seq = self._horizon.known_seq(cursor.epoch, self.head)
        silence_s = now.monotonic_s - max(self._alive_s, self._accepted_s)
        return refusal(cursor, self.head, known_seq, silence_s, now.wall_ms)

    def _is_strange(self, cursor: Cursor, head: Cursor) -> bool:
        known_seq = self._horizon.known_seq(cursor.epoch, head)
        return strangeness(cursor, head, known_seq) is not None

    def _admit(self, cursor: Cursor, front: Cursor, now: Now) -> Effects:
        """Make first contact after ``front``, or believe a strange position after long silence."""
        if self.head is None:
            self.head = front
            self._history = History.before(
                self.device_id, front, self.capacity, self._fills, now.monotonic_s
            )
            return [Start(front)]
        return self._adopt(self.head, front) if self._is_strange(cursor, self.head) else []

    def _adopt(self, head: Cursor, front: Cursor) -> Effects:
        """Go on somewhere else, as if the device was new."""
        gap = Gap(self.device_id, head, Cursor(front.epoch, front.seq + 1), "epoch_back")
        self._held.clear()
        self._drop_history()
        self._asking.abandon()
        self._horizon, self._wait, self._final = Horizon(), None, START
        self.head, self.refused = front, None
        return [Empty(front), Announce(gap)]

    def _hear(self, epoch: int, ts_ms: int, *, online: bool, now: Now) -> None:
        """Note a sign of life; only one of the current epoch says anything about being online."""
        if epoch < self.position.epoch:
            self._accepted_s = now.monotonic_s
            return
        self.ts_ms, self.online = ts_ms or now.wall_ms, online
        self._alive_s = now.monotonic_s

    def _told(self) -> Effects:
        """Say so when anything that a ``device_status`` is sent for is another now."""
        shown = (self.online, self.position.epoch, self.model, self.refused)
        if shown == self._shown:
            return []
        self._shown = shown
        return [Changed()]

    # --- order ---------------------------------------------------------------------------

    def _receive_reading(self, reading: Reading, now: Now) -> Effects:
        """Take in a reading that is not simply the next one."""
        cursor = reading.cursor
        reason = self._refusal(cursor, now)
        if reason is not None:
            return self.refuse(reason, now)
        effects = self._admit(cursor, Cursor(cursor.epoch, cursor.seq - 1), now)
        is_late = self._horizon.is_stopped_before(cursor)
        self._know(cursor)
        self._hear(cursor.epoch, reading.ts_ms, online=self.online or not is_late, now=now)
        return effects + self._told() + self._place(reading, cursor) + self._settle(now)

    def _know(self, cursor: Cursor) -> None:
        """Note that everything of the epoch up to this position exists."""
        assert self.head is not None
        self._horizon.know(cursor)
        dropped = self._horizon.crowded_out(self.head)
        if dropped is not None:
            self._held.drop_epoch(dropped)

    def _place(self, reading: Reading, cursor: Cursor) -> Effects:
        """Hold a reading that is ahead until its turn; drop one that was seen."""
        assert self.head is not None
        if cursor <= self.head:
            return [Seen(reading)]
        held = self._held.get(cursor)
        if held is not None:
            same = held == replace(reading, ts_ms=held.ts_ms)  # the time may be the gateway's own
            return [Count("duplicate" if same else "conflict")]
        if not self._horizon.knows(cursor):
            return [Count("crowded_out")]
        is_next = cursor == (self.head.epoch, self.head.seq + 1)
        if self._held.is_full and not is_next:
            return [Count("held_full")]
        self._held.hold(reading)
        return []

    def _settle(self, now: Now) -> Effects:
        """Go on from the head as far as it goes; ask or give up where it does not."""
        effects: Effects = []
        while self.head is not None and self._advance(self.head, effects, now):
            pass
        effects += self._next_question(now)
        self._is_smooth = self._needs_no_thought()
        return effects

    def _advance(self, head: Cursor, effects: Effects, now: Now) -> bool:
        """Move the head by one reading or one gap; False when it has to stay."""
        first = self._held.first()
        if first is not None and first == (head.epoch, head.seq + 1):
            self.head, self._wait = first, None
            self._horizon.take(first)
            effects.append(Take(self._held.release(first)))
            return True
        missing = self._horizon.missing(head, first)
        if missing is None:
            self._wait = None
            return False
        effects += self._close(head, missing, now)
        return self.head != head

    def _close(self, head: Cursor, missing: Missing, now: Now) -> Effects:
        """Close what is missing as far as it can be closed now, by a gap."""
        if missing.kind == "invalid":
            return self._gap(head, missing.end, "invalid")
        if missing.kind == "epoch" and self._horizon.ends_at(head):
            self._skip_to(missing.end)
            return []
        too_old = missing.last.seq - self.capacity
        if missing.kind == "readings" and too_old > head.seq:
            return self._gap(head, Cursor(head.epoch, too_old), "overrun")
        settled = min(self._settled_up_to(now), missing.end)
        if missing.kind == "epoch":
            return self._gap(head, settled, "epoch") if settled == missing.end else []
        return self._gap(head, settled, "not_recovered") if settled > head else []

    def _settled_up_to(self, now: Now) -> Cursor:
        """Say up to where nothing that is missing will come; begin to wait, or end it."""
        if self._wait is None:
            self._wait = _Wait(now.monotonic_s, self.position)
        patience_s = self._asking.patience_s(self.repair_s)
        if now.monotonic_s - self._wait.since_s >= patience_s:
            self._final = max(self._final, self._wait.known)
            self._asking.gave_up()
        return self._final

    def _gap(self, after: Cursor, end: Cursor, reason: str) -> Effects:
        self._skip_to(end)
        return [Announce(Gap(self.device_id, after, Cursor(end.epoch, end.seq + 1), reason))]

    def _skip_to(self, end: Cursor) -> None:
        self.head, self._wait = end, None
        self._horizon.skip_to(end)

    def _needs_no_thought(self) -> bool:
        return (
            self.online
            and self.head is not None
            and self._wait is None
            and self._horizon.lies_behind(self.head)
        )

    # --- questions and answers -----------------------------------------------------------

    def _next_question(self, now: Now) -> Effects:
        """Ask what is most wanted, one question at a time; a hole comes before history."""
        now_s, history = now.monotonic_s, self._history
        if self.head is None:
            return []
        if self._wait is not None:
            return self._ask("repair", self.head, self._hole_size(self.head), now)
        if self._asking.wants_newest:
            return self._ask("newest", self.head, 1, now)
        if history is None or history.is_fetched:
            # that is how a replay that came back is found before it is needed
            return self._ask("newest", self.head, 1, now) if self._asking.is_silent else []
        if not self._asking.may_ask("history", now_s) or not history.take_turn(now_s):
            return []
        return self._ask("history", history.at, history.limit, now)

    def _hole_size(self, head: Cursor) -> int:
        missing = self._horizon.missing(head, self._held.first())
        if missing is None or self.position.epoch > head.epoch:
            return PAGE_MAX  # nobody knows how much the old epoch had
        return max(1, min(missing.last.seq - head.seq, PAGE_MAX))

    def _ask(self, kind: Kind, after: Cursor | None, limit: int, now: Now) -> Effects:
        if not self._asking.may_ask(kind, now.monotonic_s):
            return []
        question = self._asking.ask(kind, after, limit, self.position, now.monotonic_s)
        return [Ask(question.after, question.limit)]

    def _miss(self, now: Now, pause_s: float = 0.0) -> None:
        """Do without an answer: ask again soon, or rarely once nobody seems to be there."""
        self._asking.missed(now.monotonic_s, pause_s)
        history = self._history
        if history is None or history.is_fetched or not self._asking.rests(now.monotonic_s):
            return
        history.return_turn()
        if history.is_hopeless(now.monotonic_s):
            self._drop_history()

    def _use_repair(self, question: Question, answer: ReplayAnswer, now: Now) -> None:
        """Hold what was recovered; what the answer should have had and has not is final."""
        last = None
        for reading in answer.readings:
            if self._is_believable(reading.cursor, question, now):
                last = reading.cursor
                self._place_replayed(reading, last)
        self._final = max(self._final, _answered_up_to(question, last, answer.newest))
        newest = answer.newest if question.kind == "newest" else None
        if newest is not None and self._is_believable(newest, question, now):
            self._know(newest)

    def _is_believable(self, cursor: Cursor, question: Question, now: Now) -> bool:
        """Tell whether a replay's position lies where it was asked for, and not absurdly far."""
        assert self.head is not None
        if question.after is not None and cursor <= question.after:
            return False
        absurd = is_future(cursor, now.wall_ms) or self._is_strange(cursor, self.head)
        return cursor <= self.head or not absurd

    def _place_replayed(self, reading: Reading, cursor: Cursor) -> None:
        """Hold a reading from a replay as if it was live, but it is no sign of life."""
        assert self.head is not None
        if cursor > self.head and self._held.get(cursor) is None:
            self._know(cursor)
            if self._horizon.knows(cursor):
                self._held.hold(reading)

    def _use_history(self, answer: ReplayAnswer, now: Now) -> Effects:
        if self._history is None:
            return []
        self._history.add(answer, now.monotonic_s)
        return self._next_stretch()

    def _next_stretch(self) -> Effects:
        """Put the newest part of fetched history in front; a part at a time, to take no break."""
        history = self._history
        if history is None or not history.is_fetched:
            return []
        stretch = history.pop_stretch()
        if not history.readings:
            self._drop_history()
        return [Prepend(stretch)] if stretch.items else []

    def _drop_history(self) -> None:
        if self._history is not None:
            self._history.return_turn()
            self._history = None


def _answered_up_to(question: Question, last: Cursor | None, newest: Cursor | None) -> Cursor:
    """Say up to where the answer is the last word: what it lacks there will never come.

    An answer that reaches the newest reading held speaks for everything that was known when
    it was asked for; what was published since may only have been too late for it.
    """
    if last is None:
        return question.known
    exhausted = newest is None or newest <= last
    return max(question.known, last) if exhausted else last
