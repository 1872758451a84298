"""The gateway a Python developer would write: a SUB socket and stock Flask-SocketIO, with rooms.

Usage: ``python stock_gateway.py gevent|threading PORT ENDPOINT``. Two things are done for the sake
of a fair comparison: TCP_NODELAY is set, as on all other servers, and the backlog is as large.
"""

import json
import socket
import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()
    import zmq.green as zmq
else:
    import zmq

from flask import Flask
from flask_socketio import SocketIO, join_room

BACKLOG = 4096


def create_server(mode: str) -> SocketIO:
    """Create the server and its one event."""
    server = SocketIO(Flask(__name__), async_mode=mode)

    @server.on("subscribe")
    def subscribe(request: dict[str, list[str]]) -> dict[str, bool]:
        for device_id in request["devices"]:
            join_room(device_id)
        return {"ok": True}

    return server


def forward(server: SocketIO, endpoint: str) -> None:
    """Send each reading to the room of its device, for ever."""
    readings = zmq.Context.instance().socket(zmq.SUB)
    readings.set(zmq.RCVHWM, 100_000)
    readings.connect(endpoint)
    readings.subscribe("ebike/reading/")
    while True:
        _topic, payload = readings.recv_multipart()
        reading = json.loads(payload)
        server.emit("speed_change", reading, to=reading["device_id"])


def listen(port: int) -> socket.socket:
    """Listen with TCP_NODELAY, which accepted connections inherit."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener


def main(mode: str, port: int, endpoint: str) -> None:
    """Serve until killed."""
    server = create_server(mode)
    server.start_background_task(forward, server, endpoint)
    listener = listen(port)
    app = server.sockio_mw or server.server
    del app
    if mode == "gevent":
        from gevent.pywsgi import WSGIServer

        listener.setblocking(False)
        WSGIServer(listener, server.flask_app, log=None).serve_forever()
    else:
        from werkzeug.serving import make_server

        make_server("127.0.0.1", port, server.flask_app, threaded=True, fd=listener.fileno()).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
