"""Flask-SocketIO's API on connections without queues or greenlets.

``SocketIO`` is a drop-in subclass of ``flask_socketio.SocketIO``, ``EngineServer`` one of
``engineio.Server``. A WebSocket is taken out of the web server and served by callbacks of
gevent's event loop. This package is general: of the project it imports only ``shared``.
"""

from gateway.transport.client_address import TrustedProxies
from gateway.transport.connection import Connection
from gateway.transport.engine_server import EngineServer
from gateway.transport.multicast import Multicast
from gateway.transport.socketio import SocketIO
from gateway.transport.timeslice import give_way, time_slices
from gateway.transport.web_handler import WebHandler
from gateway.transport.web_server import WebServer

__all__ = [
    "Connection",
    "EngineServer",
    "Multicast",
    "SocketIO",
    "TrustedProxies",
    "WebHandler",
    "WebServer",
    "give_way",
    "time_slices",
]
