"""Build a page of readings for HTTP: from the device's journal, then from the ring. Pure.

How it works: :class:`PageBuilder` starts at a position, ``at``: the ``since`` of the query, or the
start of the time span, or a start that leaves room for the newest readings.

1. The journal reader adds the readings from before the ring's front: ``add_from_journal`` for each
   answer, then ``end_of_journal``. If an answer is missing, it calls ``end_incomplete`` instead; if
   it cannot ask at all, ``note_unreachable_journal``.
2. :meth:`PageBuilder.add_slice` adds :data:`SLICE` entries of the ring at a time. Between two
   slices the caller lets other greenlets run, so the ring may drop readings meanwhile.
3. :meth:`PageBuilder.page` returns the page, and ``next``: the ``since`` of the following page.

Invariants: each position between the start and ``next`` is covered by a reading, by a gap, or by a
reading outside the time span. ``at`` moves backwards in three cases only: in ``reset_to``, when the
first reading of the journal is added, and where the device returned to an older epoch. The builder
keeps a position and no index of the ring, so readings that the ring drops during the work become a
gap.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from gateway.devices.devices import Device
from gateway.domain import Gap, GapReason
from gateway.feed.backfill import holes
from gateway.packets import reading_payload
from gateway.web.page import GAP_BYTES, SLICE, SPAN_READINGS_MAX, Page, size_bytes_max
from gateway.web.queries import Query
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import encode_reading


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
    """Readings that may still be added."""
    room_bytes: int
    """Bytes that may still be added; below 0 after the reading that filled the page."""
    payloads: list[bytes] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    """The gaps so far, without ``_reset``; of a span, :meth:`page` returns only some of them."""
    has_journal_readings: bool = False
    """Whether the work went over a reading of the device's journal, inside the span or not."""
    is_incomplete: bool = False
    has_hole: bool = False
    ends_early: bool = False
    _reset: Gap | None = None
    """The gap of :meth:`reset_to`."""
    _first: Cursor | None = None
    """The position of the first reading added."""
    _end: Cursor | None = None
    """The ``since`` of the next page; None until a reading, a gap, a reset or an end sets it."""

    @classmethod
    def begin(cls, device: Device, query: Query, lost_reason: GapReason) -> Self:
        """Create an empty page; ``at`` is the start that the query asks for."""
        room = query.limit if query.max_points is None else SPAN_READINGS_MAX
        builder = cls(device, query, lost_reason, START, room, size_bytes_max(query))
        builder.at = builder._start_in_ring() if query.since is None else query.since
        return builder

    @property
    def is_full(self) -> bool:
        """Tell whether the page takes no further reading. Changes nothing."""
        return self.room <= 0 or self.room_bytes <= 0

    @property
    def wants_journal(self) -> bool:
        """Tell whether the query reaches back before the ring's front. Changes nothing."""
        ring = self.device.ring
        if self.query.since is not None:
            return ring.front is not None and self.at < ring.front
        oldest_ms = self._oldest_time_in_ring()
        return self.query.is_span and (oldest_ms is None or oldest_ms > self.query.from_ms)

    def precedes_span(self, ts_ms: int) -> bool:
        """Tell whether a reading of that time is older than the span. Changes nothing."""
        return self.query.is_span and ts_ms < self.query.from_ms

    def reset_to(self, front: Cursor, reason: GapReason) -> None:
        """Continue at ``front``, because the device was never at ``at``, or left it.

        Leaves ``at`` and the end of the page at ``front``, and the gap from the old ``at`` to
        there as the page's ``reset``.
        """
        before = Cursor(front.epoch, front.seq + 1)
        self._reset = Gap(self.device.device_id, self.at, before, reason)
        self.at = self._end = front

    def skip_to(self, position: Cursor) -> None:
        """Skip readings that are older than the span: moves ``at`` on, and adds no gap."""
        self.at = max(self.at, position)

    def note_undecided(self) -> None:
        """Note that the device may still reach ``since``: the page is incomplete and has a hole."""
        self.is_incomplete = self.has_hole = True

    def note_unreachable_journal(self, *, is_expected: bool) -> None:
        """Note that the journal cannot be asked now; sets ``is_incomplete`` and ``has_hole``.

        The page is incomplete if the device has shown before that it has a journal, or if an answer
        of it ``is_expected``. It has a hole only in the first case, and while the device is online.
        """
        feed = self.device.feed
        self.is_incomplete = feed.replay_has_answered or is_expected
        self.has_hole = feed.replay_has_answered and feed.online

    def end_incomplete(self) -> None:
        """Note that the journal did not answer in time: sets ``is_incomplete``.

        If the page has come as far as a reading of the journal, it ends there, and the next page
        goes on from there; it has a hole only if it is empty. Otherwise, and if the query thins a
        span, the readings of the ring follow, and the page has a hole before them.
        """
        self.is_incomplete = True
        if self.has_journal_readings and self.query.max_points is None:
            self.end_here()
            self.has_hole = not self.payloads
            self.ends_early = not self.has_hole
        else:
            self.has_hole = True

    def add_from_journal(self, start: Cursor, readings: Iterable[Reading]) -> None:
        """Add readings of the journal, and the gaps between them, until the page is full.

        The journal was asked for the readings after ``start``: the first one moves ``at`` there.
        Leaves ``at`` at the last reading added. Without readings nothing changes.
        """
        for reading in readings:
            if not self.has_journal_readings:
                self.at = start
            if self.is_full:
                return
            before = Cursor(reading.epoch, reading.seq - 1)
            self._note_missing(before, is_after_reading=self.has_journal_readings)
            self._visit(reading.cursor, reading.ts_ms, encode_reading(reading))
            self.has_journal_readings = True

    def end_of_journal(self, front: Cursor) -> None:
        """Note that the journal has no more readings before the ring's front.

        Leaves ``at`` at the front, with gaps for the positions up to there.
        """
        self._note_missing(front, is_after_reading=self.has_journal_readings)

    def end_here(self) -> None:
        """End the page at ``at``: leaves it full, and the next page goes on from there."""
        self.room = 0
        self._end = self.at

    def add_slice(self) -> bool:
        """Add the next slice of the ring, up to where the page is full.

        Leaves ``at`` at the last entry visited. Returns False when the page is complete.
        """
        ring = self.device.ring
        if self.is_full:
            return False
        if ring.front is not None and self.at < ring.front:
            self._note_missing(ring.front, is_after_reading=False)
        index = ring.index_after(self.at)
        stop = min(index + SLICE, ring.end_index)
        while index < stop and not self.is_full:
            self._add_entry(index)
            index += 1
        return index < ring.end_index and not self.is_full

    def page(self) -> Page:
        """Return the page as built so far. Changes nothing."""
        gaps = self._gaps_of_page()
        if self._reset is not None:
            gaps = [self._reset, *gaps]
        page = Page(self.payloads, gaps, self._next(), self.is_incomplete)
        return page._replace(has_hole=self.has_hole, ends_early=self.ends_early, reset=self._reset)

    def _next(self) -> Cursor:
        """Return the ``since`` of the following page. Changes nothing."""
        if self._end is None and self.query.since is None and self.is_incomplete:
            return START  # so that the next request asks for the missing readings again
        return self._end or self.query.since or self.at

    def _start_in_ring(self) -> Cursor:
        """Return where a page without ``since`` starts. Changes nothing."""
        ring = self.device.ring
        index = ring.first_index if self.query.is_span else _newest_start(self.device, self.room)
        # the first entry of an emptied ring is the gap epoch_back: start after it
        start = ring.front if index <= ring.first_index else ring.cursor_before(index)
        return start or START

    def _oldest_time_in_ring(self) -> int | None:
        """Return the time of the ring's oldest reading; None if the ring holds no reading."""
        ring = self.device.ring
        times = (
            ring.time_at(i)
            for i in range(ring.first_index, ring.end_index)
            if ring.gap_at(i) is None
        )
        return next(times, None)

    def _add_entry(self, index: int) -> None:
        """Add the reading or the gap at an index of the ring; leaves ``at`` at its end."""
        ring = self.device.ring
        gap = ring.gap_at(index)
        if gap is None:
            cursor = ring.cursor_before(index + 1) or self.at
            self._visit(cursor, ring.time_at(index), reading_payload(ring.frame_at(index)))
        else:
            is_inside = gap.after is not None and self.at > gap.after
            self._note_gap(replace(gap, after=self.at) if is_inside else gap)

    def _visit(self, cursor: Cursor, ts_ms: int, payload: bytes) -> None:
        """Move ``at`` to a reading; add it if it lies in the span.

        A reading that is added takes room and becomes the end of the page. One that is older than
        the span deletes the gaps before it, because they are older than the span, too.
        """
        self.at = cursor
        if self._first is None and self.precedes_span(ts_ms):
            self.room_bytes += GAP_BYTES * len(self.gaps)
            self.gaps.clear()
        elif self.query.includes(ts_ms):
            self._first = self._first or cursor
            self._end = cursor
            self.payloads.append(payload)
            self.room -= 1
            self.room_bytes -= len(payload)

    def _note_missing(self, up_to: Cursor, *, is_after_reading: bool) -> None:
        """Note the positions after ``at`` as gaps; leaves ``at`` at ``up_to`` or after it.

        ``is_after_reading``: True: the journal has a reading before these positions, and later
        readings are held, too, so they are holes. False: they were lost before the oldest reading
        held (``lost_reason``).
        """
        device_id = self.device.device_id
        # From 0-0, nothing is missing if the ring holds the epoch from its first reading.
        is_whole_epoch = self.at == START and not up_to.seq
        if is_after_reading:
            for hole in holes(device_id, self.at, up_to):
                self._note_gap(hole)
        elif self.at < up_to and not is_whole_epoch:
            lost = Gap(device_id, self.at, Cursor(up_to.epoch, up_to.seq + 1), self.lost_reason)
            self._note_gap(lost)
        self.at = max(self.at, up_to)

    def _note_gap(self, gap: Gap) -> None:
        """Add a gap and take room for it; leaves ``at`` at its end.

        Without a span the page ends there, too. With one, only a reading ends the page.
        """
        self.gaps.append(gap)
        self.room_bytes -= GAP_BYTES
        self.at = gap.end
        if not self.query.is_span:
            self._end = gap.end

    def _gaps_of_page(self) -> list[Gap]:
        """Return the gaps of the page; of a span, only those between its readings.

        With ``since``, a gap before the first reading counts too: the previous page ended there.
        Changes nothing.
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
