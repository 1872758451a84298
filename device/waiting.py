"""The sources that have no sample yet, and the poller that wakes the publisher for them."""

from collections.abc import Collection
from dataclasses import dataclass, field

import zmq


@dataclass(slots=True)
class WaitingSources:
    """The bikes whose source said ``NOT_YET``, by their place in the fleet.

    A descriptor is in the poller only while its bike waits. Otherwise a source that has input for
    a sample that is not due yet would wake the loop again and again.
    """

    poller: zmq.Poller
    _descriptors: dict[int, int | None] = field(default_factory=dict)  # by bike
    _bikes: dict[int, int] = field(default_factory=dict)  # by descriptor

    def __contains__(self, bike: int) -> bool:
        """Tell whether a bike waits."""
        return bike in self._descriptors

    def add(self, bike: int, descriptor: int | None) -> None:
        """Wait for a bike; ``descriptor`` becomes readable when its source is to be polled."""
        self._descriptors[bike] = descriptor
        if descriptor is not None:
            self._bikes[descriptor] = bike
            self.poller.register(descriptor, zmq.POLLIN)

    def discard(self, bike: int) -> None:
        """Wait for a bike no longer, if it waits."""
        descriptor = self._descriptors.pop(bike, None)
        if descriptor is not None:
            del self._bikes[descriptor]
            self.poller.unregister(descriptor)

    def readable(self, ready: Collection[object]) -> list[int]:
        """Return the bikes whose descriptor is in ``ready``, the keys that the poller returned."""
        return [self._bikes[key] for key in ready if isinstance(key, int) and key in self._bikes]
