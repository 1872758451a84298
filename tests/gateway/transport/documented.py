"""An application that uses what Flask-SocketIO's documentation names, on either class."""
# Flask-SocketIO has no types.
# mypy: disable-error-code="untyped-decorator"

from typing import Any

import flask_socketio
from flask import Flask, request, session
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import (
    Namespace,
    close_room,
    disconnect,
    emit,
    join_room,
    leave_room,
    rooms,
    send,
)


class Chat(Namespace):  # type: ignore[misc]  # Flask-SocketIO has no types
    """A namespace as a class."""

    def on_connect(self, auth: Any) -> Any:
        if auth == "no":
            return False
        if auth == "why":
            raise Refused("because", {"code": 7})
        self.emit("welcome", auth)
        return None

    def on_disconnect(self, reason: str) -> None:
        self.socketio.emit("left", reason, namespace="/chat")

    def on_join(self, room: str) -> list[str]:
        join_room(room)
        return [name for name in sorted(rooms()) if name != sid()]

    def on_say(self, room: str, text: str) -> None:
        self.emit("said", text, room=room, include_self=False)
        self.send(text, room=room)

    def on_close(self, room: str) -> None:
        self.close_room(room)

    def on_fail(self) -> None:
        raise ZeroDivisionError


class Quiet(Namespace):  # type: ignore[misc]  # Flask-SocketIO has no types
    """One whose handlers say something in other namespaces and rooms."""

    def on_connect(self) -> None:
        emit("early", namespace="/quiet")

    def on_disconnect(self, reason: str) -> None:
        self.socketio.emit("left", reason)


def sid() -> str:
    found: str = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO adds it
    return found


def build(kind: Any, *, late: bool = False, **options: Any) -> tuple[Flask, Any]:  # noqa: C901, PLR0915  # one application
    """Return the application and its ``SocketIO``; ``late`` binds them by ``init_app``."""
    app = Flask("documented")
    app.secret_key = "no secret"  # noqa: S105  # of a test
    options = {"async_mode": "gevent", "async_handlers": False, **options}
    sockets = kind(None if late else app, **options)

    @sockets.event
    def echo(*args: Any) -> Any:
        return args

    @sockets.event(namespace="/chat2")
    def connect() -> None:
        """Let everybody in."""

    @sockets.on("*", namespace="/chat2")
    def on_any(event: str, *args: Any) -> Any:
        return [event, *args]

    def on_named(data: Any) -> Any:
        event = request.event  # type: ignore[attr-defined]  # Flask-SocketIO adds it
        names = [request.namespace, event["message"], list(event["args"])]  # type: ignore[attr-defined]
        return [data, *names, request.args.get("q"), request.headers.get("X-Who")]

    sockets.on_event("named", on_named)

    @sockets.on("message")
    def on_message(text: Any) -> None:
        send(text, broadcast=True)

    @sockets.on("json")
    def on_json(data: Any) -> None:
        send(data, json=True)

    @sockets.on("rooms")
    def on_rooms(*names: str) -> Any:
        for name in names:
            join_room(name)
        return len(rooms())

    @sockets.on("leave")
    def on_leave(name: str) -> Any:
        leave_room(name)
        return len(rooms())

    @sockets.on("close")
    def on_close(name: str) -> None:
        close_room(name)

    @sockets.on("to")
    def on_to(to: Any, how: dict[str, Any]) -> None:
        emit("said", to, to=to, **how)

    @sockets.on("everything but")
    def on_skip(skipped: Any) -> None:
        sockets.emit("said", "server", skip_sid=skipped)

    @sockets.on("who")
    def on_who() -> str:
        return sid()

    @sockets.on("background")
    def on_background() -> None:
        def work(asked: str) -> None:
            sockets.sleep(0)
            sockets.emit("worked", to=asked)
            sockets.send({"n": 1}, json=True, to=asked)

        sockets.start_background_task(work, asked=sid()).join()

    @sockets.on("call back")
    def on_call_back() -> None:
        emit("question", (1, 2), callback=lambda *answers: sockets.emit("answers", answers))

    @sockets.on("kick")
    def on_kick(other: str, namespace: str) -> None:
        disconnect(other, namespace=namespace)

    @sockets.on("count")
    def on_count() -> Any:
        session["n"] = session.get("n", 0) + 1
        return session["n"]

    @sockets.on("kept")
    def on_kept(value: Any) -> Any:
        server = sockets.server
        with server.session(sid()) as kept:
            before = kept.get("value")
            kept["value"] = value
        return [before, server.get_session(sid())["value"], server.transport(sid(), "/")]

    @sockets.on("fail")
    def on_fail() -> None:
        raise ZeroDivisionError

    @sockets.on("fail", namespace="/chat2")
    def on_fail_elsewhere() -> None:
        raise LookupError

    @sockets.on_error()
    def on_error(error: Exception) -> str:
        return f"here {type(error).__name__}"

    @sockets.on_error_default
    def on_any_error(error: Exception) -> str:
        return f"there {type(error).__name__}"

    @app.get("/count")
    def count() -> Any:
        session["n"] = 10
        return "counted"

    sockets.on_namespace(Chat("/chat"))
    if late:
        sockets.init_app(app)
    sockets.on_namespace(Quiet("/quiet"))
    assert app.extensions["socketio"] is sockets
    return app, sockets


STOCK = flask_socketio.SocketIO
