"""What the gateway subscribes to, and which devices are its own. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.wire import READING_TOPIC, STATUS_TOPIC, reading_topic

EVERYTHING = "*"
"""What is watched when every device is."""


@dataclass(slots=True)
class Topics:
    """The topics wanted now.

    With ``on_demand`` readings are wanted only of what is watched, at most ``watched_max`` ids: a
    publisher spends some kB of memory on each subscription.
    """

    on_demand: bool
    watched_max: int
    _watched: set[str] = field(default_factory=set)

    def watch(self, device_ids: Iterable[str]) -> int:
        """Want the readings of these too; returns how many found no room."""
        if not self.on_demand:
            return 0
        new = set(device_ids) - self._watched
        room = self.watched_max - len(self._watched)
        self._watched.update(sorted(new)[: max(room, 0)])
        return max(len(new) - room, 0)

    def unwatch(self, device_ids: Iterable[str]) -> None:
        """Want the readings of these no more."""
        self._watched.difference_update(device_ids)

    def wanted(self) -> frozenset[bytes]:
        """Name every topic to be subscribed to now."""
        if not self.on_demand or EVERYTHING in self._watched:
            return frozenset((READING_TOPIC.encode(), STATUS_TOPIC.encode()))
        return frozenset((STATUS_TOPIC.encode(), *map(reading_topic, self._watched)))


def matches_any(device_id: str, patterns: Sequence[str]) -> bool:
    """Tell whether a device id is one of the patterns of ``SPOKE_DEVICES``.

    A pattern is an id, or the beginning of some with a ``*`` behind it.
    """
    return any(
        device_id.startswith(pattern[:-1]) if pattern.endswith("*") else device_id == pattern
        for pattern in patterns
    )
