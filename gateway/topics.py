"""What the gateway subscribes to: which topics of which devices. Pure.

A pattern is a device id, or the beginning of some with a ``*`` behind it, as in ``SPOKE_DEVICES``.
Topics are prefixes too, so a pattern is one topic.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.wire import READING_TOPIC, STATUS_TOPIC

EVERYTHING = "*"
"""The pattern that every device id matches."""


@dataclass(slots=True)
class Topics:
    """The topics wanted now.

    ``ours`` are the patterns of the devices that concern us, all when empty. With ``on_demand``
    readings are wanted only of what is watched, at most ``watched_max`` patterns: a publisher
    spends some kB of memory on each subscription.
    """

    ours: Sequence[str]
    on_demand: bool
    watched_max: int
    _watched: set[str] = field(default_factory=set)

    def watch(self, patterns: Iterable[str]) -> int:
        """Want the readings of these too; returns how many found no room."""
        if not self.on_demand:
            return 0
        new = set(patterns) - self._watched
        room = self.watched_max - len(self._watched)
        self._watched.update(sorted(new)[: max(room, 0)])
        return max(len(new) - room, 0)

    def unwatch(self, patterns: Iterable[str]) -> None:
        """Want the readings of these no more."""
        self._watched.difference_update(patterns)

    def wanted(self) -> frozenset[bytes]:
        """Name every topic to be subscribed to now."""
        ours = self.ours or (EVERYTHING,)
        readings = self._readings_wanted(ours) if self.on_demand else ours
        statuses = {_topic(STATUS_TOPIC, pattern) for pattern in ours}
        return frozenset(statuses | {_topic(READING_TOPIC, pattern) for pattern in readings})

    def _readings_wanted(self, ours: Sequence[str]) -> Iterable[str]:
        if EVERYTHING in self._watched:
            return ours
        return (pattern for pattern in self._watched if matches_any(pattern, ours))


def matches_any(device_id: str, patterns: Sequence[str]) -> bool:
    """Tell whether a device id is one of the patterns, or begins as one says."""
    return any(
        device_id.startswith(pattern[:-1]) if pattern.endswith("*") else device_id == pattern
        for pattern in patterns
    )


def _topic(kind: str, pattern: str) -> bytes:
    """Make a topic out of a pattern; an id ends in a slash so that it is nobody else's prefix."""
    name = pattern[:-1] if pattern.endswith("*") else f"{pattern}/"
    return f"{kind}{name}".encode()
