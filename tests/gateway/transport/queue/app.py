"""A server that shares a message queue, and does with it what its clients say.

usage: python app.py PORT; for gunicorn: app:app. REDIS_URL names the queue. In a process that is
monkey-patched by gevent.monkey this is stock Flask-SocketIO.
"""

import os
import sys
from typing import Any

import flask_socketio
from flask import Flask, request
from gevent.monkey import is_module_patched

from gateway.transport import SocketIO

app = Flask(__name__)
is_stock = __name__ == "__main__" and is_module_patched("socket")
kind: type[Any] = flask_socketio.SocketIO if is_stock else SocketIO
sockets: SocketIO = kind(app, message_queue=os.environ["REDIS_URL"], async_mode="gevent")


def sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO sets it


@sockets.on("me")
def me() -> str:
    return sid()


@sockets.on("emit")
def emit(event: str, data: Any, to: str | None) -> None:
    sockets.emit(event, data, to=to)


@sockets.on("ask")
def ask(whom: str) -> None:
    asker = sid()
    sockets.emit(
        "question", "why?", to=whom, callback=lambda text: sockets.emit("answer", text, to=asker)
    )


@sockets.on("do")
def do(method: str, *arguments: Any) -> None:
    getattr(sockets.server, method)(*arguments)


@sockets.on("flood")
def flood() -> str:
    try:
        while True:
            sockets.emit("flood", "drop" * 500_000, to="nobody")
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sockets.run(app, port=int(sys.argv[1]))
