"""Write pages of readings as JSON or CSV, in pieces; other greenlets run between them."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from flask import Response, request

from gateway.devices.devices import Device
from gateway.packets import encode_json
from gateway.transport.event_loop.timeslice import give_way
from gateway.web.csv_rows import CSV_KEYS, TIME_KEY, csv_row
from gateway.web.cursor_checks import held_from
from gateway.web.page import SLICE, Page
from gateway.web.prefix import url_of_request
from gateway.web.queries import LIMIT_DEFAULT
from shared.cursor import Cursor
from shared.errors import BadRequest

T = TypeVar("T")
RESET_HEADER = "Spoke-Reset"
"""The reason why a CSV page does not continue at ``since``; CSV rows cannot hold a gap."""
INCOMPLETE_HEADER = "Spoke-Incomplete"
"""Set on an incomplete page without a hole: the journal cannot be asked now and may have readings
from before the first row, or it stopped answering and the page ends early. A file that goes on
after such an early end is complete, and does not have the header."""


def wants_csv() -> bool:
    """Tell whether the current request asks for CSV, by ``format`` or by its Accept header."""
    asked = request.args.get("format")
    if asked not in (None, "csv", "json"):
        raise BadRequest("format must be csv or json")
    best = request.accept_mimetypes.best_match(["application/json", "text/csv"])
    return asked == "csv" or (asked is None and best == "text/csv")


def csv_columns() -> tuple[str, ...]:
    """Return the CSV columns that the current request asks for with ``times``."""
    asked = request.args.get("times")
    if asked not in (None, "utc"):
        raise BadRequest("times must be utc, or left out")
    return CSV_KEYS if asked is None else (TIME_KEY, *CSV_KEYS)


def json_page(device: Device, page: Page) -> Response:
    """Return a page as JSON; a long one is written while the client takes it."""
    parts = _json_parts(device, page)
    is_long = len(page.payloads) + len(page.gaps) > SLICE
    return json_of(parts if is_long else iter([b"".join(parts)]))


def json_of(parts: Iterator[bytes]) -> Response:
    """Return a response of parts of JSON."""
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


def csv_of(device: Device, pages: Iterator[Page], columns: Sequence[str]) -> Response:
    """Return pages as one CSV file, which is written while the client takes it."""
    response = Response(_csv_parts(pages, columns), mimetype="text/csv")
    name = f"{device.device_id}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def add_next_link(response: Response, page: Page) -> None:
    """Set the header with the URL of the following page."""
    response.headers["Link"] = f'<{_next_url(page.next)}>; rel="next"'


def add_csv_headers(response: Response, page: Page, *, is_file: bool = False) -> None:
    """Set the headers that stand for the gap and the ``incomplete`` of the JSON form.

    ``is_file``: the pages after this one follow in the same response.
    """
    if page.reset is not None:
        response.headers[RESET_HEADER] = page.reset.reason
    if page.is_incomplete and not (is_file and page.ends_early):
        response.headers[INCOMPLETE_HEADER] = "true"


def _next_url(cursor: Cursor) -> str:
    limit = request.args.get("limit", LIMIT_DEFAULT)
    values = {"since": str(cursor), "limit": limit, "format": "csv"}
    values |= {
        key: request.args[key] for key in ("from_ms", "to_ms", "times") if key in request.args
    }
    return f"{url_of_request()}?{urlencode(values)}"


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
