"""Counts aloud, fast, while clients come by polling and upgrade: ``python app.py PORT``.

What a client says itself is kept, and told to it when it asks ``heard``.
"""

import sys

from flask import Flask, request
from gevent import sleep, spawn

from gateway.transport import SocketIO

app = Flask(__name__)
sockets = SocketIO(app)
said: dict[str, list[int]] = {}


@sockets.on("message")
def on_message(number: int) -> None:
    said.setdefault(request.sid, []).append(number)  # type: ignore[attr-defined] # Flask-SocketIO adds it


@sockets.on("heard")
def on_heard() -> list[int]:
    return said.get(request.sid, [])  # type: ignore[attr-defined] # as above


def count() -> None:
    """Emit every whole number to all."""
    number = 0
    while True:
        sockets.emit("n", number)
        number += 1
        sleep(0.002)


if __name__ == "__main__":
    spawn(count)
    sockets.run(app, host="127.0.0.1", port=int(sys.argv[1]))
