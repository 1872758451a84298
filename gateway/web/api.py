"""HTTP: the dashboard, health, and what is known of devices (``docs/protocol.md``, section 4)."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import gevent
from flask import Blueprint, Response, current_app, render_template, request, url_for

from gateway import __version__
from gateway.devices.devices import Device
from gateway.fanout.fanout import latest_reading
from gateway.hub import Hub
from gateway.web.auth import Authenticate, Credentials
from gateway.web.readings import (
    CSV_KEYS,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    POINTS_MAX,
    SLICE,
    After,
    Between,
    Page,
    csv_row,
    in_span,
    page_after,
    page_between,
    payloads,
    thin_out,
)
from shared.cursor import INTEGER_LIMIT, START, Cursor, parse_cursor
from shared.errors import BadCursor, BadRequest, UnknownDevice

P = ParamSpec("P")
SPAN_KEYS = frozenset({"from_ms", "to_ms", "max_points"})
FIRST_FILLS_S = 5.0
"""Ready at the latest this long after the start: history that still comes is no reason to wait."""
LIBRARIES = ("socket.io.esm.min.js", "uPlot.esm.js", "uPlot.min.css")
_INTEGER = re.compile("[0-9]{1,16}")
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
        silent = sorted(d.device_id for d in hub.devices if not d.feed.online)
        body = {
            "ready": ready,
            "draining": is_draining(),
            "devices": len(hub.devices),
            "degraded": silent[:LIMIT_DEFAULT],
        }
        return body, 200 if ready else 503

    return pages


def create_api(hub: Hub, authenticate: Authenticate) -> Blueprint:
    """Create the routes of the data; each caller is authenticated first."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")

    @api.before_request
    def check_caller() -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        authenticate(Credentials(headers))

    @api.get("/devices")
    def devices() -> dict[str, object]:
        known = sorted(hub.devices, key=lambda device: device.device_id)
        return {"devices": [_summary(device) for device in known]}

    @api.get("/devices/<device_id>")
    def device(device_id: str) -> dict[str, object]:
        return _summary(_find(hub, device_id))

    @api.get("/devices/<device_id>/readings")
    @_varies_by_accept
    def readings(device_id: str) -> Response:
        found = _find(hub, device_id)
        page, selected = _select(found, request.args)
        if _wants_csv():
            return _as_csv(found, page, selected)
        return _as_json(found, page, selected)

    return api


def libraries_missing() -> bool:
    """Tell whether the browser libraries still have to be installed."""
    static = Path(str(current_app.static_folder))
    return not all((static / "vendor" / name).is_file() for name in LIBRARIES)


def _is_ready(hub: Hub) -> bool:
    if hub.started_s is None or hub.links is None or not hub.links.is_alive:
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


def _summary(device: Device) -> dict[str, object]:
    head = device.feed.head or START
    return device.status_body() | {"cursor": str(head), "latest": latest_reading(device)}


def _select(device: Device, query: Mapping[str, str]) -> tuple[Page, list[bytes]]:
    if query.keys().isdisjoint(SPAN_KEYS):
        page = page_after(device, _after(query))
        return page, payloads(device, page)
    span = _between(query)
    page = page_between(device, span)
    inside = _in_slices(in_span(payloads(device, page), span))
    return page, inside if span.max_points is None else _in_slices(thin_out(inside, span))


def _in_slices(parts: Iterator[list[bytes]]) -> list[bytes]:
    """Do long work with a chance for everybody else between its parts."""
    result: list[bytes] = []
    for part in parts:
        result += part
        gevent.sleep(0)
    return result


def _after(query: Mapping[str, str]) -> After:
    since = query.get("since")
    cursor = parse_cursor(since)
    if since is not None and cursor is None:
        raise BadCursor("since must be a cursor such as 1722-5")
    return After(cursor, _integer(query, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX))


def _between(query: Mapping[str, str]) -> Between:
    if "since" in query or "limit" in query:
        raise BadRequest("ask either by since and limit, or by from_ms, to_ms and max_points")
    points = _integer(query, "max_points", 0, 2, POINTS_MAX) if "max_points" in query else None
    first = _integer(query, "from_ms", 0, 0, INTEGER_LIMIT - 1)
    last = _integer(query, "to_ms", INTEGER_LIMIT - 1, 0, INTEGER_LIMIT - 1)
    if first > last:
        raise BadRequest("from_ms must not be greater than to_ms")
    return Between(first, last, points)


def _integer(query: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if _INTEGER.fullmatch(text) is None or not least <= int(text) <= most:
        raise BadRequest(f"{key} must be an integer from {least} to {most}")
    return int(text)


def _wants_csv() -> bool:
    asked = request.args.get("format")
    if asked not in (None, "csv", "json"):
        raise BadRequest("format must be csv or json")
    best = request.accept_mimetypes.best_match(["application/json", "text/csv"])
    return asked == "csv" or (asked is None and best == "text/csv")


def _as_json(device: Device, page: Page, selected: list[bytes]) -> Response:
    head = {
        "device_id": device.device_id,
        "gaps": [gap.body() for gap in page.gaps],
        "next": str(page.next),
        "held_from": str(device.ring.front or START),
    }
    # the readings are JSON already; nothing is parsed to be written again
    body = json.dumps(head)[:-1].encode() + b',"readings":[' + b",".join(selected) + b"]}"
    return Response(body, mimetype="application/json")


def _as_csv(device: Device, page: Page, selected: list[bytes]) -> Response:
    response = Response(_csv_parts(selected), mimetype="text/csv")
    response.headers["Link"] = f'<{_next_url(device, page.next)}>; rel="next"'
    name = f"{device.device_id}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _next_url(device: Device, cursor: Cursor) -> str:
    limit = request.args.get("limit", LIMIT_DEFAULT)
    return url_for(
        "api.readings", device_id=device.device_id, since=str(cursor), limit=limit, format="csv"
    )


def _csv_parts(selected: list[bytes]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)  # RFC 4180: comma, CRLF, quotes doubled
    writer.writerow(CSV_KEYS)
    for start in range(0, len(selected), SLICE):
        writer.writerows(csv_row(payload) for payload in selected[start : start + SLICE])
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
