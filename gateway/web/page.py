"""A page of readings for HTTP, and the bounds of its size. Pure."""

from typing import NamedTuple

from gateway.domain import Gap
from gateway.web.queries import Query
from shared.cursor import Cursor
from shared.wire import READING_BYTES_MAX

SLICE = 100
"""Readings in one step of the work: about a millisecond."""
SPAN_READINGS_MAX, SPAN_BYTES_MAX = 100_000, 25_000_000
"""The most that a thinned span reads. ``next`` of its page is where the following page starts."""
PAGE_BYTES_MAX = 4_000_000
"""The reading that reaches this ends the page. The largest page of usual readings has 1.5 MB."""
GAP_BYTES = 250
"""The memory that one gap of a page is counted as."""


class Page(NamedTuple):
    """Readings (JSON, oldest first), the gaps between them, and the ``since`` of the next page."""

    payloads: list[bytes]
    gaps: list[Gap]
    next: Cursor
    is_incomplete: bool = False
    """Whether the page may lack readings that the journal did not deliver in time."""
    has_hole: bool = False
    """Whether an incomplete page may lack readings before or between those that it has."""
    ends_early: bool = False
    """Whether an incomplete page lacks only readings after its last one; the next page has them."""
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
