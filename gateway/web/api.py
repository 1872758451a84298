"""HTTP: the dashboard, health, and what is known of devices (``docs/protocol.md``, section 4)."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import ParamSpec

import gevent
from flask import Blueprint, Response, current_app, render_template, request, url_for

from gateway import __version__
from gateway.devices.devices import Device
from gateway.hub import Hub
from gateway.transport.timeslice import give_way
from gateway.web.auth import Authenticate, Credentials
from gateway.web.cors import is_preflight
from gateway.web.past import Past
from gateway.web.queries import LIMIT_DEFAULT, Query, parse_query
from gateway.web.readings import (
    CSV_KEYS,
    SLICE,
    TIME_KEY,
    Draft,
    Page,
    csv_row,
    held_from,
    thin_out,
)
from shared.cursor import START, Cursor
from shared.errors import BadRequest, Unavailable, UnknownDevice

P = ParamSpec("P")
FIRST_FILLS_S = 5.0
"""Ready at the latest this long after the start: history that still comes is no reason to wait."""
LISTED_AT_ONCE = 100
"""Devices in one piece of a list: some 50 kB, written in a millisecond."""
LIBRARIES = ("socket.io.esm.min.js", "uPlot.esm.js", "uPlot.min.css")
TOO_SLOW = "the device's journal does not answer in time: ask again"
INSTALL_HINT = "the dashboard's libraries are not installed: run scripts/install"


def create_pages(hub: Hub, is_draining: Callable[[], bool]) -> Blueprint:
    """Create the routes anybody may read: the dashboard and the state of health."""
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def dashboard() -> str:
        return render_template(
            "dashboard.html", libraries_missing=libraries_missing(), version=__version__
        )

    @pages.get("/healthz")
    def health() -> dict[str, object]:
        return {"ok": True, "version": __version__}

    @pages.get("/readyz")
    def readiness() -> tuple[dict[str, object], int]:
        ready = _is_ready(hub) and not is_draining()
        silent = (d.device_id for d in hub.devices.in_order() if not d.feed.online)
        body = {
            "ready": ready,
            "draining": is_draining(),
            "devices": len(hub.devices),
            "degraded": list(islice(silent, LIMIT_DEFAULT)),
        }
        return body, 200 if ready else 503

    return pages


def create_api(hub: Hub, authenticate: Authenticate) -> Blueprint:
    """Create the routes of the data; each caller is authenticated first."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    past = Past(hub)

    @api.before_request
    def check_caller() -> None:
        if is_preflight():
            return
        headers = {name.lower(): value for name, value in request.headers.items()}
        authenticate(Credentials(headers))

    @api.get("/devices")
    def devices() -> Response:
        return Response(_listed(hub.devices.in_order()), mimetype="application/json")

    @api.get("/devices/<device_id>")
    def device(device_id: str) -> Response:
        return Response(_find(hub, device_id).summary_json() + b"\n", mimetype="application/json")

    @api.get("/devices/<device_id>/readings")
    @_varies_by_accept
    def readings(device_id: str) -> Response:
        found, query, wants_csv = _find(hub, device_id), parse_query(request.args), _wants_csv()
        columns = _columns()
        page = _read(hub, past, found, query)
        if page.is_cut and (wants_csv or not page.payloads):
            raise Unavailable(TOO_SLOW)
        if not wants_csv:
            return _as_json(found, page)
        is_part = query.is_limited or not query.is_span or query.max_points is not None
        pages = iter([page]) if is_part else _all_pages(hub, past, found, query, page)
        response = _as_csv(found, pages, columns)
        if is_part:
            response.headers["Link"] = f'<{_next_url(found, page.next)}>; rel="next"'
        return response

    return api


def libraries_missing() -> bool:
    """Tell whether the browser libraries still have to be installed."""
    static = Path(str(current_app.static_folder))
    return not all((static / "vendor" / name).is_file() for name in LIBRARIES)


