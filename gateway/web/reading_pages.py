"""Answer HTTP requests for readings, as JSON or CSV, within a memory budget and in pieces."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from flask import Response, request, url_for

from gateway.devices.devices import Device
from gateway.domain import GapReason
from gateway.hub import Hub
from gateway.packets import encode_json
from gateway.transport.client_address import TrustedProxies, holder_of
from gateway.transport.timeslice import give_way
from gateway.web.answers import AnswerBudget
from gateway.web.csv_rows import CSV_KEYS, TIME_KEY, csv_row
from gateway.web.journal_reader import JournalReader
from gateway.web.positions import held_from, reset_reason
from gateway.web.queries import LIMIT_DEFAULT, Query, parse_query
from gateway.web.readings import SLICE, Page, PageBuilder, size_bytes_max
from gateway.web.thinning import thin_out
from shared.cursor import START, Cursor
from shared.errors import BadRequest, Unavailable

T = TypeVar("T")
FILE_PAGE = 250
"""A CSV file of a whole span is read in pages of so many readings: one answer of a device."""
TOO_SLOW = "the device's journal does not answer in time: ask again"
WENT_BACK = "the device's numbering went back: ask again"
TOO_LATE = "readings were lost while the file was read: ask again"
LOST_REASONS = frozenset({GapReason.EXPIRED, GapReason.EVICTED})
RESET_HEADER = "Spoke-Reset"
"""The reason why a CSV page does not continue at ``since``; CSV rows cannot hold a gap."""
INCOMPLETE_HEADER = "Spoke-Incomplete"
"""Set if the device is offline and its journal may have readings from before the first row."""


class ReadingPages:
    """Answers requests for readings of a device."""

    def __init__(
        self, hub: Hub, proxies: TrustedProxies, budget: AnswerBudget | None = None
    ) -> None:
        self._hub, self._past, self._proxies = hub, JournalReader(hub), proxies
        self._budget = budget or AnswerBudget()

    def answer(self, device: Device) -> Response:
        """Answer the current request; the answer holds its memory until it was sent."""
        query, wants_csv, columns = parse_query(request.args), _wants_csv(), _columns()
        if request.method == "HEAD":  # only the headers that no reading decides: it reads nothing
            return _as_csv(device, iter(()), columns) if wants_csv else _json_of(iter(()))
        if wants_csv and _is_file(query):
            query = replace(query, limit=FILE_PAGE)
        holder, since = holder_of(self._proxies.client(request.environ)), query.since
        is_known = since is None or self._past.wait_until_known(device, since, holder)
        held = self._budget.reserve(size_bytes_max(query), holder)
        try:
            page = self._read(device, query, holder, is_known=is_known)
            if page.has_hole and wants_csv:
                raise Unavailable(TOO_SLOW)
            if wants_csv and _is_file(query):
                response = _as_csv(device, self._all_pages(device, query, holder, page), columns)
            else:
                held.shrink_to(page.size_bytes)
                response = (
                    _as_csv_page(device, page, columns) if wants_csv else _as_json(device, page)
                )
        except BaseException:
            held.release()
            raise
        if wants_csv:
            _add_csv_headers(response, page)
        response.call_on_close(held.release)
        return response

    def _read(self, device: Device, query: Query, holder: str, *, is_known: bool = True) -> Page:
        """Build a page; let other greenlets run between its slices."""
        builder = self._begin(device, query, is_known=is_known)
        self._past.put_in_front(builder, holder)
        while builder.add_slice():
            give_way()
        page = builder.page()
        if query.max_points is None:
            return page
        return page._replace(payloads=_in_slices(thin_out(page.payloads, query.max_points)))

    def _begin(self, device: Device, query: Query, *, is_known: bool) -> PageBuilder:
        """Start a page at ``since``, or with a gap if the device never was there or went back."""
        since = query.since
        was_evicted = since is not None and self._hub.devices.was_evicted(device.device_id, since)
        builder = PageBuilder.begin(
            device, query, GapReason.EVICTED if was_evicted else GapReason.EXPIRED
        )
        if since is None:
            return builder
        reason, front = reset_reason(device, since), device.ring.front
        if not is_known:
            builder.is_incomplete = builder.has_hole = True
        elif reason is not None and front is not None:
            builder.start_over(front, reason)
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
            if page.has_hole:
                raise Unavailable(TOO_SLOW)
            if page.reset is not None:
                raise Unavailable(WENT_BACK)
            if any(gap.reason in LOST_REASONS for gap in page.gaps):
                raise Unavailable(TOO_LATE)


def _is_file(query: Query) -> bool:
    """Tell whether the CSV is one file with all readings of the span."""
    return query.is_span and not query.is_limited and query.max_points is None


def _in_slices(parts: Iterator[list[bytes]]) -> list[bytes]:
    """Join the parts of a result; let other greenlets run between them."""
    result: list[bytes] = []
    for part in parts:
        result += part
        give_way()
    return result


def _wants_csv() -> bool:
    asked = request.args.get("format")
    if asked not in (None, "csv", "json"):
        raise BadRequest("format must be csv or json")
    best = request.accept_mimetypes.best_match(["application/json", "text/csv"])
    return asked == "csv" or (asked is None and best == "text/csv")


def _columns() -> tuple[str, ...]:
    asked = request.args.get("times")
    if asked not in (None, "utc"):
        raise BadRequest("times must be utc")
    return CSV_KEYS if asked is None else (TIME_KEY, *CSV_KEYS)


def _as_json(device: Device, page: Page) -> Response:
    parts = _json_parts(device, page)
    is_long = len(page.payloads) + len(page.gaps) > SLICE
    return _json_of(parts if is_long else iter([b"".join(parts)]))


def _json_of(parts: Iterator[bytes]) -> Response:
    return Response(parts, mimetype="application/json")


def _json_parts(device: Device, page: Page) -> Iterator[bytes]:
    head: dict[str, object] = {
        "device_id": device.device_id,
        "next": str(page.next),
        "held_from": str(held_from(device)),
    }
    if page.is_incomplete:
        head["incomplete"] = True
    yield encode_json(head)[:-1] + b',"gaps":['
    yield from _in_pieces(page.gaps, lambda gap: encode_json(gap.body()))
    yield b'],"readings":['
    # the readings are JSON already
    yield from _in_pieces(page.payloads, bytes)
    yield b"]}"


def _in_pieces(items: Sequence[T], encode: Callable[[T], bytes]) -> Iterator[bytes]:
    """Write the items of a JSON array in pieces; let other greenlets run between them."""
    for start in range(0, len(items), SLICE):
        give_way()
        some = b",".join([encode(item) for item in items[start : start + SLICE]])
        yield b"," + some if start else some


def _as_csv(device: Device, pages: Iterator[Page], columns: Sequence[str]) -> Response:
    response = Response(_csv_parts(pages, columns), mimetype="text/csv")
    name = f"{device.device_id}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _as_csv_page(device: Device, page: Page, columns: Sequence[str]) -> Response:
    response = _as_csv(device, iter([page]), columns)
    response.headers["Link"] = f'<{_next_url(device, page.next)}>; rel="next"'
    return response


def _add_csv_headers(response: Response, page: Page) -> None:
    """Set the headers that stand for the gap and the ``incomplete`` of the JSON form."""
    if page.reset is not None:
        response.headers[RESET_HEADER] = page.reset.reason
    if page.is_incomplete:
        response.headers[INCOMPLETE_HEADER] = "true"


def _next_url(device: Device, cursor: Cursor) -> str:
    limit = request.args.get("limit", LIMIT_DEFAULT)
    values = {"device_id": device.device_id, "since": str(cursor), "limit": limit, "format": "csv"}
    values |= {
        key: request.args[key] for key in ("from_ms", "to_ms", "times") if key in request.args
    }
    return url_for("api.readings", **values)  # type: ignore[arg-type]  # none of these is a parameter of url_for


def _csv_parts(pages: Iterator[Page], columns: Sequence[str]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)  # RFC 4180: comma, CRLF, quotes doubled
    writer.writerow(columns)
    for page in pages:
        for start in range(0, len(page.payloads), SLICE):
            part = page.payloads[start : start + SLICE]
            writer.writerows(csv_row(payload, columns) for payload in part)
            yield text.getvalue()
            text.seek(0)
            text.truncate()
            give_way()
    yield text.getvalue()
