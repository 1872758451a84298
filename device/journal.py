"""What was published, kept for replay.

A :class:`Journal` is asked for pages by position. This one is kept in memory; one that survives
the process is in :mod:`device.durable.journal`, and answers from such a one as well. Pure.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

from shared.cursor import Cursor
from shared.replay_server.journal import JournalPage, ReplayJournal

READINGS_A_DEVICE = 20_000
"""Half an hour at 10 Hz, and the whole of a recorded ride of five hours at 1 Hz: a gateway that
comes late can still fetch all of it. About 8 MB."""
READINGS_IN_ALL = 400_000
"""A fleet shares this; about 150 MB at 280 bytes a reading. 1,000 bikes keep 400 readings each:
40 s at 10 Hz, several times what a gateway needs for a restart or a repair."""


class Numbered(NamedTuple):
    """A reading with its number, ready to be kept and sent."""

    device_id: str
    cursor: Cursor
    payload: bytes


class Journal(ReplayJournal, Protocol):
    """Keeps what was published; it is appended to before the reading goes out."""

    def keep(self, batch: Sequence[Numbered]) -> int | None:
        """Keep readings, all or none; positions of a device only ever grow.

        None were kept when a number is returned: the epoch in which they, and all after them, are
        to be numbered instead.
        """

    def close(self) -> None:
        """Give back what the journal holds open."""


_Entry: TypeAlias = tuple[int, int, bytes]
"""Epoch, number and reading. A plain tuple, because the garbage collector leaves those alone: with
named ones it stops a full journal for 0.2 s each time, instead of 0.03 s (measured)."""


class MemoryJournal:
    """The newest readings of each device, at most ``capacity`` of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: dict[str, deque[_Entry]] = {}

    def keep(self, batch: Sequence[Numbered]) -> int | None:
        """Keep readings, in whatever epoch."""
        for one in batch:
            self.append(*one)
        return None

    def append(self, device_id: str, cursor: Cursor, payload: bytes) -> None:
        """Keep one reading; the oldest gives way to it."""
        entries = self._entries.get(device_id)
        if entries is None:
            entries = self._entries[device_id] = deque(maxlen=self.capacity)
        entries.append((*cursor, payload))

    def page(self, device_id: str, after: Cursor | None, limit: int) -> JournalPage:
        """Read at most ``limit`` readings after a position, None: from the oldest held."""
        entries = self._entries.get(device_id)
        if not entries:
            return JournalPage((), None, None)
        first = 0 if after is None else bisect_right(entries, after, key=_position)
        found = islice(entries, first, first + limit)
        payloads = tuple(payload for _, _, payload in found)
        return JournalPage(payloads, _position(entries[0]), _position(entries[-1]))

    def close(self) -> None:
        """Forget everything."""
        self._entries.clear()


def capacity(devices: int) -> int:
    """Return how many readings of each device a process with so many devices keeps."""
    return max(1, min(READINGS_A_DEVICE, READINGS_IN_ALL // devices))


def _position(entry: _Entry) -> Cursor:
    return Cursor(entry[0], entry[1])
