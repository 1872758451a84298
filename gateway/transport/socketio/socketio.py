"""``SocketIO``: ``flask_socketio.SocketIO`` on a transport without queues or greenlets."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeVar

import flask_socketio
from gevent import monkey
from gevent.pywsgi import WSGIServer
from socketio import RedisManager
from werkzeug._reloader import run_with_reloader
from werkzeug.debug import DebuggedApplication

from gateway.transport.connection.connection import Connection
from gateway.transport.http.web_handler import WebHandler
from gateway.transport.socketio.message_queue import RedisQueue
from gateway.transport.socketio.socketio_server import SocketIOServer
from gateway.transport.stock.options import check_use

logger = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 5000
"""Flask's own defaults."""
CHANNEL = "flask-socketio"
"""Flask-SocketIO's own channel in a message queue."""
NO_WEBSOCKET_BY_TLS = (
    "with TLS in this process clients can only poll, and a client that allows WebSocket alone is "
    "refused: let a proxy in front speak TLS, and WebSocket works"
)

LOGGERS = ("logger", "engineio_logger")
SILENT = logging.getLogger(f"{__name__}.discarded")
SILENT.disabled = True

Handler = TypeVar("Handler", bound=Callable[..., Any])


class SocketIO(flask_socketio.SocketIO):  # type: ignore[misc]  # Flask-SocketIO has no types
    """Flask-SocketIO, for gevent. Takes the options of ``SocketIOServer`` as well."""

    server: SocketIOServer
    server_class: ClassVar[type[SocketIOServer]] = SocketIOServer

    def init_app(self, app: Any, **kwargs: Any) -> None:
        """Bind to a Flask application as the stock class does, then use our own server."""
        options = {**self.server_options, **kwargs}
        check_use(options, serves=app is not None)
        if options.get("message_queue") and "client_manager" not in kwargs:
            kwargs["client_manager"] = _queue(options, serves=app is not None)
        loggers = {name: options[name] for name in LOGGERS if name in options}
        # The server that the stock class makes must not log: it is thrown away.
        silent = dict.fromkeys(LOGGERS, SILENT)
        super().init_app(app, **{**kwargs, **silent, "async_mode": "gevent"})
        stock: Any = self.server
        for name in LOGGERS:
            del self.server_options[name]
        self.server_options.update(loggers)
        self.server = self.server_class(**self.server_options)
        self.server.handlers = stock.handlers
        for handler in stock.namespace_handlers.values():
            self.server.register_namespace(handler)
        if app is not None:
            self.sockio_mw.engineio_app = self.server

    def run(
        self, app: Any, host: str | None = None, port: int | None = None, **kwargs: Any
    ) -> None:
        """Serve with gevent's pywsgi and our handler, unless ``handler_class`` names another.

        Takes the options of the stock method on gevent. The stock method cannot be used: where
        gevent-websocket is installed, it sets that library's handler.
        """
        app.debug = kwargs.pop("debug", app.debug)
        log = "default" if kwargs.pop("log_output", app.debug) else None
        reload = partial(_reload, kwargs.pop("reloader_options", {}), kwargs.pop("extra_files", []))
        use_reloader = kwargs.pop("use_reloader", app.debug)
        kwargs.pop("allow_unsafe_werkzeug", None)  # an option for threaded servers
        if app.debug:
            self.sockio_mw.wsgi_app = DebuggedApplication(self.sockio_mw.wsgi_app, evalex=True)
        options = {"handler_class": WebHandler, "log": log, **kwargs}
        where = (host or HOST, _port_of(app) if port is None else port)
        server = WSGIServer(where, app, **options)
        if server.ssl_enabled:
            logger.warning(NO_WEBSOCKET_BY_TLS)
        self.wsgi_server = server
        if use_reloader:
            reload(server.serve_forever)
        else:
            server.serve_forever()

    def on(self, message: str, namespace: str | None = None) -> Callable[[Handler], Handler]:
        """Register the decorated function for an event."""
        register: Callable[[Handler], Handler] = super().on(message, namespace)
        return register

    def on_error_default(self, exception_handler: Handler) -> Handler:
        """Register the decorated function for the exceptions of handlers."""
        super().on_error_default(exception_handler)
        return exception_handler

    def connection(self, sid: str, namespace: str = "/") -> Connection | None:
        """Return the connection of a Socket.IO client, None when it has ended."""
        eio_sid = self.server.manager.eio_sid_from_sid(sid, namespace)
        return self.server.eio.connection(eio_sid)


def _queue(options: dict[str, Any], *, serves: bool) -> RedisManager:
    """Return the queue of a server, or of an external process, which waits for Redis itself."""
    where = (str(options["message_queue"]), options.get("channel", CHANNEL))
    return RedisQueue(*where) if serves else RedisManager(*where, write_only=True)


def _port_of(app: Any) -> int:
    """Return the port in an application's ``SERVER_NAME``, else Flask's usual one."""
    port = str(app.config["SERVER_NAME"] or "").rpartition(":")[2]
    return int(port) if port.isdigit() else PORT


def _reload(options: dict[str, Any], extra_files: Any, serve: Callable[[], None]) -> None:
    """Serve, and begin anew when a file of the application changes."""
    monkey.patch_thread()  # the reloader waits in a thread
    monkey.patch_time()
    run_with_reloader(serve, **{**options, **({"extra_files": extra_files} if extra_files else {})})
