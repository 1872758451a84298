"""A chat with rooms: .venv/bin/python -m examples.chat, then open http://localhost:5000.

An ordinary Flask-SocketIO application; one line makes it use this project's transport.
"""

import os
import sys

from flask import Flask, Response, send_from_directory, session
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import emit, join_room, leave_room

from gateway.transport import SocketIO  # this line was "from flask_socketio import SocketIO"

MAX_NAME, MAX_TEXT = 40, 500

app = Flask(__name__)
app.secret_key = os.urandom(24)
socketio = SocketIO(app, async_mode="gevent")


@app.get("/")
def page() -> Response:
    return send_from_directory(".", "chat.html")


@app.get("/vendor/<path:name>")
def vendor(name: str) -> Response:
    return send_from_directory("../gateway/static/vendor", name)


@socketio.on("connect")
def on_connect(auth: object) -> None:
    name = auth.get("name") if isinstance(auth, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise Refused("give a name", {"at_most": MAX_NAME})
    session["name"] = name


@socketio.on("enter")
def on_enter(room: object) -> dict[str, str]:
    if "room" in session:
        leave_room(session["room"])
        say(f"{session['name']} left")
    session["room"] = str(room)[:MAX_NAME]
    join_room(session["room"])
    say(f"{session['name']} is here")
    return {"room": session["room"]}


@socketio.on("say")
def on_say(text: object) -> bool:
    if "room" not in session:
        return False
    say(str(text)[:MAX_TEXT], session["name"])
    return True


@socketio.on("disconnect")
def on_disconnect(reason: str) -> None:
    if "room" in session:
        say(f"{session['name']} left")


def say(text: str, name: str | None = None) -> None:
    emit("said", {"name": name, "text": text}, to=session["room"])


if __name__ == "__main__":
    socketio.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
