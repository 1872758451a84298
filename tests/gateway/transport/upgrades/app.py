"""Counts aloud, fast, while clients come by polling and upgrade: ``python app.py PORT``."""

import sys

from flask import Flask
from gevent import sleep, spawn

from gateway.transport import SocketIO

app = Flask(__name__)
sockets = SocketIO(app)


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
