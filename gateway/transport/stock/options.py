"""The options of the stock classes: their meaning here, and those that cannot work.

A test reads the signatures and the documentation of the installed libraries. It fails when one of
them has an option that no table here names.
"""

import logging
from collections.abc import Mapping
from typing import Any

import click

from gateway.transport.stock.serializers import packet_class_of

logger = logging.getLogger(__name__)

OBEYED = frozenset(
    {
        # of flask_socketio.SocketIO
        *("channel", "manage_session", "path", "resource"),
        # of socketio.Server
        *("async_handlers", "client_manager", "engineio_logger", "json", "logger", "namespaces"),
        *("serializer",),
        # of engineio.Server
        *("allow_upgrades", "compression_threshold", "cookie", "cors_credentials"),
        *("http_compression", "max_http_buffer_size", "ping_interval", "ping_timeout"),
        *("transports",),
    }
)
CHANGED = {
    "always_connect": "what a connect handler emits follows its CONNECT in either case",
    "async_mode": "gevent is the only one: the connections belong to its event loop",
    "cors_allowed_origins": "[] allows the same origin only; the stock server then checks nothing",
    "message_queue": "Redis is the only one; no monkey-patching is needed",
    "monitor_clients": "clients are always monitored: one that is gone must not keep its memory",
}
"""Obeyed with the exception that is named."""
RUN_OPTIONS = frozenset(
    {
        *("allow_unsafe_werkzeug", "app", "debug", "extra_files", "host", "log_output", "port"),
        *("reloader_options", "use_reloader"),
    }
)
"""The options of ``SocketIO.run``; others go to gevent's ``WSGIServer``."""

EMPTY_ORIGINS = (
    "cors_allowed_origins=[] lists no origin: only pages of the same origin may connect. The stock "
    "server checks no origin then; cors_allowed_origins='*' says that"
)
NO_FLASK_RUN = (
    "this transport cannot be served by `flask run`, which serves each request in a thread: call "
    "socketio.run(app), or use gunicorn with -k gevent"
)
NO_THREADS = (
    "this transport cannot be served by threads: use socketio.run(app), gevent's pywsgi or "
    "gunicorn -k gevent"
)
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def check_use(options: Mapping[str, Any], *, serves: bool) -> None:
    """Raise ValueError or RuntimeError for options that cannot work; ``serves``: with an app."""
    check_mode(options.get("async_mode"))
    packet_class_of(options.get("serializer", "default"))
    queue = options.get("message_queue")
    if queue and "client_manager" not in options:
        _check_queue(str(queue))
    context = click.get_current_context(silent=True)
    if serves and context is not None and context.command.name == "run":
        raise RuntimeError(NO_FLASK_RUN)


def check_mode(mode: str | None) -> None:
    """Raise ValueError for an ``async_mode`` other than gevent."""
    if mode not in (None, "gevent"):
        raise ValueError(f"this transport runs on gevent, not on async_mode={mode!r}")


def _check_queue(queue: str) -> None:
    kind = queue.partition("://")[0]
    if not queue.startswith(REDIS_SCHEMES):
        raise ValueError(f"message_queue={kind}://...: this transport works with Redis alone")


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options for ``engineio.Server``: gevent always, and an empty origin list is strict.

    Warns of an unknown option. The stock server ignores it without a warning.
    """
    check_mode(options.get("async_mode"))
    for name in sorted(set(options) - OBEYED - set(CHANGED)):
        logger.warning("option %s is unknown and ignored", name)
    checked = {**options, "async_mode": "gevent", "monitor_clients": False}
    if checked.get("cors_allowed_origins") == []:
        logger.warning(EMPTY_ORIGINS)
        checked["cors_allowed_origins"] = None
    return checked
