"""Flask-SocketIO's API on connections without queues or greenlets.

``SocketIO`` is a drop-in subclass of ``flask_socketio.SocketIO``, ``EngineServer`` one of
``engineio.Server``. A WebSocket is taken out of the web server and served by callbacks of
gevent's event loop. This package is general: of the project it imports only ``shared``.

The sub-packages, in the order in which a client's bytes pass them; imports never form a cycle:

===============  =================================================================================
``http/``        the web server: ``web_server``, ``web_handler``, ``http_head``, ``http_body``,
                 ``connection_slots``; a connection leaves it by ``handover``, ``socket_handoff``
``websocket/``   one WebSocket: ``websocket_link``, ``reader``, ``frames``, ``outbox``
``polling/``     one client that polls: ``polling_link``, ``post_body``, ``repetition``,
                 ``compression``
``engineio/``    the protocol: ``payload``, ``handshake``, ``heartbeat``, ``upgrade``,
                 ``packet_log``
``connection/``  one client's session: ``connection``, built on ``connection_lifecycle``,
                 ``connection_calls`` and ``connection_output``; ``connection_server`` (what it
                 needs of its server), ``session_timers``; ``multicast`` sends to many
``server/``      all sessions: ``engine_server``, ``engine_sessions``; requests that open and
                 serve them: ``http_endpoint``, ``poll_connection``
``socketio/``    ``socketio_server``, ``threaded_server``, ``packet_assembly``,
                 ``socketio_packets``, ``namespace_connect``, ``environ``; ``socketio`` is the
                 class for Flask; ``message_queue``: several servers share a Redis
``event_loop/``  ``timeslice``, ``serial_executor``, ``loop_time``, ``timers``, ``wakeup``
``limits/``      ``budget`` (memory of all clients), ``outbox_budget``, ``session_limit``,
                 ``address_shares``, ``client_address``, ``rate_quota``
``stock/``       what differs from the stock classes: ``options``, ``serializers``,
                 ``strict_json``, and ``compat``, their versions
===============  =================================================================================

One client has several names: its Engine.IO *session* is one ``Connection``. engineio calls that a
socket and keeps it in ``sockets``, by its ``sid``. A *link* carries its packets: ``link`` is the
WebSocket (``WebSocketLink``), or None, and ``polling`` the ``PollingLink``; a TCP connection is
always called so. In
each namespace Socket.IO gives the client another ``sid``; the one of Engine.IO is the ``eio_sid``.
"""

from gateway.transport.connection.connection import Connection
from gateway.transport.connection.multicast import WebSocketMulticast
from gateway.transport.event_loop.timeslice import give_way, time_slices
from gateway.transport.http.web_handler import WebHandler
from gateway.transport.http.web_server import WebServer
from gateway.transport.limits.client_address import TrustedProxies
from gateway.transport.server.engine_server import EngineServer
from gateway.transport.socketio.socketio import SocketIO

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
