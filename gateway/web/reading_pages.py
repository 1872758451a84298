"""Answer HTTP requests for readings, as JSON or CSV, within a memory budget and in slices."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from flask import Response, request

from gateway.devices.devices import Device
from gateway.domain import GapReason
from gateway.hub import Hub
from gateway.transport.event_loop.timeslice import give_way
from gateway.transport.limits.client_address import TrustedProxies, holder_of
from gateway.web.answers import AnswerBudget, Reservation
from gateway.web.cursor_checks import reset_reason
from gateway.web.journal_reader import JournalReader
from gateway.web.page import Page, size_bytes_max
from gateway.web.page_builder import PageBuilder
from gateway.web.page_formats import (
    add_csv_headers,
    add_next_link,
    csv_columns,
    csv_of,
    json_of,
    json_page,
    wants_csv,
)
from gateway.web.queries import Query, parse_query
from gateway.web.thinning import thin_out
from shared.cursor import START
from shared.errors import Unavailable

FILE_PAGE = 250
"""A CSV file of a whole span is read in pages of so many readings: one answer of a device."""
TOO_SLOW = "the device's journal does not answer in time: ask again"
WENT_BACK = "the device's numbering went back: ask again"
TOO_LATE = "readings were lost while the file was read: ask again"
LOST_REASONS = frozenset({GapReason.EXPIRED, GapReason.EVICTED})


class ReadingPages:
    """Answers requests for readings of a device.

    ``holder``: the client's address as it counts for limits (``holder_of``).
    """

    def __init__(
        self, hub: Hub, proxies: TrustedProxies, budget: AnswerBudget | None = None
    ) -> None:
        self._hub, self._journal, self._proxies = hub, JournalReader(hub), proxies
        self._budget = budget or AnswerBudget()

    def answer(self, device: Device) -> Response:
        """Answer the current request as JSON, as a CSV page, or as a CSV file of a whole span."""
        query, is_csv, columns = parse_query(request.args), wants_csv(), csv_columns()
        if request.method == "HEAD":  # the headers that depend on no reading
            return csv_of(device, iter(()), columns) if is_csv else json_of(iter(()))
        holder = holder_of(self._proxies.client(request.environ))
        if not is_csv:
            return self._answer_json(device, query, holder)
        if query.is_span and not query.is_limited and query.max_points is None:
            return self._answer_csv_file(device, query, holder, columns)
        return self._answer_csv_page(device, query, holder, columns)

    def _answer_json(self, device: Device, query: Query, holder: str) -> Response:
        """Answer with one page; it holds the memory of its readings until it is sent."""
        with self._first_page(device, query, holder) as (page, memory):
            memory.shrink_to(page.size_bytes)
            response = json_page(device, page)
            response.call_on_close(memory.release)
        return response

    def _answer_csv_page(
        self, device: Device, query: Query, holder: str, columns: Sequence[str]
    ) -> Response:
        """Answer with one page; it holds the memory of its readings until it is sent.

        Raises Unavailable if the page has a hole, because CSV cannot mark it.
        """
        with self._first_page(device, query, holder) as (page, memory):
            _refuse_hole(page)
            memory.shrink_to(page.size_bytes)
            response = csv_of(device, iter([page]), columns)
            add_next_link(response, page)
            add_csv_headers(response, page)
            response.call_on_close(memory.release)
        return response

    def _answer_csv_file(
        self, device: Device, query: Query, holder: str, columns: Sequence[str]
    ) -> Response:
        """Answer with all readings of a span, read page by page while the client takes them.

        The answer holds the memory of one page of :data:`FILE_PAGE` readings until it is sent.
        Raises Unavailable if the first page has a hole.
        """
        query = replace(query, limit=FILE_PAGE)
        with self._first_page(device, query, holder) as (page, memory):
            _refuse_hole(page)
            response = csv_of(device, self._all_pages(device, query, holder, page), columns)
            add_csv_headers(response, page, is_file=True)
            response.call_on_close(memory.release)
        return response

    @contextmanager
    def _first_page(
        self, device: Device, query: Query, holder: str
    ) -> Iterator[tuple[Page, Reservation]]:
        """Read the page of a query; gives it, and the memory that was reserved for it before.

        If reading or the block fails, the memory is released here. Otherwise the block hands it to
        a response, which releases it when it was sent, or when the client has left.
        """
        since = query.since
        is_decided = since is None or self._journal.wait_until_decided(device, since, holder)
        memory = self._budget.reserve(size_bytes_max(query), holder)
        try:
            yield self._read(device, query, holder, is_decided=is_decided), memory
        except BaseException:
            memory.release()
            raise

    def _read(self, device: Device, query: Query, holder: str, *, is_decided: bool = True) -> Page:
        """Build a page; let other greenlets run between its slices."""
        builder = self._begin(device, query, is_decided=is_decided)
        self._journal.add_older_readings(builder, holder)
        while builder.add_slice():
            give_way()
        page = builder.page()
        if query.max_points is None:
            return page
        return page._replace(payloads=_join(thin_out(page.payloads, query.max_points)))

    def _begin(self, device: Device, query: Query, *, is_decided: bool) -> PageBuilder:
        """Start a page at ``since``, or with a gap if the device never was there or went back.

        As long as that is not decided, the page is incomplete: the client asks again.
        """
        since = query.since
        was_evicted = since is not None and self._hub.devices.was_evicted(device.device_id, since)
        builder = PageBuilder.begin(
            device, query, GapReason.EVICTED if was_evicted else GapReason.EXPIRED
        )
        if since is None:
            return builder
        reason, front = reset_reason(device, since), device.ring.front
        if not is_decided:
            builder.note_undecided()
        elif reason is not None and front is not None:
            builder.reset_to(front, reason)
        return builder

    def _all_pages(self, device: Device, query: Query, holder: str, page: Page) -> Iterator[Page]:
        """Yield ``page`` and the pages after it, up to the device's position at the start.

        Raises Unavailable if readings were lost during the work, or if the journal does not answer.
        A CSV file cannot mark a hole. A download that breaks off shows the client that its file is
        incomplete.
        """
        head = device.feed.head or START
        while page.payloads:
            yield page
            if page.next >= head:
                return
            page = self._read(device, replace(query, since=page.next), holder)
            _refuse_hole(page)
            if page.reset is not None:
                raise Unavailable(WENT_BACK)
            if any(gap.reason in LOST_REASONS for gap in page.gaps):
                raise Unavailable(TOO_LATE)


def _refuse_hole(page: Page) -> None:
    if page.has_hole:
        raise Unavailable(TOO_SLOW)


def _join(parts: Iterator[list[bytes]]) -> list[bytes]:
    """Join the parts of a result; let other greenlets run between them."""
    result: list[bytes] = []
    for part in parts:
        result += part
        give_way()
    return result
