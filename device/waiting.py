"""The sources that have no sample yet, and the poller that wakes the publisher for them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf

import zmq


@dataclass(slots=True)
class WaitingSources:
    """The bikes whose source has no sample yet, by their place in the fleet.

    A descriptor is in the poller only while its bike waits. Otherwise a source that has input for
    a sample that is not due yet would wake the loop again and again.
    """

    poller: zmq.Poller
    _descriptors: dict[int, int | None] = field(default_factory=dict)  # by bike
    _bikes: dict[int, int] = field(default_factory=dict)  # by descriptor
    _polls_s: dict[int, float] = field(default_factory=dict)  # by bike, if its source named a time

    def __contains__(self, bike: int) -> bool:
        """Tell whether a bike waits."""
        return bike in self._descriptors

    def add(self, bike: int, descriptor: int | None, at_s: float = inf) -> None:
        """Wait for a bike until ``descriptor`` becomes readable, and until ``at_s`` at most."""
        self._descriptors[bike] = descriptor
        if at_s < inf:
            self._polls_s[bike] = at_s
        if descriptor is not None:
            self._bikes[descriptor] = bike
            self.poller.register(descriptor, zmq.POLLIN)

    def discard(self, bike: int) -> None:
        """Wait for a bike no longer, if it waits."""
        descriptor = self._descriptors.pop(bike, None)
        self._polls_s.pop(bike, None)
        if descriptor is not None:
            del self._bikes[descriptor]
            self.poller.unregister(descriptor)

    def due(self, ready: Collection[object], now_s: float) -> set[int]:
        """Return the bikes to poll; ``ready`` holds the keys that the poller returned."""
        readable = (key for key in ready if isinstance(key, int) and key in self._bikes)
        late = (bike for bike, at_s in self._polls_s.items() if at_s <= now_s)
        return {*(self._bikes[key] for key in readable), *late}

    def next_s(self) -> float:
        """Return the earliest time that a source named; infinity if none did."""
        return min(self._polls_s.values(), default=inf)
