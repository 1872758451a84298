"""Pages of readings for HTTP: what a device's journal still has, then what the ring holds. Pure.

A page is put together in steps, with a chance for everybody else between them; it goes on by
position, so that it does not matter what the ring loses meanwhile.
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
"""Readings looked at between two chances for others: about a millisecond."""
SPAN_READINGS_MAX, SPAN_BYTES_MAX = 100_000, 25_000_000
"""Of a span that is thinned, for as long as that takes. What follows is told by ``next``."""
PAGE_BYTES_MAX = 4_000_000
"""A page ends with the reading that reaches this: the largest page of usual readings has 1.5 MB."""
GAP_BYTES = 250
"""What a gap in a page counts as."""


class Page(NamedTuple):
    """Readings as JSON, oldest first, what is missing between them, and where to go on."""

    payloads: list[bytes]
    gaps: list[Gap]
    next: Cursor
    is_incomplete: bool = False
    """Whether more may belong here that could not be had in time."""
    has_hole: bool = False
    """Whether an incomplete page lacks readings before or between those that it has."""
    reset: Gap | None = None
    """The gap from a position that the device is not at any more, or never was."""

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return sum(map(len, self.payloads)) + GAP_BYTES * len(self.gaps)


def size_bytes_max(query: Query) -> int:
    """Return the most memory that the page of a query may take."""
    if query.max_points is not None:
        return SPAN_BYTES_MAX
    return min(query.limit * READING_BYTES_MAX, PAGE_BYTES_MAX)


@dataclass(slots=True)
class Draft:
    """A page while it is put together."""

    device: Device
    query: Query
    lost_reason: GapReason
    """Why what lay between ``since`` and what is held is not."""
    at: Cursor
    """Up to where it was looked."""
    room: int
    room_bytes: int
    payloads: list[bytes] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    has_past: bool = False
    """Whether it begins with what the device's journal had."""
    is_incomplete: bool = False
    """Whether more may belong here that could not be had in time."""
    has_hole: bool = False
    """Whether that is missing before or between the readings that the page has."""
    _reset: Gap | None = None
    _first: Cursor | None = None
    _end: Cursor | None = None  # after the last thing in the page

    @classmethod
    def begin(cls, device: Device, query: Query, lost_reason: GapReason) -> Self:
        """Begin with nothing; where, ``since`` says, or the newest readings, or the span."""
        room = query.limit if query.max_points is None else SPAN_READINGS_MAX
        draft = cls(device, query, lost_reason, START, room, size_bytes_max(query))
        draft.at = draft._beginning() if query.since is None else query.since
        return draft

    @property
    def is_full(self) -> bool:
        """Tell whether nothing more belongs to the page."""
        return self.room <= 0 or self.room_bytes <= 0

    @property
    def wants_past(self) -> bool:
        """Tell whether it should begin with readings from before the ring's front."""
        ring = self.device.ring
        if self.query.since is not None:
            return ring.front is not None and self.at < ring.front
        return self.query.is_span and self._first_time() > self.query.from_ms

    def is_before(self, ts_ms: int) -> bool:
        """Tell whether a reading of that time, and so all before it, comes before the span."""
        return self.query.is_span and ts_ms < self.query.from_ms

    def start_over(self, front: Cursor, reason: GapReason) -> None:
        """Go on after ``front``, with a gap, from a position that is not the device's."""
        before = Cursor(front.epoch, front.seq + 1)
        self._reset = Gap(self.device.device_id, self.at, before, reason)
        self.at = self._end = front

    def skip_to(self, position: Cursor) -> None:
        """Pass over readings that are there, but come before the span."""
        self.at = max(self.at, position)

    def note_journal_away(self, *, is_expected: bool) -> None:
        """Note that nobody can be asked; whether that is a loss, the device's replay has shown."""
        feed = self.device.feed
        self.is_incomplete = feed.has_journal or is_expected
        self.has_hole = feed.has_journal and feed.online

    def end_incomplete(self) -> None:
        """Note that the journal did not answer in time for all that was asked of it."""
        self.is_incomplete = True
        if self.has_past and self.query.max_points is None:
            self.end_here()
            self.has_hole = not self.payloads
        else:
            self.has_hole = True

    def add_past(self, start: Cursor, readings: Iterable[Reading]) -> None:
        """Add the readings that came of asking the device for those after ``start``."""
        for reading in readings:
            if not self.has_past:
                self.at = start
            if self.is_full:
                return
            self._pass_over(Cursor(reading.epoch, reading.seq - 1), was_asked=self.has_past)
            self._look_at(reading.cursor, reading.ts_ms, encode_reading(reading))
            self.has_past = True

    def end_past(self, front: Cursor) -> None:
        """Note that the device has nothing more before the ring's front."""
        self._pass_over(front, was_asked=self.has_past)

    def end_here(self) -> None:
        """Let the page end although more is held, which cannot be had now."""
        self.room = 0
        self._end = self.at

    def add_slice(self) -> bool:
        """Add the next part of the ring; False when nothing more belongs to the page."""
        ring = self.device.ring
        if self.is_full:
            return False
        if ring.front is not None and self.at < ring.front:
            self._pass_over(ring.front, was_asked=False)
        index = ring.index_after(self.at)
        stop = min(index + SLICE, ring.end)
        while index < stop and not self.is_full:
            self._add_entry(index)
            index += 1
        return index < ring.end and not self.is_full

    def page(self) -> Page:
        """Give what came together."""
        gaps = self._inner_gaps()
        if self._reset is not None:
            gaps = [self._reset, *gaps]
        page = Page(self.payloads, gaps, self._next(), self.is_incomplete)
        return page._replace(has_hole=self.has_hole, reset=self._reset)

    def _next(self) -> Cursor:
        """Find where the page that follows begins."""
        if self._end is None and self.query.since is None and self.is_incomplete:
            return START  # not behind what could not be had
        return self._end or self.query.since or self.at

    def _beginning(self) -> Cursor:
        """Find where a page without ``since`` begins in the ring."""
        ring = self.device.ring
        index = ring.first if self.query.is_span else _newest_start(self.device, self.room)
        # an emptied ring's first entry tells of the return to an older epoch: begin after it
        start = ring.front if index <= ring.first else ring.cursor_at(index)
        return start or START

    def _first_time(self) -> int:
        ring = self.device.ring
        times = (ring.time_at(i) for i in range(ring.first, ring.end) if ring.gap_at(i) is None)
        return next(times, self.query.to_ms)

    def _add_entry(self, index: int) -> None:
        ring = self.device.ring
        gap = ring.gap_at(index)
        if gap is None:
            cursor = ring.cursor_at(index + 1) or self.at
            self._look_at(cursor, ring.time_at(index), reading_payload(ring.frame_at(index)))
        else:
            inside = gap.after is not None and self.at > gap.after
            self._note(replace(gap, after=self.at) if inside else gap)

    def _look_at(self, cursor: Cursor, ts_ms: int, payload: bytes) -> None:
        self.at = cursor
        if self._first is None and self.is_before(ts_ms):
            self.room_bytes += GAP_BYTES * len(self.gaps)
            self.gaps.clear()
        elif self.query.includes(ts_ms):
            self._first = self._first or cursor
            self._end = cursor
            self.payloads.append(payload)
            self.room -= 1
            self.room_bytes -= len(payload)

    def _pass_over(self, front: Cursor, *, was_asked: bool) -> None:
        """Note what is missing up to a position: never there, or not held any more."""
        device_id = self.device.device_id
        if was_asked:
            for hole in holes(device_id, self.at, front):
                self._note(hole)
        elif self.at < front and (self.at != START or front.seq):  # 0-0 asks for all there is
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
        """Leave out what lies before or behind the readings of a span.

        After ``since`` a gap before the first reading counts: the page before this one ended there.
        """
        if not self.query.is_span:
            return self.gaps
        if self._first is None or self._end is None:
            return []
        begin = self.query.since if self._reset is None else self._reset.end
        after, end = begin or self._first, self._end
        return [gap for gap in self.gaps if after < gap.before <= end]


def _newest_start(device: Device, limit: int) -> int:
    ring, index = device.ring, device.ring.end
    while index > ring.first and limit > 0:
        index -= 1
        limit -= ring.gap_at(index) is None
    return index
