"""The ring: the last readings and gaps of one device, each encoded once, ready to send.

How it works

- The ring is the only long buffer between a device and its clients. A client has a position in it,
  not a queue of its own. Each group of clients has a short tail that shares the ring's bytes, and a
  connection keeps only what the kernel refused.
- An entry has an *index* that never changes while it is held. Readings that are backfilled in front
  get smaller indexes, even negative ones.
- An entry also has a *position* (the cursor after it) and an *arrival* number, which counts the
  entries of all devices (0 if it was backfilled). Indexes, positions and arrivals all ascend, so
  each can be found by binary search.
- The entries are stored in columns, a list of frames and arrays of integers: that takes less memory
  than an object each.
- A lost entry stays as an empty slot in front (``_skip``), so that its index can still be found by
  its arrival, until :meth:`Ring.forget` deletes the slot. The ring asks for that when it has enough
  of them (:attr:`Ring.last_lost`).
- Invariant: the entry at an index begins where the one before it ends. ``front`` is the position
  before the first entry. The first entry after :meth:`Ring.empty` is an exception: it is the gap
  ``epoch_back``, which begins at its ``after``, ahead of ``front``, and ends at ``front``.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain import Gap
from gateway.packets import event_frame, reading_frame
from shared.cursor import Cursor
from shared.reading import Reading
from shared.wire import encode_reading

ENTRY_OVERHEAD_BYTES = 96
"""The memory of an entry besides its frame: the header and rounding of the bytes object (41), a
pointer and four integers in columns that grow ahead (43), and a share of the trimmed slots."""

COMPACT_PART = 16
"""Lost slots are deleted when they are a 16th of all slots: trimming stays O(1), and a thousand
short rings do not keep a thousand long runs of empty slots."""


class Entry(NamedTuple):
    """A reading or a gap in the ring."""

    arrival: int
    end: Cursor
    ts_ms: int
    frame: bytes
    gap: Gap | None = None


def reading_entry(reading: Reading, arrival: int = 0) -> Entry:
    """Encode a reading, once for all clients."""
    framed = reading_frame(encode_reading(reading))
    return Entry(arrival, reading.cursor, reading.ts_ms, framed)


def gap_entry(gap: Gap, arrival: int = 0) -> Entry:
    """Encode a gap, in the place of the missing readings."""
    return Entry(arrival, gap.end, 0, event_frame("gap", gap.body()), gap)


class Ring:
    """At most ``capacity`` entries of one device; the oldest are lost first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.front: Cursor | None = None
        """The position before the first entry held; None before first contact."""
        self.emptied_at: int | None = None
        """Entries below this index were lost by :meth:`empty`, not by age; None before that."""
        self.size_bytes = 0
        self._base = 0  # the index of slot 0
        self._skip = 0  # lost slots in front that are not deleted yet
        self._before: Cursor | None = None  # the position before slot 0
        self._frames: list[bytes] = []
        self._arrivals, self._epochs = array("q"), array("q")
        self._seqs, self._times = array("q"), array("q")
        self._gaps: dict[int, Gap] = {}

    def __len__(self) -> int:
        return len(self._frames) - self._skip

    @property
    def first_index(self) -> int:
        """The index of the first entry held."""
        return self._base + self._skip

    @property
    def end_index(self) -> int:
        """The index the next entry will have."""
        return self._base + len(self._frames)

    def start_at(self, front: Cursor) -> None:
        """Begin after ``front`` at first contact.

        Readings before ``front`` are not announced as a gap; :meth:`prepend` may put them in front.
        """
        self.front = self._before = front

    def append(self, entry: Entry) -> None:
        """Add an entry at the end; beyond the capacity the oldest entry is lost."""
        if entry.gap is not None:
            self._gaps[self.end_index] = entry.gap
        self._frames.append(entry.frame)
        self._arrivals.append(entry.arrival)
        self._epochs.append(entry.end.epoch)
        self._seqs.append(entry.end.seq)
        self._times.append(entry.ts_ms)
        self.size_bytes += len(entry.frame) + ENTRY_OVERHEAD_BYTES
        if len(self) > self.capacity:
            self.trim(1)

    def prepend(self, entries: Sequence[Entry], front: Cursor) -> None:
        """Put backfilled entries in front: the newest that still fit, beginning with a reading.

        ``front`` is the position before the first of them. Nothing is put there if the ring has
        lost its own front meanwhile: the entries would not be the ones right before it.
        """
        room = self.capacity - len(self)
        skipped = max(0, len(entries) - room)
        while skipped < len(entries) and entries[skipped].gap is not None:
            skipped += 1
        if skipped == len(entries) or entries[-1].end != self.front:
            return
        self._delete(self._skip)
        self.front = self._before = entries[skipped - 1].end if skipped else front
        self._put_in_front(entries[skipped:])

    def _put_in_front(self, entries: Sequence[Entry]) -> None:
        self._base -= len(entries)
        for offset, entry in enumerate(entries):
            if entry.gap is not None:
                self._gaps[self._base + offset] = entry.gap
        self._frames[:0] = [entry.frame for entry in entries]
        self._arrivals[:0] = array("q", [entry.arrival for entry in entries])
        self._epochs[:0] = array("q", [entry.end.epoch for entry in entries])
        self._seqs[:0] = array("q", [entry.end.seq for entry in entries])
        self._times[:0] = array("q", [entry.ts_ms for entry in entries])
        self.size_bytes += sum(len(entry.frame) + ENTRY_OVERHEAD_BYTES for entry in entries)

    def trim(self, count: int) -> None:
        """Lose the ``count`` oldest entries."""
        for _ in range(min(count, len(self))):
            slot = self._skip
            self.front = Cursor(self._epochs[slot], self._seqs[slot])
            self.size_bytes -= len(self._frames[slot]) + ENTRY_OVERHEAD_BYTES
            self._frames[slot] = b""
            self._gaps.pop(self.first_index, None)
            self._skip += 1

    def empty(self, front: Cursor) -> None:
        """Lose all entries and continue after ``front``."""
        self._skip = len(self._frames)
        self._frames = [b""] * self._skip
        self._gaps.clear()
        self.size_bytes = 0
        self.emptied_at = self.end_index
        self.front = front

    @property
    def last_arrival(self) -> int:
        """The arrival number of the newest entry, which may be lost; 0 if there was none."""
        return self._arrivals[-1] if self._arrivals else 0

    @property
    def last_lost(self) -> int | None:
        """The arrival number of the last lost entry, if it is time to forget lost entries."""
        if not self._skip or self._skip * COMPACT_PART < len(self._frames):
            return None
        return self._arrivals[self._skip - 1]

    def forget(self, arrival: int) -> None:
        """Forget the lost entries up to an arrival number."""
        self._delete(bisect_right(self._arrivals, arrival, hi=self._skip))

    def _delete(self, slots: int) -> None:
        if not slots:
            return
        self._before = self._end_of(slots - 1)
        self._base += slots
        self._skip -= slots
        for column in (self._frames, self._arrivals, self._epochs, self._seqs, self._times):
            del column[:slots]

    def index_after(self, cursor: Cursor) -> int:
        """Return the index of the first entry that ends after ``cursor``."""
        return self._base + bisect_right(
            range(len(self._frames)), cursor, lo=self._skip, key=self._end_of
        )

    def index_arrived_after(self, arrival: int) -> int:
        """Return the index of the first entry that arrived after ``arrival``.

        It may be a lost entry that is not forgotten.
        """
        return self._base + bisect_right(self._arrivals, arrival)

    def _end_of(self, slot: int) -> Cursor:
        return Cursor(self._epochs[slot], self._seqs[slot])

    def cursor_before(self, index: int) -> Cursor | None:
        """Return the position before the entry at ``index``, which may be :attr:`end_index`.

        The entry may be lost, but not forgotten. For a gap ``epoch_back`` that is the
        position before the device went back.
        """
        if index == self.emptied_at and index in self._gaps:
            return self._gaps[index].after
        if index == self.first_index:
            return self.front
        return self._before if index <= self._base else self._end_of(index - 1 - self._base)

    def frame_at(self, index: int) -> bytes:
        """Return the frame of one entry."""
        return self._frames[index - self._base]

    def frames(self, start: int, stop: int) -> list[bytes]:
        """Return the frames from ``start`` up to, but without, ``stop``."""
        return self._frames[start - self._base : stop - self._base]

    def gap_at(self, index: int) -> Gap | None:
        """Return the gap at ``index``; None for a reading."""
        return self._gaps.get(index)

    def arrival_at(self, index: int) -> int:
        """Return the arrival number of one entry."""
        return self._arrivals[index - self._base]

    def time_at(self, index: int) -> int:
        """Return ``ts_ms`` of the entry at ``index``; 0 for a gap."""
        return self._times[index - self._base]

    def newest_reading(self) -> int | None:
        """Return the index of the newest reading; None if the ring holds no reading."""
        last = self.end_index - 1
        if last >= self.first_index and last not in self._gaps:
            return last
        readings = (i for i in range(last, self.first_index - 1, -1) if i not in self._gaps)
        return next(readings, None)

    def find(self, cursor: Cursor) -> bytes | None:
        """Return the frame of the reading at ``cursor``; None if it is not held."""
        index = self.index_after(cursor) - 1
        held = index >= self.first_index and self._end_of(index - self._base) == cursor
        return self.frame_at(index) if held and index not in self._gaps else None
