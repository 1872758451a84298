"""A typical gateway in Python: a SUB socket and stock Flask-SocketIO with rooms.

Usage: ``python -m scripts.benchmarks.peers.stock_gateway gevent|threading PORT ENDPOINT``. For a
fair comparison it sets TCP_NODELAY and the listen backlog, as the other servers do.
"""

import importlib
import json
import logging
import socket
import sys
from types import ModuleType

from flask import Flask, request
from flask_socketio import SocketIO, join_room

BACKLOG = 4096
WAITING_MAX = 100_000


def create_server(app: Flask, mode: str) -> SocketIO:
    """Create the Socket.IO server of an app, with one event."""
    server = SocketIO(app, async_mode=mode)

    def subscribe(wanted: dict[str, list[str]]) -> dict[str, bool]:
        for device_id in wanted["devices"]:
            join_room(device_id, sid=request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO's
        return {"ok": True}

    server.on_event("subscribe", subscribe)
    return server


def forward(server: SocketIO, zmq: ModuleType, endpoint: str) -> None:
    """Send each reading to the room of its device, forever."""
    readings = zmq.Context.instance().socket(zmq.SUB)
    readings.set(zmq.RCVHWM, WAITING_MAX)
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


def serve_on_gevent(app: Flask, port: int) -> None:
    """Serve as ``SocketIO.run`` does in this mode."""
    pywsgi = importlib.import_module("gevent.pywsgi")
    pywsgi.WSGIServer(listen(port), app, log=None).serve_forever()


def serve_on_threads(app: Flask, port: int) -> None:
    """Serve as ``SocketIO.run`` does in this mode."""
    serving = importlib.import_module("werkzeug.serving")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    listener = listen(port)
    serving.make_server("127.0.0.1", port, app, threaded=True, fd=listener.fileno()).serve_forever()


def main(mode: str, port: int, endpoint: str) -> None:
    """Serve until killed."""
    app = Flask(__name__)
    server = create_server(app, mode)
    zmq = importlib.import_module("zmq.green" if mode == "gevent" else "zmq")
    server.start_background_task(forward, server, zmq, endpoint)
    (serve_on_gevent if mode == "gevent" else serve_on_threads)(app, port)


if __name__ == "__main__":
    if sys.argv[1] == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
