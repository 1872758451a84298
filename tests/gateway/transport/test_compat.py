"""The libraries whose parts are replaced, and what becomes of their options."""

import ast
import inspect
import json
import logging
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType

import pytest
from flask import Flask, request
from flask_socketio import Namespace, emit
from werkzeug.test import EnvironBuilder

from gateway.transport import EngineServer, SocketIO
from gateway.transport.stock import compat
from tests.gateway.transport.clients import WebSocketClient, connect_namespace
from tests.gateway.transport.servers import flask_app


def test_the_installed_versions_are_the_tested_ones() -> None:
    assert compat.untested({name: version(name) for name in compat.TESTED}) == []


LIBRARIES = ("engineio.", "socketio.", "flask_socketio", "gevent.")
TRANSPORT = Path(compat.__file__).parent.parent
MODULES = [
    import_module(f"gateway.transport.{path.parent.name}.{path.stem}")
    for path in sorted(TRANSPORT.rglob("[!_]*.py"))
    if path.stem not in ("web_handler", "web_server")  # gevent's are listed there
]


def test_listed_private_members_exist() -> None:
    for owner, members in compat.PRIVATE_MEMBERS.items():
        found = resolve_name(owner)
        assert [name for name in members if not hasattr(found, name)] == []


def test_private_members_are_listed_completely() -> None:
    listed = {name for members in compat.PRIVATE_MEMBERS.values() for name in members}
    trees = [ast.parse(inspect.getsource(module)) for module in MODULES]
    used = {name for tree in trees for name in _attributes(tree, ast.Load)}
    ours = {name for tree in trees for name in _attributes(tree, ast.Store) + _functions(tree)}
    overridden = {name for module in MODULES for name in _overridden(module)}
    private_modules = {"run_with_reloader"}  # it is public in a private module
    assert (used - ours) | overridden | private_modules == listed


def _attributes(tree: ast.AST, context: type[ast.expr_context]) -> list[str]:
    """Return the private attributes that a module reads or assigns."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [node.attr for node in nodes if isinstance(node.ctx, context) and _is_private(node.attr)]


def _functions(tree: ast.AST) -> list[str]:
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _overridden(module: ModuleType) -> Iterator[str]:
    """Yield the private members of libraries that classes of a module override."""
    for defined in vars(module).values():
        if isinstance(defined, type) and defined.__module__ == module.__name__:
            bases = [base for base in defined.__mro__ if base.__module__.startswith(LIBRARIES)]
            members = [name for base in bases for name in vars(base)]
            yield from filter(_is_private, set(vars(defined)) & set(members))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_untested_version_is_named(caplog: pytest.LogCaptureFixture) -> None:
    installed = {
        "python-engineio": "5.0.0",
        "python-socketio": "5.18.9",
        "Flask-SocketIO": "5.70",
        "gevent": "26.9.0",
    }
    assert compat.untested(installed) == [
        "python-engineio 5.0.0 is untested with this transport: 4.15.x is",
        "Flask-SocketIO 5.70 is untested with this transport: 5.7.x is",
    ]


def test_untested_version_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(compat.TESTED, "python-engineio", "3.0")
    EngineServer()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "python-engineio" in record.getMessage()


def test_handlers_made_before_the_application_are_served() -> None:
    sockets = SocketIO()

    @sockets.on("early")
    def on_early() -> str:
        return "served"

    class Admin(Namespace):  # type: ignore[misc]  # Flask-SocketIO has no types
        def on_who(self) -> list[str]:
            return [request.sid, request.namespace]  # type: ignore[attr-defined]  # added there

    sockets.on_namespace(Admin("/admin"))
    app = Flask("late")
    sockets.init_app(app)
    client = sockets.test_client(app)
    assert client.emit("early", callback=True) == "served"
    admin = sockets.test_client(app, namespace="/admin")
    assert admin.emit("who", callback=True, namespace="/admin")[1] == "/admin"


def test_the_test_client_of_flask_socketio_works() -> None:
    app = Flask("tested")
    sockets = SocketIO(app)

    @sockets.on("echo")
    def on_echo(data: bytes) -> None:
        emit("echoed", data)

    client = sockets.test_client(app)
    assert client.is_connected()
    client.emit("echo", b"\x01")
    assert client.get_received() == [{"name": "echoed", "args": [b"\x01"], "namespace": "/"}]
    client.disconnect()
    assert not client.is_connected()


def test_rooms_and_skipped_clients() -> None:
    with flask_app() as (sockets, port):
        clients = [WebSocketClient(port) for _ in range(3)]
        sids = [json.loads(connect_namespace(client)[2:])["sid"] for client in clients]
        for sid in sids[:2]:
            sockets.server.enter_room(sid, "room")
        sockets.emit("said", 1, to="room", skip_sid=sids[0])
        sockets.emit("said", 2, to=[*sids])
        assert clients[0].next_message() == '42["said",2]'
        assert clients[1].next_message() == '42["said",1]'
        assert clients[2].next_message() == '42["said",2]'
        sockets.close_room("room")
        assert "room" not in sockets.server.manager.rooms["/"]
        for client in clients:
            client.close()


def test_no_upgrade_without_a_socket() -> None:
    engine = EngineServer()
    bodies: list[bytes] = []
    environ = EnvironBuilder("/engine.io/", query_string="EIO=4&transport=polling").get_environ()
    bodies += engine.handle_request(environ, lambda status, headers: None)
    assert b'"upgrades":[]' in bodies[0]
    engine.shutdown()


def test_the_admin_ui_is_refused_in_words() -> None:
    with pytest.raises(NotImplementedError, match="Admin UI"):
        SocketIO(Flask("x")).server.instrument()
