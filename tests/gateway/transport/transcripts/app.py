"""An ordinary Flask-SocketIO application, on the stock class or on ours by TRANSCRIPT_KIND.

``python app.py PORT`` serves it with gevent's pywsgi; gunicorn takes ``app:app``.
"""

import os
import secrets
import sys
from typing import Any

import flask_socketio
from flask import Flask, jsonify, request, session
from flask_socketio import (
    close_room,
    disconnect,
    emit,
    join_room,
    leave_room,
    rooms,
)

from gateway import transport

KINDS = {"stock": flask_socketio.SocketIO, "ours": transport.SocketIO}

app = Flask(__name__)
app.secret_key = secrets.token_hex()
sockets: transport.SocketIO = KINDS[os.environ["TRANSCRIPT_KIND"]](app, async_mode="gevent")
journal: list[Any] = []


@app.get("/journal")
def read_journal() -> Any:
    """Return what the handlers were told since the last time."""
    entries = list(journal)
    journal.clear()
    return jsonify(entries)


@sockets.on("connect")
def on_connect(auth: Any) -> None:
    journal.append(["connect", auth])
    if auth and auth.get("refuse"):
        raise flask_socketio.ConnectionRefusedError("not you", {"why": auth["refuse"]})
    emit("hello", {"auth": auth})


@sockets.on("disconnect")
def on_disconnect(reason: str) -> None:
    journal.append(["disconnect", reason])


@sockets.on("connect", namespace="/admin")
def on_admin_connect() -> None:
    journal.append(["connect /admin"])


@sockets.on("disconnect", namespace="/admin")
def on_admin_disconnect(reason: str) -> None:
    journal.append(["disconnect /admin", reason])


@sockets.on("message")
def on_message(data: Any) -> None:
    journal.append(["message", data])
    flask_socketio.send(data)


@sockets.on("echo")
def on_echo(*args: Any) -> Any:
    journal.append(["echo", len(args)])
    emit("echoed", args)
    return args


@sockets.on("echo", namespace="/admin")
def on_admin_echo(*args: Any) -> Any:
    emit("echoed", args)
    return args


@sockets.on("nothing")
def on_nothing() -> None:
    journal.append(["nothing"])


@sockets.on("ask")
def on_ask(question: Any) -> Any:
    return sockets.call("question", question, to=request.sid, timeout=10)  # type: ignore[attr-defined] # Flask-SocketIO adds it


@sockets.on("callback")
def on_callback() -> None:
    emit("question", "back?", callback=lambda *answer: emit("answered", answer))


@sockets.on("join")
def on_join(room: str) -> int:
    join_room(room)
    return len(rooms())


@sockets.on("leave")
def on_leave(room: str) -> int:
    leave_room(room)
    return len(rooms())


@sockets.on("close room")
def on_close_room(room: str) -> None:
    close_room(room)


@sockets.on("say")
def on_say(room: str, text: str, include_self: bool) -> None:
    emit("said", text, to=room, include_self=include_self)


@sockets.on("broadcast")
def on_broadcast(text: str) -> None:
    emit("said", text, broadcast=True)


@sockets.on("count")
def on_count() -> int:
    session["count"] = session.get("count", 0) + 1
    return int(session["count"])


@sockets.on("whoami")
def on_whoami() -> list[Any]:
    transport_name = sockets.server.transport(request.sid)  # type: ignore[attr-defined] # as above
    return [request.args.get("name"), request.headers.get("X-Name"), transport_name]


@sockets.on("kick")
def on_kick() -> None:
    disconnect()


@sockets.on("drop")
def on_drop() -> None:
    server = sockets.server
    server.sleep(0.2)  # the stock server loses the close packet when no poll is waiting
    server.eio.disconnect(server.manager.eio_sid_from_sid(request.sid, "/"))  # type: ignore[attr-defined] # as above


@sockets.on("fail")
def on_fail() -> None:
    raise ZeroDivisionError("on purpose")


@sockets.on("not a number")
def on_not_a_number() -> None:
    emit("number", float("nan"))


@sockets.on_error_default
def on_error(error: Exception) -> str:
    journal.append(["error", type(error).__name__])
    return "failed"


if __name__ == "__main__":
    sockets.run(app, host="127.0.0.1", port=int(sys.argv[1]))
