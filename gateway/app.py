"""Wire a gateway from settings. Nothing here opens a socket or starts a greenlet."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from typing import Any

from flask import Flask, Response
from loguru import logger

from gateway.devices.devices import Devices, Limits
from gateway.devices.ownership import is_own
from gateway.hub import Hub
from gateway.metrics.collector import CountedParts
from gateway.metrics.route import create_metrics
from gateway.schema.routes import create_documents
from gateway.stalls import StallWatch
from gateway.transport import SocketIO, TrustedProxies, WebSocketMulticast
from gateway.upstream.replay_client import ReplayClient
from gateway.upstream.replay_routes import ReplayRoutes
from gateway.upstream.sockets import link_settings
from gateway.upstream.subscriber import Subscriber
from gateway.web.api import check_query, create_api, create_public_routes
from gateway.web.auth import Authenticate, let_everybody_in
from gateway.web.cors import share_with_pages
from gateway.web.error_handlers import register_error_handlers
from gateway.web.events import register_events
from gateway.web.foreign_pages import foreign_page_check
from gateway.web.inputs import check_address, remove_unreadable_headers
from gateway.web.prefix import first_names, serve_below, url_below
from gateway.web.redirects import create_redirects
from gateway.web.request_guards import (
    Check,
    guard,
    handshake_check,
    host_check,
    origin_check,
    proxy_check,
)
from gateway.web.sockets import create_server
from gateway.web.visits import Visits
from shared.settings import Settings

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The dashboard loads nothing from other origins and runs no inline script."""
QUESTION_ID_BYTES = 8
"""Nobody can guess the 64 random bits of a replay request and forge its answer."""


@dataclass(slots=True)
class Gateway:
    """A wired gateway: the Flask app, the Socket.IO server, the hub, and the watch of its loop."""

    app: Flask
    socketio: SocketIO
    hub: Hub
    proxies: TrustedProxies
    is_draining: bool = field(default=False)
    stalls: StallWatch = field(default_factory=StallWatch)
    counted: CountedParts = field(init=False)
    """The parts that the metrics read."""


def create_app(settings: Settings, authenticate: Authenticate = let_everybody_in) -> Flask:
    """Create the Flask app; ``app.extensions["spoke"]`` is its :class:`Gateway`."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    app.url_map.merge_slashes = False  # Flask's redirect from // to / could leave the prefix
    app.jinja_env.globals["url_below"] = url_below
    hub = create_hub(settings)
    proxies = TrustedProxies(settings.trusted_proxies)
    is_allowed_origin = origin_check(settings.cors_origins)
    socketio = create_server(
        app,
        is_allowed_origin,
        proxies=proxies,
        max_connections=settings.max_connections,
        stalled_s=settings.stalled_s,
        outbox_bytes=settings.outbox_mb * 1_000_000,
        message_queue=settings.redis_url,
    )
    gateway = Gateway(app, socketio, hub, proxies)
    app.extensions["spoke"] = gateway
    register_error_handlers(app)
    app.before_request(check_query)
    app.register_blueprint(create_public_routes(hub, lambda: gateway.is_draining))
    app.register_blueprint(create_redirects())
    app.register_blueprint(create_api(hub, authenticate, proxies))
    app.register_blueprint(create_documents())
    share_with_pages(app, is_allowed_origin)
    app.after_request(_harden)
    visits = register_events(
        socketio, hub, authenticate, proxies, automatic=settings.auto_subscribe
    )
    gateway.counted = _counted(gateway, visits, uses_redis=settings.redis_url is not None)
    app.register_blueprint(create_metrics(gateway.counted, proxies, everybody=settings.metrics))
    # ``create_server`` has made ``app.wsgi_app`` the middleware of Flask-SocketIO, around Flask.
    guarded = guard(app.wsgi_app, _checks(settings, gateway))
    app.wsgi_app = serve_below(guarded, settings.base_path, proxies, first_names(app))  # type: ignore[assignment,method-assign]  # the documented way to wrap
    return app


def _counted(gateway: Gateway, visits: Visits, *, uses_redis: bool) -> CountedParts:
    """Return the parts of the gateway that count; the metrics read them."""
    engine = gateway.socketio.server.eio
    counted = CountedParts(gateway.hub, visits, gateway.stalls, engine.outbox_budget, engine.inbox)
    if uses_redis:
        counted.redis = gateway.socketio.server.manager
    return counted


def load_templates(app: Flask) -> None:
    """Compile the templates now: otherwise the first request would, and hold the loop."""
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)


def create_hub(settings: Settings) -> Hub:
    """Create the hub and its core; ``Hub.start`` opens the ZeroMQ sockets."""
    limits = Limits(
        settings.max_devices,
        settings.history_readings,
        settings.history_mb * 1024 * 1024,
        settings.repair_ms / 1000,
    )
    takes_offers = settings.replay_bind is not None
    routes = ReplayRoutes(settings.replay_connect, settings.max_devices, takes_offers=takes_offers)
    return Hub(
        Devices(limits, partial(is_own, patterns=settings.devices)),
        ReplayClient(routes, partial(token_hex, QUESTION_ID_BYTES), settings.max_devices),
        partial(Subscriber, link_settings(settings)),
        WebSocketMulticast,
        flush_s=settings.flush_ms / 1000,
    )


def _checks(settings: Settings, gateway: Gateway) -> Iterable[Check]:
    def has_room_for(environ: dict[str, Any]) -> bool:
        return not gateway.is_draining and gateway.socketio.server.eio.has_room_for(environ)

    return (
        check_address,
        host_check((*settings.allowed_hosts, settings.gateway_host)),
        foreign_page_check,
        proxy_check(gateway.proxies, logger.warning),
        remove_unreadable_headers,
        handshake_check(has_room_for),
    )


def _harden(response: Response) -> Response:
    response.vary.add("Origin")  # the CORS headers of an answer depend on it
    response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response
