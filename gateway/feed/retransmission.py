"""The questions a feed has for the replay of its device: repeated, and given up.

One is open at a time for what is missing, and one for the history, so that on a line which loses
something all the time neither waits for the other.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from shared.cursor import Cursor

ASK_AGAIN_S = 0.5
SILENT_TRIES = 2
"""A replay that did not answer this many questions in a row is taken to be absent."""
SILENT_HOLD_S = 0.05
"""With no replay to wait for, a hole may still be two messages that overtook each other."""
SILENT_RETRY_S = 10.0
PAGE_MAX = 250
"""Readings asked for at once: taking them in keeps the event loop for some 5 ms."""

Kind: TypeAlias = Literal["repair", "backfill", "newest"]
Purpose: TypeAlias = Literal["repair", "backfill"]
"""What an open question is for; ``newest`` is asked where there is nothing to repair."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What was asked: at most ``limit`` readings after ``after`` (None: from the oldest)."""

    kind: Kind
    after: Cursor | None
    limit: int
    known: Cursor
    """The greatest position known to exist when it was asked first."""
    asked_s: float = 0.0
    """When it was asked first: its answer may be from then."""

    @property
    def purpose(self) -> Purpose:
        """Tell what it is for."""
        return _purpose(self.kind)

    def answered_up_to(self, reached: Cursor | None, newest: Cursor | None) -> Cursor:
        """Say up to where an answer is the last word: what it lacks there will never come.

        An answer that reaches the newest reading held speaks for everything that was known when
        it was asked for; what was published since may only have been too late for it. Of epochs
        after its newest it knows nothing: that is another device's of the same name.
        """
        if reached is not None and newest is not None and newest > reached:
            return reached
        is_whole = newest is None or newest.epoch >= self.known.epoch
        known = self.known if is_whole else Cursor(self.known.epoch, 0)
        return known if reached is None else max(known, reached)


@dataclass(slots=True)
class _PurposeState:
    """The question for one purpose: open, or not answered so that it would be asked again."""

    question: OpenQuestion | None = None
    repeatable: OpenQuestion | None = None
    answered: OpenQuestion | None = None
    asked_s: float = 0.0
    misses: int = 0


@dataclass(slots=True)
class ReplayQuestions:
    """The questions that are open, and how far the replay can be relied on."""

    wants_newest: bool = False
    """Whether somebody needs to know what the device holds last."""
    _states: dict[Purpose, _PurposeState] = field(
        default_factory=lambda: {"repair": _PurposeState(), "backfill": _PurposeState()}
    )
    _answers: bool = False  # it answered, and since then never failed a whole repair
    _not_before_s: float = float("-inf")
    _rest_until_s: float = float("-inf")

    @property
    def is_open(self) -> bool:
        """Tell whether an answer is waited for."""
        threads = self._states
        return threads["repair"].question is not None or threads["backfill"].question is not None

    def question(self, purpose: Purpose) -> OpenQuestion | None:
        """Give the open question for a purpose."""
        return self._states[purpose].question

    @property
    def is_silent(self) -> bool:
        """Tell whether there is no replay to wait for.

        One that answered before is given the whole time of one repair to come back.
        """
        return self._has_missed and not self._answers

    @property
    def _has_missed(self) -> bool:
        return any(thread.misses >= SILENT_TRIES for thread in self._states.values())

    def patience_s(self, repair_s: float) -> float:
        """Give the time after which a hole is given up."""
        return min(SILENT_HOLD_S, repair_s) if self.is_silent else repair_s

    def rests(self, now_s: float) -> bool:
        """Tell whether nobody seems to be there, so that only a hole is worth a question."""
        return now_s < self._rest_until_s

    def may_ask(self, kind: Kind, now_s: float) -> bool:
        """Tell whether a question of this kind may be asked now."""
        if now_s < self._not_before_s:
            return False
        question = self.question(_purpose(kind))
        if kind != "repair":
            return question is None and not self.rests(now_s)
        if self.is_silent and self.rests(now_s):
            return False
        return question is None or question.kind != "repair"

    def was_answered(self, kind: Kind, after: Cursor | None, known: Cursor, now_s: float) -> bool:
        """Tell whether just this was answered, too short ago for another answer to help.

        Of an epoch its device knows nothing of any more a replay says nothing, again and again.
        """
        thread = self._states[_purpose(kind)]
        last = thread.answered
        if last is None or (last.kind, last.after, last.known.epoch) != (kind, after, known.epoch):
            return False
        return now_s - thread.asked_s < ASK_AGAIN_S

    def ask(
        self, kind: Kind, after: Cursor | None, limit: int, known: Cursor, now_s: float
    ) -> OpenQuestion:
        """Open a question, or the one that was not answered again."""
        thread = self._states[_purpose(kind)]
        question = thread.repeatable
        if question is None or (question.kind, question.after) != (kind, after):
            question = OpenQuestion(kind, after, limit, known, now_s)
        thread.question, thread.repeatable, thread.asked_s = question, None, now_s
        return question

    def overdue(self, now_s: float) -> list[Purpose]:
        """Name the open questions that have to be repeated."""
        return [
            purpose
            for purpose, thread in self._states.items()
            if thread.question is not None and now_s - thread.asked_s >= ASK_AGAIN_S
        ]

    def answered(self, purpose: Purpose) -> OpenQuestion | None:
        """Close a question with its answer, though that may come after it was missed."""
        thread = self._states[purpose]
        question, thread.question = thread.question or thread.repeatable, None
        if question is not None:
            thread.repeatable, thread.answered = None, question
            self.wants_newest &= purpose != "repair"
            self._answers = True
            self.hope()
        return question

    def hope(self) -> None:
        """Forget earlier silence: there is somebody who answers."""
        for thread in self._states.values():
            thread.misses = 0
        self._not_before_s = self._rest_until_s = float("-inf")

    def offered(self) -> None:
        """Note that somebody answers from now on, who may know what another one did not."""
        self.hope()
        for thread in self._states.values():
            thread.answered = None

    def missed(self, purpose: Purpose, now_s: float, pause_s: float = 0.0) -> None:
        """Close an open question without an answer; ask again after a pause."""
        thread = self._states[purpose]
        thread.repeatable, thread.question = thread.question, None
        thread.misses += 1
        self._not_before_s = now_s + pause_s
        if thread.misses >= SILENT_TRIES:
            self._rest_until_s = now_s + SILENT_RETRY_S

    def postponed(self, purpose: Purpose, now_s: float) -> None:
        """Close an open question: the replay is there, but busy."""
        thread = self._states[purpose]
        self._answers = self._answers or thread.question is not None
        self.hope()
        thread.repeatable, thread.question = thread.question, None
        self._not_before_s = now_s + ASK_AGAIN_S

    def gave_up(self) -> None:
        """Note that a hole was given up; who answered nothing for so long is not waited for."""
        if self._has_missed:
            self._answers = False

    def abandon(self) -> None:
        """Drop the open questions: nobody needs their answers any more."""
        for thread in self._states.values():
            thread.question = thread.repeatable = thread.answered = None


def _purpose(kind: Kind) -> Purpose:
    return "backfill" if kind == "backfill" else "repair"
