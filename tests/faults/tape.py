"""What a witness saw of a device, and the judgement of it. Pure.

A tape is what came, in order: runs of readings whose numbers follow each other, and gaps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.cursor import START, Cursor, count_between


@dataclass(frozen=True, slots=True)
class Run:
    """Readings ``first`` to ``last`` of an epoch, one after the other."""

    epoch: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Told:
    """An announced gap; both bounds are exclusive."""

    after: Cursor | None
    before: Cursor
    lost: int | None
    reason: str


Item: TypeAlias = Run | Told


@dataclass(slots=True)
class Verdict:
    """What is wrong with a tape, and how much of it there is."""

    position: Cursor = START
    readings: int = 0
    missing: int = 0
    """Numbers passed over without a gap, and epochs that began without one."""
    repeated: int = 0
    out_of_order: int = 0
    gaps: list[Told] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    """Gaps that do not begin where the stream was, lead back, or count wrongly."""
    _seen: list[Run] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Tell whether each reading came once and in order, or is in a gap that fits."""
        return not (self.missing or self.repeated or self.out_of_order or self.misfits)

    @property
    def reasons(self) -> list[str]:
        """The reasons of the gaps, in order."""
        return [gap.reason for gap in self.gaps]

    def see(self, run: Run) -> None:
        """Judge the next run."""
        self.readings += run.last - run.first + 1
        first = run.first
        if run.epoch < self.position.epoch:
            self._see_again(run)
            return
        if run.epoch > self.position.epoch:
            self.missing += first - 1 if self.position == START else first
        else:
            behind = min(run.last, self.position.seq)
            if first <= behind:
                self._see_again(Run(run.epoch, first, behind))
                first = behind + 1
            self.missing += max(0, first - self.position.seq - 1)
        if first <= run.last:
            self.repeated += self._count_seen(Run(run.epoch, first, run.last))
            self._note(Run(run.epoch, first, run.last))
            self.position = Cursor(run.epoch, run.last)

    def be_told(self, gap: Told) -> None:
        """Judge the next gap, and go on behind it."""
        self.gaps.append(gap)
        end = Cursor(gap.before.epoch, gap.before.seq - 1)
        if gap.after is not None and gap.after != self.position:
            self.misfits.append(f"{gap} begins elsewhere than at {self.position}")
        if gap.lost != (None if gap.after is None else count_between(gap.after, gap.before)):
            self.misfits.append(f"{gap} counts wrongly")
        leads_back = gap.reason in ("epoch_back", "unknown_cursor")
        if end < self.position and not leads_back:
            self.misfits.append(f"{gap} leads back from {self.position}")
        if gap.reason == "epoch_back":  # the device began to number anew from there
            self._seen = [run for run in self._seen if Cursor(run.epoch, run.last) <= end]
        self.position = end

    def _note(self, run: Run) -> None:
        """Remember a run; one that goes on where the last ended is the same."""
        last = self._seen[-1] if self._seen else None
        if last is not None and (last.epoch, last.last + 1) == (run.epoch, run.first):
            self._seen[-1] = Run(run.epoch, last.first, run.last)
        else:
            self._seen.append(run)

    def _see_again(self, run: Run) -> None:
        """Tell what was seen before from what comes late."""
        count, again = run.last - run.first + 1, self._count_seen(run)
        self.repeated += again
        self.out_of_order += count - again

    def _count_seen(self, run: Run) -> int:
        """Count the readings of a run that were seen before."""
        again = sum(
            max(0, min(run.last, old.last) - max(run.first, old.first) + 1)
            for old in self._seen
            if old.epoch == run.epoch
        )
        return min(again, run.last - run.first + 1)


def judge(items: Iterable[Item], start: Cursor = START) -> Verdict:
    """Judge a stream that began after ``start``."""
    verdict = Verdict(start)
    for item in items:
        if isinstance(item, Run):
            verdict.see(item)
        else:
            verdict.be_told(item)
    return verdict
