"""Retransmission: a feed's questions to its device's replay, their repetition and their end.

How it works

- A question is of one of three kinds: ``repair`` (readings that are missing), ``backfill``
  (readings from before first contact) and ``newest`` (the device's last position). For each
  purpose, ``repair`` and ``backfill``, one question is open at a time, so that on a lossy line
  neither waits for the other. ``newest`` is asked for the purpose ``repair`` when nothing is
  missing.
- A question without an answer is repeated after :data:`ASK_AGAIN_S`. After :data:`SILENT_TRIES`
  such misses in a row the replay counts as silent: questions are asked every
  :data:`SILENT_RETRY_S` only, and a hole is held open for :data:`SILENT_HOLD_S` only.
- A replay that answered before is given the whole time of one repair before it counts as silent. A
  new replay is given :data:`FIRST_ANSWER_S`, unless every replay refuses the question.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from shared.cursor import Cursor

ASK_AGAIN_S = 0.5
SILENT_TRIES = 2
"""A replay that did not answer this many questions in a row counts as silent."""
FIRST_ANSWER_S = 4.0
"""The time from the first question to the first answer. The connection that carries readings may
stand some 2 s before the one that carries answers (:data:`shared.keepalive.RECONNECT_MAX_MS`)."""
SILENT_HOLD_S = 0.05
"""Without a replay, a hole is held open this long: two messages may have changed places."""
SILENT_RETRY_S = 10.0
ANSWER_READINGS_MAX = 250
"""Readings of one answer: taking them in keeps the event loop for some 5 ms."""

QuestionKind: TypeAlias = Literal["repair", "backfill", "newest"]
Purpose: TypeAlias = Literal["repair", "backfill"]
"""The purpose of a question; that of ``newest`` is ``repair``."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question for at most ``limit`` readings after ``after`` (None: from the oldest)."""

    kind: QuestionKind
    after: Cursor | None
    limit: int
    known: Cursor
    """The greatest position that was known to exist when the question was first asked."""
    asked_s: float = 0.0
    """When the question was first asked: its answer may be that old."""

    @property
    def purpose(self) -> Purpose:
        """The purpose that this kind of question belongs to."""
        return _purpose(self.kind)

    def answered_up_to(self, reached: Cursor | None, newest: Cursor | None) -> Cursor:
        """Return the position up to which an answer is final: readings missing there are lost.

        An answer that reaches the device's newest reading is final for everything that was known
        when the question was asked. Readings published later may have missed the answer. The
        answer is not final for epochs after its newest: another device of the same id has those.
        """
        if reached is not None and newest is not None and newest > reached:
            return reached
        is_whole = newest is None or newest.epoch >= self.known.epoch
        known = self.known if is_whole else Cursor(self.known.epoch, 0)
        return known if reached is None else max(known, reached)


@dataclass(slots=True)
class _PurposeState:
    """The questions for one purpose: ``question`` is open, ``repeatable`` got no answer.

    ``answered`` was the last one that got an answer.
    """

    question: OpenQuestion | None = None
    repeatable: OpenQuestion | None = None
    answered: OpenQuestion | None = None
    asked_s: float = 0.0
    misses: int = 0