def _is_ready(hub: Hub) -> bool:
    if hub.started_s is None:
        return False
    now = hub.now()
    if now.monotonic_s - hub.started_s >= FIRST_FILLS_S:
        return True
    return len(hub.devices) > 0 and not any(d.feed.is_fetching_history(now) for d in hub.devices)


def _find(hub: Hub, device_id: str) -> Device:
    device = hub.devices.get(device_id)
    if device is None:
        raise UnknownDevice(f"no device {device_id[:64]!r} was heard; see /api/v1/devices")
    return device


def _listed(devices: Sequence[Device]) -> list[bytes] | Iterator[bytes]:
    """Write the list of devices; a long one in pieces, each made when the client took the last."""
    pieces = _list_pieces(devices)
    return pieces if len(devices) > LISTED_AT_ONCE else [b"".join(pieces)]


def _list_pieces(devices: Sequence[Device]) -> Iterator[bytes]:
    before = b'{"devices":['
    for start in range(0, len(devices), LISTED_AT_ONCE):
        give_way()
        some = devices[start : start + LISTED_AT_ONCE]
        yield before + b",".join([device.summary_json() for device in some])
        before = b","
    yield b"]}\n" if devices else before + b"]}\n"


def _read(hub: Hub, past: Past, device: Device, query: Query) -> Page:
    """Put a page together, with a chance for everybody else between its parts."""
    was_evicted = query.since is not None and hub.devices.was_evicted(device.device_id, query.since)
    draft = Draft.begin(device, query, "evicted" if was_evicted else "expired")
    past.put_in_front(draft)
    while draft.add_slice():
        gevent.sleep(0)
    page = draft.page()
    if query.max_points is None:
        return page
    return page._replace(payloads=_in_slices(thin_out(page.payloads, query.max_points)))


def _all_pages(hub: Hub, past: Past, device: Device, query: Query, page: Page) -> Iterator[Page]:
    """Read on after a page, to where the device stands now.

    Raises Unavailable where the journal does not answer: a file cannot say that it has a hole, but
    one that breaks off is no whole file to anybody who fetches it.
    """
    head = device.feed.head or START
    while page.payloads:
        yield page
        if page.next >= head:
            return
        page = _read(hub, past, device, replace(query, since=page.next))
        if page.is_cut:
            raise Unavailable(TOO_SLOW)


def _in_slices(parts: Iterator[list[bytes]]) -> list[bytes]:
    """Do long work with a chance for everybody else between its parts."""
    result: list[bytes] = []
    for part in parts:
        result += part
        gevent.sleep(0)
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
    head = {
        "device_id": device.device_id,
        "gaps": [gap.body() for gap in page.gaps],
        "next": str(page.next),
        "held_from": str(held_from(device)),
    }
    # the readings are JSON already; nothing is parsed to be written again
    body = json.dumps(head)[:-1].encode() + b',"readings":[' + b",".join(page.payloads) + b"]}"
    return Response(body, mimetype="application/json")


def _as_csv(device: Device, pages: Iterator[Page], columns: Sequence[str]) -> Response:
    response = Response(_csv_parts(pages, columns), mimetype="text/csv")
    name = f"{device.device_id}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _next_url(device: Device, cursor: Cursor) -> str:
    limit = request.args.get("limit", LIMIT_DEFAULT)
    values = {"device_id": device.device_id, "since": str(cursor), "limit": limit, "format": "csv"}
    values |= {
        key: request.args[key] for key in ("from_ms", "to_ms", "times") if key in request.args
    }
    return url_for("api.readings", **values)  # type: ignore[arg-type]  # no name of these is taken


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
            gevent.sleep(0)
    yield text.getvalue()


def _varies_by_accept(route: Callable[P, Response]) -> Callable[P, Response]:
    """Let caches know that one address has two forms."""

    @wraps(route)
    def varying(*args: P.args, **kwargs: P.kwargs) -> Response:
        response = route(*args, **kwargs)
        response.vary.add("Accept")
        return response

    return varying
