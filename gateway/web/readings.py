"""Build a page of readings for HTTP: from the device's journal, then from the ring. Pure.

How it works: :class:`PageBuilder` starts at a position, ``at``: the ``since`` of the query, or the
start of the time span, or a start that leaves room for the newest readings.

1. The journal reader adds the readings from before the ring's front (``add_past``, ``end_past``).
2. :meth:`PageBuilder.add_slice` adds :data:`SLICE` readings of the ring at a time. Between two
   slices the caller lets other greenlets run, so the ring may drop readings meanwhile.
3. :meth:`PageBuilder.page` returns the page, and ``next``: the ``since`` of the following page.

Invariants: each position between the start and ``next`` is covered by a reading, by a gap, or by a
reading outside the time span. ``at`` moves backwards only in ``start_over``, to the first reading
of the journal, and where the device returned to an older epoch. The builder keeps a position and no
index of the ring, so readings that the ring drops during the work become a gap.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from gateway.devices.devices import Device
from gateway.domain import Gap, GapReason
from gateway.feed.backfill import holes
from gateway.packets import reading_payload
from gateway.web.queries import Query
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import READING_BYTES_MAX, encode_reading

SLICE = 100
"""Readings in one step of the work: about a millisecond."""
SPAN_READINGS_MAX, SPAN_BYTES_MAX = 100_000, 25_000_000
"""The most that a thinned span reads. ``next`` of its page is where the following page starts."""
PAGE_BYTES_MAX = 4_000_000
"""The reading that reaches this ends the page. The largest page of usual readings has 1.5 MB."""
GAP_BYTES = 250
"""The size that a gap in a page counts as."""


class Page(NamedTuple):
    """Readings (JSON, oldest first), the gaps between them, and the ``since`` of the next page."""

    payloads: list[bytes]
    gaps: list[Gap]
    next: Cursor
    is_incomplete: bool = False
    """Whether the page may lack readings that the journal did not deliver in time."""
    has_hole: bool = False
    """Whether an incomplete page may lack readings before or between those that it has."""
    reset: Gap | None = None
    """The gap from a ``since`` where the device never was, or from which it went back."""

    @property
    def size_bytes(self) -> int:
        """The memory that the page takes."""
        return sum(map(len, self.payloads)) + GAP_BYTES * len(self.gaps)


def size_bytes_max(query: Query) -> int:
    """Return the most memory that the page of a query may take."""
    if query.max_points is not None:
        return SPAN_BYTES_MAX
    return min(query.limit * READING_BYTES_MAX, PAGE_BYTES_MAX)


@dataclass(slots=True)
class PageBuilder:
    """Builds one page; the module's docstring says how."""

    device: Device
    query: Query
    lost_reason: GapReason
    """The reason of the gap between ``since`` and the oldest reading held."""
    at: Cursor
    """The position that the work has reached."""
    room: int
    room_bytes: int
    payloads: list[bytes] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    has_past: bool = False
    """Whether the page begins with readings of the device's journal."""
    is_incomplete: bool = False
    has_hole: bool = False
    _reset: Gap | None = None
    _first: Cursor | None = None
    _end: Cursor | None = None  # after the last reading or gap of the page

    @classmethod
    def begin(cls, device: Device, query: Query, lost_reason: GapReason) -> Self:
        """Create an empty page at the start that the query asks for."""
        room = query.limit if query.max_points is None else SPAN_READINGS_MAX
        builder = cls(device, query, lost_reason, START, room, size_bytes_max(query))
        builder.at = builder._start_in_ring() if query.since is None else query.since
        return builder

    @property
    def is_full(self) -> bool:
        return self.room <= 0 or self.room_bytes <= 0

    @property
    def wants_past(self) -> bool:
        """Tell whether the query reaches back before the ring's front."""
        ring = self.device.ring
        if self.query.since is not None:
            return ring.front is not None and self.at < ring.front
        return self.query.is_span and self._first_time() > self.query.from_ms

    def is_before(self, ts_ms: int) -> bool:
        """Tell whether a reading of that time, and so each one before it, precedes the span."""
        return self.query.is_span and ts_ms < self.query.from_ms

    def start_over(self, front: Cursor, reason: GapReason) -> None:
        """Continue after ``front``, with a gap, from a position where the device is not."""
        before = Cursor(front.epoch, front.seq + 1)
        self._reset = Gap(self.device.device_id, self.at, before, reason)
        self.at = self._end = front

    def skip_to(self, position: Cursor) -> None:
        """Skip readings that precede the span."""
        self.at = max(self.at, position)

    def note_journal_away(self, *, is_expected: bool) -> None:
        """Note that the journal cannot be asked now.

        That leaves a hole only if the device has shown before that it has a journal.
        """
        feed = self.device.feed
        self.is_incomplete = feed.has_journal or is_expected
        self.has_hole = feed.has_journal and feed.online

    def end_incomplete(self) -> None:
        """Note that the journal did not answer in time.

        A page that has readings of the journal ends after them: the next page goes on from there.
        """
        self.is_incomplete = True
        if self.has_past and self.query.max_points is None:
            self.end_here()
            self.has_hole = not self.payloads
        else:
            self.has_hole = True

    def add_past(self, start: Cursor, readings: Iterable[Reading]) -> None:
        """Add readings of the device's journal, which was asked for those after ``start``."""
        for reading in readings:
            if not self.has_past:
                self.at = start
            if self.is_full:
                return
            self._skip(Cursor(reading.epoch, reading.seq - 1), was_asked=self.has_past)
            self._visit(reading.cursor, reading.ts_ms, encode_reading(reading))
            self.has_past = True

    def end_past(self, front: Cursor) -> None:
        """Note that the journal has no more readings before the ring's front."""
        self._skip(front, was_asked=self.has_past)

    def end_here(self) -> None:
        """End the page here; the next page goes on from this position."""
        self.room = 0
        self._end = self.at

    def add_slice(self) -> bool:
        """Add the next slice of the ring; return False when the page is complete."""
        ring = self.device.ring
        if self.is_full:
            return False
        if ring.front is not None and self.at < ring.front:
            self._skip(ring.front, was_asked=False)
        index = ring.index_after(self.at)
        stop = min(index + SLICE, ring.end_index)
        while index < stop and not self.is_full:
            self._add_entry(index)
            index += 1
        return index < ring.end_index and not self.is_full

    def page(self) -> Page:
        gaps = self._inner_gaps()
        if self._reset is not None:
            gaps = [self._reset, *gaps]
        page = Page(self.payloads, gaps, self._next(), self.is_incomplete)
        return page._replace(has_hole=self.has_hole, reset=self._reset)

    def _next(self) -> Cursor:
        """Return the ``since`` of the following page."""
        if self._end is None and self.query.since is None and self.is_incomplete:
            return START  # so that the next request asks for the missing readings again
        return self._end or self.query.since or self.at

    def _start_in_ring(self) -> Cursor:
        """Return where a page without ``since`` starts."""
        ring = self.device.ring
        index = ring.first_index if self.query.is_span else _newest_start(self.device, self.room)
        # the first entry of an emptied ring is the gap epoch_back: start after it
        start = ring.front if index <= ring.first_index else ring.cursor_before(index)
        return start or START

    def _first_time(self) -> int:
        ring = self.device.ring
        times = (
            ring.time_at(i)
            for i in range(ring.first_index, ring.end_index)
            if ring.gap_at(i) is None
        )
        return next(times, self.query.to_ms)

    def _add_entry(self, index: int) -> None:
        ring = self.device.ring
        gap = ring.gap_at(index)
        if gap is None:
            cursor = ring.cursor_before(index + 1) or self.at
            self._visit(cursor, ring.time_at(index), reading_payload(ring.frame_at(index)))
        else:
            inside = gap.after is not None and self.at > gap.after
            self._note(replace(gap, after=self.at) if inside else gap)

    def _visit(self, cursor: Cursor, ts_ms: int, payload: bytes) -> None:
        """Move to a reading; add it if it lies in the span."""
        self.at = cursor
        if self._first is None and self.is_before(ts_ms):  # gaps before the span do not count
            self.room_bytes += GAP_BYTES * len(self.gaps)
            self.gaps.clear()
        elif self.query.includes(ts_ms):
            self._first = self._first or cursor
            self._end = cursor
            self.payloads.append(payload)
            self.room -= 1
            self.room_bytes -= len(payload)

    def _skip(self, front: Cursor, *, was_asked: bool) -> None:
        """Move to ``front``, and note the positions between as gaps.

        The device was asked for them and does not have them (``was_asked``), or the ring no longer
        holds them.
        """
        device_id = self.device.device_id
        if was_asked:
            for hole in holes(device_id, self.at, front):
                self._note(hole)
        elif self.at < front and (self.at != START or front.seq):  # 0-0 means: all readings held
            lost = Gap(device_id, self.at, Cursor(front.epoch, front.seq + 1), self.lost_reason)
            self._note(lost)
        self.at = max(self.at, front)

    def _note(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self.room_bytes -= GAP_BYTES
        self.at = gap.end
        if not self.query.is_span:
            self._end = gap.end

    def _inner_gaps(self) -> list[Gap]:
        """Return the gaps of a page; of a span, only those between its readings.

        With ``since``, a gap before the first reading counts too: the previous page ended there.
        """
        if not self.query.is_span:
            return self.gaps
        if self._first is None or self._end is None:
            return []
        begin = self.query.since if self._reset is None else self._reset.end
        after, end = begin or self._first, self._end
        return [gap for gap in self.gaps if after < gap.before <= end]


def _newest_start(device: Device, limit: int) -> int:
    ring, index = device.ring, device.ring.end_index
    while index > ring.first_index and limit > 0:
        index -= 1
        limit -= ring.gap_at(index) is None
    return index
