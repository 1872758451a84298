"""The feed of one device: messages in any order come in; readings in order, once, come out. Pure.

How it works

- Every method takes an event and the time, and returns effects: take this reading, announce this
  gap, ask this question. It does nothing else, so every order of events can be tested.
- A position is judged by ``admission`` first. A refused one is counted, and ``refusals`` decides
  whether ``device_status`` shows it.
- An admitted reading goes to ``order``. It takes the next reading, buffers a later one
  (``reorder_buffer``) and describes the hole before it (``sequence_tracker``).
- While there is a hole, the feed asks the device's replay for it (``retransmission``). The answer
  fills the hole, or makes it final, so that it is closed by a gap.
- From first contact on, ``backfill`` fetches the readings from before it, until the ring is full.
- A device is online while valid messages of its current epoch come. ``Changed`` is returned with
  every change that ``device_status`` shows.

Nearly every reading is simply the next one; :meth:`Feed.take_next` takes it without an effect. The
rules are those of ``docs/protocol.md``, "Order at the gateway".
"""

from dataclasses import InitVar, dataclass, field

from gateway.domain import DropReason, FaultReason, Now
from gateway.feed.admission import is_future, refusal, strangeness
from gateway.feed.backfill import Backfill, BackfillSlots
from gateway.feed.effects import Ask, Changed, Count, Effects, FirstContact, Prepend, Seen, Take
from gateway.feed.order import Order
from gateway.feed.refusals import NEVER_S, Refusals
from gateway.feed.reorder_buffer import ReorderBuffer
from gateway.feed.retransmission import (
    ANSWER_READINGS_MAX,
    ASK_AGAIN_S,
    OpenQuestion,
    Purpose,
    QuestionKind,
    ReplayQuestions,
)
from shared.cursor import Cursor
from shared.reading import Reading, Status
from shared.wire import ReplayAnswer

ONLINE_S = 3.0
"""A device is online if a valid message of its current epoch came within this time."""
ANNOUNCED_MAX_S = 1.0
"""How long a reading may come after the status that announced it, whatever its interval."""


