"""The HTTP routes: dashboard, health, devices and readings (``docs/protocol.md``, section 4)."""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import ParamSpec

from flask import Blueprint, Response, current_app, render_template, request

from gateway import __version__
from gateway.devices.devices import Device
from gateway.hub import Hub
from gateway.transport.event_loop.timeslice import give_way
from gateway.transport.limits.client_address import TrustedProxies
from gateway.web.auth import Authenticate, Credentials
from gateway.web.cors import is_preflight
from gateway.web.queries import LIMIT_DEFAULT, READINGS_KEYS, check_keys
from gateway.web.reading_pages import ReadingPages
from shared.errors import UnknownDevice

P = ParamSpec("P")
FIRST_FILLS_S = 5.0
"""The gateway is ready at the latest so long after its start, even if a backfill still runs."""
LISTED_AT_ONCE = 100
"""Devices in one piece of the list: about 50 kB, written in a millisecond."""
LIBRARIES = ("socket.io.esm.min.js", "uPlot.esm.js", "uPlot.min.css")
QUERY_KEYS = {"api.readings": READINGS_KEYS}
"""The query keys by route; other routes take none. Static files ignore the query."""
INSTALL_HINT = "the dashboard's libraries are not installed: run scripts/install"


def create_public_routes(hub: Hub, is_draining: Callable[[], bool]) -> Blueprint:
    """Create the routes that need no authentication: the dashboard and the health checks."""
    public = Blueprint("public", __name__)

    @public.get("/")
    def dashboard() -> str:
        return render_template(
            "dashboard.html", libraries_missing=libraries_missing(), version=__version__
        )

    @public.get("/healthz")
    def health() -> dict[str, object]:
        return {"ok": True, "version": __version__}

    @public.get("/readyz")
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

    return public


def create_api(hub: Hub, authenticate: Authenticate, proxies: TrustedProxies) -> Blueprint:
    """Create the routes under ``/api/v1``; each request is authenticated first."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    reading_pages = ReadingPages(hub, proxies)

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
        return Response(_find(hub, device_id).detail_json() + b"\n", mimetype="application/json")

    @api.get("/devices/<device_id>/readings")
    @_varies_by_accept
    def readings(device_id: str) -> Response:
        return reading_pages.answer(_find(hub, device_id))

    return api


def check_query() -> None:
    """Refuse query keys that the route of the current request does not take."""
    route = request.endpoint
    if route is None or route == "static" or request.method == "OPTIONS":
        return
    check_keys(request.args.to_dict(flat=False), QUERY_KEYS.get(route, ()))


def libraries_missing() -> bool:
    """Tell whether a library of the dashboard is not installed."""
    static = Path(str(current_app.static_folder))
    return not all((static / "vendor" / name).is_file() for name in LIBRARIES)


def _is_ready(hub: Hub) -> bool:
    if hub.started_s is None:
        return False
    now = hub.now()
    if now.monotonic_s - hub.started_s >= FIRST_FILLS_S:
        return True
    return len(hub.devices) > 0 and not any(d.feed.is_backfilling(now) for d in hub.devices)


def _find(hub: Hub, device_id: str) -> Device:
    device = hub.devices.get(device_id)
    if device is not None:
        return device
    if device_id in hub.devices.evicted:
        raise UnknownDevice(
            f"{device_id!r} was evicted for other devices and has not been heard since: start it,"
            " or raise SPOKE_MAX_DEVICES of the gateway"
        )
    raise UnknownDevice(f"no device {device_id[:64]!r} was heard; see /api/v1/devices")


def _listed(devices: Sequence[Device]) -> list[bytes] | Iterator[bytes]:
    """Write the list of devices; a long list in pieces, each made when the client took the last."""
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


def _varies_by_accept(route: Callable[P, Response]) -> Callable[P, Response]:
    """Tell caches that the answer depends on the Accept header."""

    @wraps(route)
    def varying(*args: P.args, **kwargs: P.kwargs) -> Response:
        response = route(*args, **kwargs)
        response.vary.add("Accept")
        return response

    return varying
