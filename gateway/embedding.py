"""Embed a gateway in an existing Flask application; ``docs/clients.md`` shows how.

The gateway needs an event loop of gevent, which the server of the application must run:
``gateway.transport.WebServer``, gevent's pywsgi, or gunicorn with ``-k gevent``. The gateway starts
in a greenlet of that loop. On another server the greenlet never runs. So a request that arrives
before the gateway has started proves that the server is a wrong one, and its answer says this.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from flask import Flask
from loguru import logger
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gateway.app import Gateway, create_app, load_templates
from gateway.decorators import stops_process_on_error
from gateway.descriptors import within_descriptors
from gateway.transport.http.socket_handoff import is_gevents
from gateway.web.error_handlers import problem
from shared.errors import ErrorBody, SettingsError, SpokeError
from shared.settings import Settings, load_settings
from shared.url_prefix import decoded, read_prefix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ROOT = Path(__file__).resolve().parent.parent
"""The folder of Spoke, with ``configs/`` and ``.env``."""
SERVERS = (
    "serve the application with gateway.transport.WebServer((host, port), app).serve_forever(), or "
    "with gunicorn -k gevent -w 1, without --preload"
)
WRONG_SERVER = (
    f"the gateway needs the event loop of gevent, which this server does not run: {SERVERS}"
)


def embed(
    app: Flask, at: str = "/spoke", settings: Settings | Mapping[str, str] | None = None
) -> Gateway:
    """Serve a gateway below the path ``at`` of an application, and return it.

    ``settings``: those of ``load_settings``, or names and texts as in the environment, which is
    read without them. Raises the descriptor limit of the process as far as it may, and serves no
    more browsers than that allows. Raises SettingsError for wrong settings, ValueError for a wrong
    path, and RuntimeError under ``flask run``, which has no event loop of gevent.
    """
    prefix = read_prefix(at)
    if not prefix:
        raise ValueError("the path of an embedded gateway cannot be /: choose one such as /spoke")
    if not isinstance(settings, Settings):
        given = os.environ if settings is None else settings
        settings = load_settings("gateway", [], given, ROOT)
    settings, _http_connections = within_descriptors(settings)
    try:
        inner = create_app(settings)
    except RuntimeError as error:
        raise RuntimeError(WRONG_SERVER) from error
    load_templates(inner)
    gateway: Gateway = inner.extensions["spoke"]
    app.extensions["spoke"] = gateway
    mounted = EmbeddedGateway(gateway)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {decoded(prefix): mounted})  # type: ignore[method-assign]  # the documented way to wrap
    gevent.spawn(mounted.start)
    return gateway


class EmbeddedGateway:
    """The WSGI application that another application mounts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._home: tuple[int, object] | None = None
        self._trouble = WRONG_SERVER
        self._is_told = False

    def start(self) -> None:
        """Open the sockets to devices, and run the hub in the loop that calls this."""
        try:
            self._gateway.hub.start()
        except SettingsError as error:
            logger.critical(str(error))
            self._trouble = str(error)
            return
        self._home = _here()
        gevent.spawn(stops_process_on_error(self._fail)(self._gateway.hub.run))
        self._gateway.stalls.start(gevent.get_hub().loop)
        logger.info("gateway_embedded")

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve a request; answer 500 with the reason when the gateway does not run."""
        if is_gevents(environ) and self._home == _here():
            return self._gateway.app(environ, start_response)
        if not self._is_told:
            self._is_told = True
            logger.critical(f"gateway_cannot_run: {self._trouble}")
        return problem(ErrorBody(code=SpokeError.code, message=self._trouble), 500)(
            environ, start_response
        )

    def _fail(self, error: BaseException) -> None:
        """Serve nobody any more after a bug in the hub; the application goes on."""
        self._home = None
        self._trouble = "the gateway failed and stays off; the log has the details"
        logger.opt(exception=error).critical("gateway_loop_died")
        for connection in list(self._gateway.hub.connections.values()):
            connection.close_transport()
        self._gateway.stalls.stop()
        self._gateway.hub.stop()  # otherwise the sockets to the devices would collect readings


def _here() -> tuple[int, object]:
    """Return what differs in another process and in another thread: gevent has a loop for each."""
    return os.getpid(), gevent.get_hub()