@dataclass(slots=True)
class Feed:
    """The feed of one device; see the module.

    ``capacity`` is the number of readings that the ring holds. A hole is closed by a gap after
    ``repair_s``. ``buffer`` and ``slots`` count towards limits that all feeds share.
    """

    device_id: str
    capacity: int
    repair_s: float
    buffer: InitVar[ReorderBuffer | None] = None
    slots: BackfillSlots = field(default_factory=BackfillSlots)

    online: bool = False
    model: str | None = None
    interval_ms: int | None = None
    """The time between two readings, as the device says: 0 if irregular, None if unknown."""
    ts_ms: int = 0
    newest: Cursor | None = None
    """The newest reading that the replay had, as its last answer said."""
    newest_s: float = NEVER_S
    """When the question of that answer was first asked."""
    oldest: Cursor | None = None
    """The oldest reading that the device's replay said it holds; None: unknown."""

    _order: Order = field(init=False)
    _questions: ReplayQuestions = field(default_factory=ReplayQuestions)
    _backfill: Backfill | None = None
    _shown: tuple[object, ...] = ()  # the values that the last Changed announced
    _alive_s: float = NEVER_S  # the last sign of the current epoch
    _accepted_s: float = NEVER_S  # the last sign of an older one that is still being settled
    _reading_s: float = NEVER_S  # the last reading that was not dropped
    _refusals: Refusals = field(default_factory=Refusals)

    def __post_init__(self, buffer: ReorderBuffer | None) -> None:
        self._order = Order(
            self.device_id, self.capacity, ReorderBuffer() if buffer is None else buffer
        )

    # --- events --------------------------------------------------------------------------

    def take_next(self, reading: Reading, now: Now) -> bool:
        """Take a live reading if it is simply the next one, as nearly all are.

        Returns False if it is not; then call :meth:`receive_reading`, which tries this first too.
        """
        if not (self.online and self._order.take_next(reading)):
            return False
        self.ts_ms = reading.ts_ms or now.wall_ms
        self._alive_s = self._reading_s = now.monotonic_s
        return True

    def receive_reading(self, reading: Reading, now: Now) -> Effects:
        """Take in a live reading."""
        # Devices tries this itself, to save the effect; other callers need not.
        if self.take_next(reading, now):
            return [Take(reading)]
        cursor = reading.cursor
        reason = self._refusal(cursor, now)
        if reason is not None:
            return self.refuse(reason, now, cursor)
        effects = self._admit(cursor, Cursor(cursor.epoch, cursor.seq - 1), now)
        is_before_stop = self._order.tracker.is_stopped_at_or_after(cursor)
        self._order.know(cursor)
        self._hear(cursor.epoch, reading.ts_ms, online=self.online or not is_before_stop, now=now)
        placed = self._order.place(reading)
        self._note_placed(cursor, placed, now.monotonic_s)
        return effects + self._status_change() + placed + self._settle(now)

    def receive_status(self, status: Status, now: Now) -> Effects:
        """Take in a status, which also shows that the last readings before it were lost."""
        cursor = status.cursor
        if self._says_nothing_new(status, cursor):
            self.ts_ms, self._alive_s = status.ts_ms or now.wall_ms, now.monotonic_s
            return []
        reason = self._refusal(cursor, now)
        if reason is not None:
            return self.refuse(reason, now, cursor)
        effects = self._admit(cursor, cursor, now)
        self._order.announce(cursor, self._announced_s(status))
        if status.state == "stopping":
            self._order.tracker.stop(cursor)
            online = False
        else:
            online = self._order.tracker.go_on(cursor)
        self._hear(cursor.epoch, status.ts_ms, online=online, now=now)
        self.model, self.interval_ms = status.model or self.model, status.interval_ms
        return effects + self._status_change() + self._settle(now)

    def receive_invalid(self, position: Cursor, now: Now) -> Effects:
        """Note the position of a reading that was refused for its values alone."""
        if self.head is None or is_future(position, now.wall_ms):
            return []
        self._order.note_void(position)
        return self._settle(now)

    def receive_answer(self, purpose: Purpose, answer: ReplayAnswer, now: Now) -> Effects:
        """Take in the answer to the last question for a purpose."""
        question = self._questions.answered(purpose)
        if question is None:
            return [Count(DropReason.UNASKED_ANSWER)]
        self.newest, self.newest_s = answer.newest, question.asked_s
        self.oldest = answer.oldest
        if question.kind == "backfill":
            self._use_backfill(question, answer, now)
        else:
            self._use_repair(question, answer, now)
        return self._status_change() + self._next_stretch() + self._settle(now)

    def receive_no_answer(self, purpose: Purpose, now: Now) -> Effects:
        """Note that no replay has an answer, or that there is no replay to ask."""
        if self._questions.question(purpose) is None:
            return []
        self._questions.denied(purpose, now.monotonic_s)
        self._pause_backfill(now.monotonic_s)
        return self._settle(now)

    def receive_busy(self, purpose: Purpose, now: Now, *, is_busy: bool = True) -> Effects:
        """Note that the replay is busy, or not connected yet; the question is asked again later."""
        self._questions.postponed(purpose, now.monotonic_s, is_busy=is_busy)
        if self._backfill is not None and self._backfill.is_hopeless(now.monotonic_s):
            self._drop_backfill()
        return []

    def replay_offered(self, now: Now) -> Effects:
        """Note that a peer offers replay for the device from now on."""
        self._questions.offered()
        return self._settle(now)

    def ask_newest(self, now: Now) -> Effects:
        """Ask for the device's newest position, for a client whose cursor is ahead of the head.

        Does nothing if the last answer is younger than :data:`ASK_AGAIN_S`.
        """
        if now.monotonic_s - self.newest_s < ASK_AGAIN_S:
            return []
        self._questions.wants_newest = True
        return self._settle(now)

    def refuse(self, reason: str, now: Now, cursor: Cursor | None = None) -> Effects:
        """Count a refused message of this device; :attr:`refused` may show it.

        ``cursor`` is the message's position, if the position was wrong.
        """
        self._refusals.note(reason, now.monotonic_s, self._reading_s)
        return [Count(reason, cursor), *self._status_change()]

    def tick(self, now: Now) -> Effects:
        """Judge every timeout; the messages received before should have been taken in.

        Under a flood they may not have been: then the device may be shown offline, or a hole may
        become a gap, too early (:mod:`gateway.timeouts`).
        """
        now_s = now.monotonic_s
        if now_s - self._alive_s >= ONLINE_S:
            self.online = False
        self._refusals.settle(now_s, self._reading_s)
        for purpose in self._questions.overdue(now_s):
            self._questions.missed(purpose, now_s)
            self._pause_backfill(now_s)
        return self._status_change() + self._next_stretch() + self._settle(now)

    # --- state ---------------------------------------------------------------------------

    @property
    def head(self) -> Cursor | None:
        """The last settled position; None before first contact."""
        return self._order.head

    @property
    def position(self) -> Cursor:
        """The greatest position known to exist."""
        return self._order.position

    @property
    def refused(self) -> FaultReason | None:
        """Why the device is refused, for ``device_status``; None if it is not."""
        return self._refusals.shown

    def is_backfilling(self, now: Now) -> bool:
        """Tell whether older readings may soon appear in front of the ring."""
        return self._is_moving(now)

    def is_repairing(self, now: Now) -> bool:
        """Tell whether there is a hole that the replay is, or will be, asked for."""
        return self._order.is_late(now.monotonic_s)

    @property
    def replay_has_answered(self) -> bool:
        """Tell whether a replay has ever answered for the device."""
        return self.newest_s > NEVER_S

    def silence_s(self, now: Now) -> float:
        """Return the time since the last message of the current epoch."""
        return now.monotonic_s - self._alive_s

    @property
    def replay_may_answer(self) -> bool:
        """Tell whether the device is online and its replay is not silent."""
        return self.online and not self._questions.is_silent

    def want_backfill(self, cursor: Cursor, asked_s: float, now: Now) -> bool:
        """Fetch the readings after a position first, for a client that asked at ``asked_s``.

        Returns False if they will not come soon, so that the client should not wait.
        """
        backfill = self._backfill
        if backfill is None or not self._is_moving(now, asked_s):
            return False
        backfill.want(cursor)
        return True

    def _is_moving(self, now: Now, asked_s: float = NEVER_S) -> bool:
        """Tell whether a client that asked at ``asked_s`` should wait for the backfill."""
        backfill, now_s = self._backfill, now.monotonic_s
        if backfill is None or self._questions.is_given_up(now_s):
            return False
        return backfill.is_moving(now_s, asked_s)

    def needs_tick(self, now: Now) -> bool:
        """Tell whether :meth:`tick` would find something to do now."""
        now_s, backfill = now.monotonic_s, self._backfill
        is_fresh = self.online == (now_s - self._alive_s < ONLINE_S)
        is_shown = bool(self._shown) or self.head is None
        if not (is_fresh and is_shown and self.refused is None) or self.is_unsettled:
            return True
        if (
            backfill is not None
            and backfill.may_go_on
            and self._questions.may_ask("backfill", now_s)
        ):
            return True
        return self._questions.wants_newest or (self.online and self._is_seeking(now_s))

    def _is_seeking(self, now_s: float) -> bool:
        """Tell whether a silent replay may be asked again now."""
        return self._questions.is_silent and not self._questions.rests(now_s)

    @property
    def is_unsettled(self) -> bool:
        """Tell whether :meth:`tick` will soon have more to do than to judge ``online``."""
        backfill = self._backfill
        has_stretch = backfill is not None and backfill.is_whole
        return has_stretch or self._order.is_waiting or self._questions.is_open

    def forget(self) -> None:
        """Empty the buffer and return the slot; the feed is not used afterwards."""
        self._order.buffer.clear()
        self._drop_backfill()

    def _says_nothing_new(self, status: Status, cursor: Cursor) -> bool:
        """Tell whether a status only shows that the device is alive, as nearly all do."""
        return (
            self.online
            and status.state == "online"
            and self._order.is_settled_at(cursor)
            and (status.model is None or status.model == self.model)
            and status.interval_ms == self.interval_ms
        )

    # --- admission -----------------------------------------------------------------------

    def _refusal(self, cursor: Cursor, now: Now) -> FaultReason | None:
        known_seq = self._order.tracker.known_seq(cursor.epoch, self.head)
        silence_s = now.monotonic_s - max(self._alive_s, self._accepted_s)
        return refusal(cursor, self.head, known_seq, silence_s, now.wall_ms)

    def _is_strange(self, cursor: Cursor, head: Cursor) -> bool:
        known_seq = self._order.tracker.known_seq(cursor.epoch, head)
        return strangeness(cursor, head, known_seq) is not None

    def _admit(self, cursor: Cursor, front: Cursor, now: Now) -> Effects:
        """Make first contact after ``front``; or adopt a strange position after long silence."""
        head = self.head
        if head is None:
            self._order.head = front
            self._backfill = Backfill.before(
                self.device_id, front, self.capacity, self.slots, now.monotonic_s
            )
            return [FirstContact(front)]
        if not self._is_strange(cursor, head):
            return []
        self._drop_backfill()
        self._questions.abandon()
        self._refusals.clear()
        return self._order.adopt(front)

    def _hear(self, epoch: int, ts_ms: int, *, online: bool, now: Now) -> None:
        """Note a valid message; only one of the current epoch affects ``online``."""
        if epoch < self.position.epoch:
            self._accepted_s = now.monotonic_s
            return
        self.ts_ms, self.online = ts_ms or now.wall_ms, online
        self._alive_s = now.monotonic_s

    def _note_placed(self, cursor: Cursor, placed: Effects, now_s: float) -> None:
        """Note whether a reading was accepted, or dropped because its position had been used."""
        match placed:
            case []:
                self._reading_s = now_s
            case [Seen()]:
                self._refusals.note_used(cursor, now_s, self._reading_s)

    def _announced_s(self, status: Status) -> float:
        """Return the time in which readings must follow the status that announced them."""
        if status.state == "stopping":
            return 0.0
        return min(status.interval_ms / 1000 or ANNOUNCED_MAX_S, ANNOUNCED_MAX_S)

    def _status_change(self) -> Effects:
        """Return Changed if a value that ``device_status`` is sent for has changed."""
        shown = (self.online, self.position.epoch, self.model, self.interval_ms, self.refused)
        is_unheard = self.head is None and self.refused is None and not self._shown
        if shown == self._shown or is_unheard:
            return []
        self._shown = shown
        return [Changed()]

    # --- questions and answers -----------------------------------------------------------

    def _settle(self, now: Now) -> Effects:
        """Move the head as far as possible, and ask for missing readings."""
        patience_s = self._questions.patience_s(self.repair_s, now.monotonic_s)
        effects = self._order.settle(now.monotonic_s, patience_s)
        if self._order.gave_up:
            self._questions.gave_up()
        return effects + self._next_question(now) + self._next_backfill(now)

    def _next_question(self, now: Now) -> Effects:
        """Ask for missing readings, or for the device's newest position."""
        head, now_s, backfill = self.head, now.monotonic_s, self._backfill
        if head is None:
            return []
        if self._order.is_late(now_s):
            return self._ask("repair", head, self._hole_size(head), now_s)
        # A silent replay is asked now and then, so that its return is noticed before it is needed.
        is_sought = (
            self._questions.is_silent and self.online and (backfill is None or backfill.is_whole)
        )
        if self._questions.wants_newest or is_sought:
            return self._ask("newest", head, 1, now_s)
        return []

    def _next_backfill(self, now: Now) -> Effects:
        """Ask for the next answer of backfill, when it is this device's turn."""
        now_s, backfill = now.monotonic_s, self._backfill
        if backfill is None or backfill.is_whole or not self._questions.may_ask("backfill", now_s):
            return []
        if not backfill.take_slot(now_s):
            return []
        return self._ask("backfill", backfill.after, backfill.limit, now_s)

    def _hole_size(self, head: Cursor) -> int:
        missing = self._order.missing()
        if missing is None or self.position.epoch > head.epoch:
            return ANSWER_READINGS_MAX  # the length of the old epoch is not known
        return max(1, min(missing.last.seq - head.seq, ANSWER_READINGS_MAX))

    def _ask(self, kind: QuestionKind, after: Cursor | None, limit: int, now_s: float) -> Effects:
        questions, known = self._questions, self.position
        if not questions.may_ask(kind, now_s) or questions.was_answered(kind, after, known, now_s):
            return []
        question = questions.ask(kind, after, limit, known, now_s)
        return [Ask(question.purpose, question.after, question.limit)]

    def _pause_backfill(self, now_s: float) -> None:
        """Give the backfill slot away if the replay is silent now; end a backfill without hope."""
        backfill = self._backfill
        if backfill is None or backfill.is_whole or not self._questions.rests(now_s):
            return
        backfill.return_slot()
        if backfill.is_hopeless(now_s):
            self._drop_backfill()

    def _use_repair(self, question: OpenQuestion, answer: ReplayAnswer, now: Now) -> None:
        """Buffer the recovered readings; those that the answer should have had are lost."""
        found = [r for r in answer.readings if self._is_believable(r.cursor, question, now)]
        for reading in found:
            self._order.place_recovered(reading)
        newest, reached = answer.newest, answer.reached
        if reached is None or not self._is_believable(reached, question, now):
            reached = found[-1].cursor if found else None
        self._order.settle_up_to(question.answered_up_to(reached, newest))
        if question.kind == "newest" and newest and self._is_believable(newest, question, now):
            self._order.announce(newest, 0.0)

    def _is_believable(self, cursor: Cursor, question: OpenQuestion, now: Now) -> bool:
        """Tell whether a replay's position lies where it was asked for, and not absurdly far."""
        head = self.head
        if head is None or (question.after is not None and cursor <= question.after):
            return False
        absurd = is_future(cursor, now.wall_ms) or self._is_strange(cursor, head)
        return cursor <= head or not absurd

    def _use_backfill(self, question: OpenQuestion, answer: ReplayAnswer, now: Now) -> None:
        """Add an answer, unless its question is older than the present window."""
        backfill, now_s = self._backfill, now.monotonic_s
        if backfill is None or not backfill.take_slot(now_s) or question.after != backfill.after:
            return
        backfill.add(answer, now_s)

    def _next_stretch(self) -> Effects:
        """Put the newest fetched readings in front of the ring, one stretch at a time."""
        backfill = self._backfill
        if backfill is None or not backfill.is_whole:
            return []
        stretch = backfill.pop_stretch()
        if not backfill.readings and backfill.is_last:
            self._drop_backfill()
        elif not backfill.readings:
            backfill.go_on()
        return [Prepend(stretch)] if stretch.items else []

    def _drop_backfill(self) -> None:
        if self._backfill is not None:
            self._backfill.return_slot()
            self._backfill = None
