"""How many connections or sessions each address holds, and which address holds most.

An address here is the one a client is counted by: ``client_address.holder_of``.
"""

from collections import Counter, defaultdict


class AddressCounts:
    """Counts by address. Every call takes the same short time, however many addresses there are."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._addresses: defaultdict[int, dict[str, None]] = defaultdict(dict)  # by count
        self._largest_count = 0

    def count(self, address: str) -> int:
        return self._counts[address]

    @property
    def largest(self) -> str | None:
        """The address with the largest count; of several, the one that reached it first."""
        count = self._largest_count
        return next(iter(self._addresses[count])) if count else None

    def add(self, address: str) -> None:
        self._move(address, self._counts[address] + 1)

    def remove(self, address: str) -> None:
        self._move(address, self._counts[address] - 1)

    def to_evict_for(self, newcomer: str) -> str | None:
        """Return the address that loses one to a newcomer from another address, or None.

        Even with the new one, the newcomer's address has fewer than that address had. Otherwise
        two addresses of equal counts would evict each other in turn, for ever.
        """
        largest = self.largest
        if largest is None or self._largest_count < self._counts[newcomer] + 2:
            return None
        return largest

    def _move(self, address: str, count: int) -> None:
        before = self._counts[address]
        self._addresses[before].pop(address, None)
        if not self._addresses[before]:
            del self._addresses[before]
        if count > 0:
            self._counts[address] = count
            self._addresses[count][address] = None
        else:
            del self._counts[address]
        # A count changes by one at a time, so the largest count also changes by at most one.
        if count > before:
            self._largest_count = max(self._largest_count, count)
        elif self._largest_count == before and before not in self._addresses:
            self._largest_count = before - 1
