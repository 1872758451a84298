"""Compares the readings that a client received with what the hardware sent. Pure.

How it works. The truth is a list of rows in the order of sending; a row has the values of one
measurement. A row explains a reading if it has each value of the reading, as exactly as the
protocol can tell it. Three conditions hold beside that:

- A row explains one reading at most, and readings have the order of their rows.
- A row explains only readings of its own time: none that is older, and none that is much later.
- Some hardware sends a value in a message of its own, or its source keeps a value for a while.
  Such a value may be that of an earlier row, if that row is not too old.

A reading that no row explains is compared with the row that explains most of its values. A value is
*wrong* if this row has another one, and *invented* if the truth has none.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = Any
Judge: TypeAlias = Callable[[str, Any, Mapping[str, Any]], bool | None]
"""Tells whether a row has this value of this key; None if the row has no value of the key."""

EARLY_S = 1.0
"""Some emulators note the time after they have sent."""
LATE_S = 3.0
"""Longer than sources delay a reading."""
BUSY_LATE_S = 10.0
"""Longer than a machine that runs many tests delays it."""
EXAMPLES_MAX = 10
NO_VALUES = {"v", "device_id", "epoch", "seq", "ts_ms", "extra"}


class Row(NamedTuple):
    """The values of one measurement; ``link`` counts the connections of the hardware."""

    sent_ms: int
    values: Mapping[str, Any]
    link: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """How the truth of one kind of hardware is read and compared."""

    rows: Callable[[Iterable[Json]], Iterator[Row]]
    """Makes rows of the lines of the file of the truth."""
    judge: Judge
    ages_s: Mapping[str, float] = field(default_factory=dict)
    """The values that may be those of an earlier row of the same link, and how old it may be."""
    identity: str | None = None
    """A key whose value names the row of a reading; without it, the time does."""


class Outcome(Enum):
    """The judgement of one value."""

    TRUE = "true"
    WRONG = "wrong"
    INVENTED = "invented"


@dataclass(slots=True)
class Findings:
    """The result of a comparison, in numbers, and the first readings that no row explains."""

    readings: int = 0
    values: int = 0
    wrong: int = 0
    invented: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, reading: Json, outcomes: Mapping[str, Outcome]) -> None:
        """Count the values of a reading."""
        found = list(outcomes.values())
        self.readings += 1
        self.values += len(found)
        self.wrong += found.count(Outcome.WRONG)
        self.invented += found.count(Outcome.INVENTED)
        false = {key: one.value for key, one in outcomes.items() if one is not Outcome.TRUE}
        if false and len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{false} in {reading}")


def compare(
    readings: Iterable[Json], rows: Iterable[Row], rule: Rule, late_s: float = LATE_S
) -> Findings:
    """Compare the readings of a bike with the truth, both in their order."""
    findings, truth = Findings(), _Truth(list(rows), rule, late_s)
    for reading in readings:
        findings.add(reading, truth.judge(reading))
    return findings


def measured(reading: Json) -> dict[str, Any]:
    """Return the values of a reading, those of ``extra`` among them.

    Backpedalling is what hardware calls a negative cadence.
    """
    values = {key: value for key, value in reading.items() if key not in NO_VALUES}
    values |= reading.get("extra", {})
    if "backpedal_rpm" in values:
        values["cadence_rpm"] = -values.pop("backpedal_rpm")
    return values


class _Truth:
    """The rows, and how far they are used up."""

    def __init__(self, rows: Sequence[Row], rule: Rule, late_s: float) -> None:
        self._rows, self._rule, self._late_s = rows, rule, late_s
        self._times_ms = [row.sent_ms for row in rows]
        self._next = 0  # the first row that may explain the next reading
        self._named: dict[Any, int] = {}
        if rule.identity is not None:
            self._named = {row.values[rule.identity]: at for at, row in enumerate(rows)}

    def judge(self, reading: Json) -> dict[str, Outcome]:
        """Judge each value of the next reading."""
        values, places = measured(reading), self._places(reading)
        for place in places:
            if all(self._outcome(*one, place) is Outcome.TRUE for one in values.items()):
                self._next = place + 1
                return dict.fromkeys(values, Outcome.TRUE)
        tries = [
            {key: self._outcome(key, value, place) for key, value in values.items()}
            for place in places
        ]
        return max(tries, key=_closeness, default=dict.fromkeys(values, Outcome.INVENTED))

    def _places(self, reading: Json) -> range:
        """Return the places of the rows that may explain a reading."""
        if self._rule.identity is not None:
            place = self._named.get(reading[self._rule.identity], -1)
            return range(place, place + 1) if place >= self._next else range(0)
        at_ms = reading["ts_ms"]
        first = bisect_left(self._times_ms, at_ms - self._late_s * 1000)
        return range(max(first, self._next), bisect_right(self._times_ms, at_ms + EARLY_S * 1000))

    def _outcome(self, key: str, value: Any, place: int) -> Outcome:
        is_true = self._rule.judge(key, value, self._rows[place].values)
        if is_true is None and key in self._rule.ages_s:
            earlier = [self._rule.judge(key, value, row.values) for row in self._before(place, key)]
            known = [one for one in earlier if one is not None]
            is_true = any(known) if known else None
        if is_true is None:
            return Outcome.INVENTED
        return Outcome.TRUE if is_true else Outcome.WRONG

    def _before(self, place: int, key: str) -> Iterator[Row]:
        """Yield the rows before a place whose value of a key may still be used, the last first."""
        here = self._rows[place]
        oldest_ms = here.sent_ms - self._rule.ages_s[key] * 1000
        for row in reversed(self._rows[bisect_left(self._times_ms, oldest_ms) : place]):
            if row.link != here.link:
                return
            yield row


def _closeness(outcomes: Mapping[str, Outcome]) -> tuple[int, bool]:
    """Rank a row by the number of true values; among equals, the speed decides."""
    true = list(outcomes.values()).count(Outcome.TRUE)
    return true, outcomes["speed_kmh"] is Outcome.TRUE
