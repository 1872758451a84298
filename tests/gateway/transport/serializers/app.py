"""An application on MessagePack: ``python app.py PORT``."""

import sys
from typing import Any

from flask import Flask, request
from flask_socketio import disconnect, emit, join_room

from gateway.transport import SocketIO

app = Flask(__name__)
sockets = SocketIO(app, serializer="msgpack")
auths: list[Any] = []


@sockets.on("connect")
def on_connect(auth: Any) -> None:
    if auth == "refuse me":
        raise ConnectionRefusedError
    emit("hello", auth)


@sockets.on("connect", namespace="/admin")
def on_admin_connect() -> None:
    join_room("admins")


@sockets.on("echo")
@sockets.on("echo", namespace="/admin")
def on_echo(*args: Any) -> Any:
    emit("echoed", args)
    return list(args)


@sockets.on("ask")
def on_ask(question: Any) -> Any:
    return sockets.call("question", question, to=request.sid, timeout=10)  # type: ignore[attr-defined] # Flask-SocketIO adds it


@sockets.on("kick")
def on_kick() -> None:
    disconnect()


if __name__ == "__main__":
    sockets.run(app, host="127.0.0.1", port=int(sys.argv[1]))
