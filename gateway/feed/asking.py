"""The questions a feed has for the replay of its device: one at a time, repeated, given up."""

from dataclasses import dataclass
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

Kind: TypeAlias = Literal["repair", "history", "newest"]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: at most ``limit`` readings after ``after`` (None: from the oldest)."""

    kind: Kind
    after: Cursor | None
    limit: int
    known: Cursor
    """The greatest position known to exist when it was asked first."""

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
class Asking:
    """The question that is open, and how far the replay can be relied on."""

    question: Question | None = None
    wants_newest: bool = False
    """Whether somebody needs to know what the device holds last."""
    _asked_s: float = 0.0
    _repeatable: Question | None = None  # not answered: asked again, it stays the same question
    _misses: int = 0
    _answers: bool = False  # it answered, and since then never failed a whole repair
    _not_before_s: float = float("-inf")
    _rest_until_s: float = float("-inf")

    @property
    def is_silent(self) -> bool:
        """Tell whether there is no replay to wait for.

        One that answered before is given the whole time of one repair to come back.
        """
        return self._misses >= SILENT_TRIES and not self._answers

    def patience_s(self, repair_s: float) -> float:
        """Give the time after which a hole is given up."""
        return min(SILENT_HOLD_S, repair_s) if self.is_silent else repair_s

    def rests(self, now_s: float) -> bool:
        """Tell whether nobody seems to be there, so that only a hole is worth a question."""
        return now_s < self._rest_until_s

    def may_ask(self, kind: Kind, now_s: float) -> bool:
        """Tell whether a question of this kind may be asked now; a repair replaces any other."""
        if now_s < self._not_before_s:
            return False
        if kind != "repair":
            return self.question is None and not self.rests(now_s)
        if self.is_silent and self.rests(now_s):
            return False
        return self.question is None or self.question.kind != "repair"

    def ask(
        self, kind: Kind, after: Cursor | None, limit: int, known: Cursor, now_s: float
    ) -> Question:
        """Open a question, or the one that was not answered again."""
        open_before = self._repeatable
        if open_before is not None and (open_before.kind, open_before.after) == (kind, after):
            self.question = open_before
        else:
            self.question = Question(kind, after, limit, known)
        self._repeatable, self._asked_s = None, now_s
        return self.question

    def is_overdue(self, now_s: float) -> bool:
        """Tell whether the open question has to be repeated."""
        return self.question is not None and now_s - self._asked_s >= ASK_AGAIN_S

    def answered(self) -> Question | None:
        """Close the question with its answer, though that may come after it was missed."""
        question, self.question = self.question or self._repeatable, None
        if question is not None:
            self.wants_newest, self._answers = False, True
            self.hope()
        return question

    def hope(self) -> None:
        """Forget earlier silence: there is somebody who answers."""
        self._misses, self._repeatable = 0, None
        self._not_before_s = self._rest_until_s = float("-inf")

    def missed(self, now_s: float, pause_s: float = 0.0) -> None:
        """Close the open question without an answer; ask again after a pause."""
        self._repeatable, self.question = self.question, None
        self._misses += 1
        self._not_before_s = now_s + pause_s
        if self._misses >= SILENT_TRIES:
            self._rest_until_s = now_s + SILENT_RETRY_S

    def postponed(self, now_s: float) -> None:
        """Close the open question: the replay is there, but busy."""
        self._misses, self._answers = 0, self._answers or self.question is not None
        self._repeatable, self.question = self.question, None
        self._not_before_s = now_s + ASK_AGAIN_S

    def gave_up(self) -> None:
        """Note that a hole was given up; who answered nothing for so long is not waited for."""
        if self._misses >= SILENT_TRIES:
            self._answers = False

    def abandon(self) -> None:
        """Drop the open question: nobody needs its answer any more."""
        self.question = self._repeatable = None
