"""``SocketIO``: ``flask_socketio.SocketIO`` on a transport without queues or greenlets."""

from collections.abc import Callable
from typing import Any, TypeVar

import flask_socketio

from gateway.transport.connection import Connection
from gateway.transport.socketio_server import SocketIOServer
from gateway.transport.web_handler import WebHandler

Handler = TypeVar("Handler", bound=Callable[..., Any])


class SocketIO(flask_socketio.SocketIO):  # type: ignore[misc]  # Flask-SocketIO has no types
    """Flask-SocketIO, for gevent. Takes the options of ``SocketIOServer`` as well."""

    server: SocketIOServer

    def init_app(self, app: Any, **kwargs: Any) -> None:
        """Bind to a Flask application as the stock class does, then use our own server."""
        kwargs = {**kwargs, "async_mode": kwargs.get("async_mode") or "gevent"}
        super().init_app(app, **kwargs)
        stock: Any = self.server
        self.server = SocketIOServer(**self.server_options)
        self.server.handlers = stock.handlers
        for handler in stock.namespace_handlers.values():
            self.server.register_namespace(handler)
        if app is not None:
            self.sockio_mw.engineio_app = self.server

    def run(
        self, app: Any, host: str | None = None, port: int | None = None, **kwargs: Any
    ) -> None:
        """Serve with gevent's pywsgi and our handler, unless ``handler_class`` names another."""
        super().run(app, host, port, **{"handler_class": WebHandler, **kwargs})

    def on(self, message: str, namespace: str | None = None) -> Callable[[Handler], Handler]:
        """Register the decorated function for an event."""
        register: Callable[[Handler], Handler] = super().on(message, namespace)
        return register

    def on_error_default(self, exception_handler: Handler) -> Handler:
        """Register the decorated function for what handlers raise."""
        super().on_error_default(exception_handler)
        return exception_handler

    def connection(self, sid: str, namespace: str = "/") -> Connection | None:
        """Return the connection of a Socket.IO client, None when it has ended."""
        eio_sid = self.server.manager.eio_sid_from_sid(sid, namespace)
        found: Connection | None = self.server.eio.connection(eio_sid)
        return found