@dataclass(slots=True)
class ReplayQuestions:
    """A feed's questions, and whether the device's replay answers at all."""

    wants_newest: bool = False
    """Whether a client needs the device's newest position."""
    _states: dict[Purpose, _PurposeState] = field(
        default_factory=lambda: {"repair": _PurposeState(), "backfill": _PurposeState()}
    )
    _answers: bool = False  # it answered, and has not failed a whole repair since
    _awaited_until_s: float | None = None  # for its first answer; None before the first question
    _not_before_s: float = float("-inf")  # no question of either purpose before this
    _rest_until_s: float = float("-inf")

    @property
    def is_open(self) -> bool:
        """Tell whether a question is open."""
        states = self._states
        return states["repair"].question is not None or states["backfill"].question is not None

    def question(self, purpose: Purpose) -> OpenQuestion | None:
        """Return the open question for a purpose."""
        return self._states[purpose].question

    @property
    def is_silent(self) -> bool:
        """Tell whether no answer is to be expected; see the module."""
        return self._has_missed and not self._answers

    @property
    def _has_missed(self) -> bool:
        return any(state.misses >= SILENT_TRIES for state in self._states.values())

    def patience_s(self, repair_s: float, now_s: float) -> float:
        """Return the time after which a hole is closed by a gap."""
        return min(SILENT_HOLD_S, repair_s) if self.is_given_up(now_s) else repair_s

    def is_given_up(self, now_s: float) -> bool:
        """Tell whether the replay is silent, and has had its time for a first answer."""
        return self.is_silent and (self._awaited_until_s or now_s) <= now_s

    def rests(self, now_s: float) -> bool:
        """Tell whether the replay is silent and its next retry is not due."""
        return now_s < self._rest_until_s

    def may_ask(self, kind: QuestionKind, now_s: float) -> bool:
        """Tell whether a question of this kind may be asked now."""
        if now_s < self._not_before_s:
            return False
        question = self.question(_purpose(kind))
        if kind != "repair":
            return question is None and not self.rests(now_s)
        if self.is_given_up(now_s) and self.rests(now_s):
            return False
        return question is None or question.kind != "repair"

    def was_answered(
        self, kind: QuestionKind, after: Cursor | None, known: Cursor, now_s: float
    ) -> bool:
        """Tell whether this very question was asked in the last :data:`ASK_AGAIN_S` and answered.

        The device may have forgotten the epoch, so that every answer for it is empty.
        """
        state = self._states[_purpose(kind)]
        last = state.answered
        if last is None or (last.kind, last.after, last.known.epoch) != (kind, after, known.epoch):
            return False
        return now_s - state.asked_s < ASK_AGAIN_S

    def ask(
        self, kind: QuestionKind, after: Cursor | None, limit: int, known: Cursor, now_s: float
    ) -> OpenQuestion:
        """Open a question; one without an answer is opened again if it is the same.

        A question may replace an open one of another kind.
        """
        if self._awaited_until_s is None:
            self._awaited_until_s = now_s + FIRST_ANSWER_S
        state = self._states[_purpose(kind)]
        earlier = state.question or state.repeatable
        if earlier is None or earlier.after != after:
            question = OpenQuestion(kind, after, limit, known, now_s)
        elif earlier.kind == kind:
            question = earlier
        else:
            # The replay client keeps the id of a question from the same position. So the answer to
            # the earlier one may come instead. It is final only for positions known at that time.
            question = replace(earlier, kind=kind, limit=limit)
        state.question, state.repeatable, state.asked_s = question, None, now_s
        return question

    def overdue(self, now_s: float) -> list[Purpose]:
        """Return the purposes whose open question must be repeated."""
        return [
            purpose
            for purpose, state in self._states.items()
            if state.question is not None and now_s - state.asked_s >= ASK_AGAIN_S
        ]

    def answered(self, purpose: Purpose) -> OpenQuestion | None:
        """Close a question with its answer, which may come after the question was missed."""
        state = self._states[purpose]
        question, state.question = state.question or state.repeatable, None
        if question is not None:
            state.repeatable, state.answered = None, question
            self.wants_newest &= purpose != "repair"
            self._answers = True
            self.forget_silence()
        return question

    def forget_silence(self) -> None:
        """Forget the misses: the replay answers."""
        for state in self._states.values():
            state.misses = 0
        self._not_before_s = self._rest_until_s = float("-inf")

    def offered(self) -> None:
        """Note that a peer offers replay, which may have readings that another one has not."""
        self.forget_silence()
        for state in self._states.values():
            state.answered = None

    def missed(self, purpose: Purpose, now_s: float) -> None:
        """Close an open question without an answer, to be asked again."""
        state = self._states[purpose]
        state.repeatable, state.question = state.question, None
        state.misses += 1
        if state.misses >= SILENT_TRIES:
            self._rest_until_s = now_s + SILENT_RETRY_S

    def denied(self, purpose: Purpose, now_s: float) -> None:
        """Close an open question that no replay will answer, to be asked again after a pause."""
        self._awaited_until_s = now_s
        self.missed(purpose, now_s)
        self._not_before_s = now_s + ASK_AGAIN_S

    def postponed(self, purpose: Purpose, now_s: float, *, is_busy: bool = True) -> None:
        """Close an open question, because the replay is busy, or is not connected yet."""
        state = self._states[purpose]
        self._answers = self._answers or (is_busy and state.question is not None)
        self.forget_silence()
        state.repeatable, state.question = state.question, None
        self._not_before_s = now_s + ASK_AGAIN_S

    def gave_up(self) -> None:
        """Note that a hole was closed by a gap; a replay that missed questions is silent then."""
        if self._has_missed:
            self._answers = False

    def abandon(self) -> None:
        """Drop all questions, because their answers are of no use any more."""
        for state in self._states.values():
            state.question = state.repeatable = state.answered = None


def _purpose(kind: QuestionKind) -> Purpose:
    return "backfill" if kind == "backfill" else "repair"
