"""How many places each holder has, and which holder has most. Pure.

A holder is a client's address as far as it stands for one party: see ``client_address.py``.
"""

from collections import Counter, defaultdict


class Shares:
    """Counts places by holder; every call takes the same short time, however many there are."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._holders: defaultdict[int, dict[str, None]] = defaultdict(dict)  # by count
        self._most = 0

    def count(self, holder: str) -> int:
        """Return how many places a holder has."""
        return self._counts[holder]

    @property
    def most(self) -> str | None:
        """The holder that has most places; of several, the one that got there first."""
        return next(iter(self._holders[self._most]), None) if self._most else None

    def add(self, holder: str) -> None:
        """Count one more place."""
        self._move(holder, self._counts[holder] + 1)

    def remove(self, holder: str) -> None:
        """Count one place less."""
        self._move(holder, self._counts[holder] - 1)

    def should_yield(self, newcomer: str) -> str | None:
        """Return the holder that has to give a place to a newcomer's, or None.

        The newcomer's holder has fewer places even with the new one, so no two take turns.
        """
        most = self.most
        if most is None or self._most < self._counts[newcomer] + 2:
            return None
        return most

    def _move(self, holder: str, count: int) -> None:
        before = self._counts[holder]
        self._holders[before].pop(holder, None)
        if not self._holders[before]:
            del self._holders[before]
        if count > 0:
            self._counts[holder] = count
            self._holders[count][holder] = None
        else:
            del self._counts[holder]
        # a count changes by one, so the greatest one does, too
        self._most = max(self._most, count) if count > before else self._greatest_below(before)

    def _greatest_below(self, before: int) -> int:
        if self._most == before and before not in self._holders:
            return before - 1
        return self._most
