"""Flask-SocketIO's API on connections without queues or greenlets.

``SocketIO`` is a drop-in subclass of ``flask_socketio.SocketIO``, ``EngineServer`` one of
``engineio.Server``. A WebSocket is taken out of the web server and served by callbacks of
gevent's event loop. This package is general: of the project it imports only ``shared``.

============  ====================================================================================
HTTP server   ``web_server``, ``web_handler``, ``http_head``, ``http_body``, ``connection_slots``,
              ``address_shares``, ``client_address``, ``handover``, ``socket_handoff``
Engine.IO     ``engine_server``, ``engine_sessions``, ``sessions``, ``session_timers``,
              ``http_endpoint``, ``handshake``, ``payload``, ``packet_log``, ``heartbeat``,
              ``upgrade``; a client's session: ``connection``, ``connection_lifecycle``,
              ``connection_output``, ``connection_calls``, ``connection_server``
Polling       ``polling``, ``poll_connection``, ``post_body``, ``repetition``, ``compression``
WebSocket     ``websocket``, ``reader``, ``frames``, ``outbox``, ``multicast``
Socket.IO     ``socketio``, ``socketio_server``, ``threaded_server``, ``namespace_connect``,
              ``socketio_packets``, ``packet_assembly``, ``serializers``, ``strict_json``,
              ``environ``
Time          ``timeslice``, ``serial_executor``, ``loop_time``, ``timers``, ``wakeup``
Budgets       ``budget`` (memory of all clients), ``outbox_budget``, ``rate_quota``
Queue         ``message_queue``: several servers share a Redis
Libraries     ``options``, ``compat``: what differs from the stock classes, and their versions
============  ====================================================================================
"""

from gateway.transport.client_address import TrustedProxies
from gateway.transport.connection import Connection
from gateway.transport.engine_server import EngineServer
from gateway.transport.multicast import WebSocketMulticast
from gateway.transport.socketio import SocketIO
from gateway.transport.timeslice import give_way, time_slices
from gateway.transport.web_handler import WebHandler
from gateway.transport.web_server import WebServer

__all__ = [
    "Connection",
    "EngineServer",
    "SocketIO",
    "TrustedProxies",
    "WebHandler",
    "WebServer",
    "WebSocketMulticast",
    "give_way",
    "time_slices",
]
