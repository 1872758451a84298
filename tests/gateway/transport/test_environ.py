"""The request that opened a connection, kept small."""

import io
import tracemalloc
from sys import intern
from typing import Any

from gateway.transport.socketio.environ import ConnectionEnviron, KeptEnviron, SharedNames


def environ(port: int = 1) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "EIO=4",
        "REMOTE_PORT": str(port),
        "HTTP_USER_AGENT": "".join(["Mozilla/5.0 ", "x" * 100]),
        "HTTP_ACCEPT": "".join(["text/html", "," * 60]),
        "wsgi.input": io.BytesIO(b"a buffer of the web server"),
        "gunicorn.socket": object(),
    }


def test_environ_without_web_server_entries() -> None:
    seen = ConnectionEnviron(KeptEnviron(environ(), SharedNames()))
    assert seen["QUERY_STRING"] == "EIO=4"
    assert seen["wsgi.input"].read() == b""
    assert "gunicorn.socket" not in seen


def test_added_entries_last_without_request_object() -> None:
    kept = KeptEnviron(environ(), SharedNames())
    first = ConnectionEnviron(kept)
    first["saved_session"] = {"n": 1}
    first["REMOTE_USER"] = "anna"
    first["werkzeug.request"] = object()
    second = ConnectionEnviron(kept)
    assert second["saved_session"] is first["saved_session"]
    assert second["REMOTE_USER"] == "anna"
    assert "werkzeug.request" not in second


def test_equal_headers_are_kept_once() -> None:
    names = SharedNames()
    KeptEnviron(environ(), names)
    ports = [intern(str(port)) for port in range(1000)]  # their table may grow by 2 MB: not below
    tracemalloc.start()
    kept = [KeptEnviron(environ(port), names) for port in range(len(ports))]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(kept) < 400


def test_invented_headers_are_bounded() -> None:
    names = SharedNames()
    for number in range(10_000):
        names.share((f"HTTP_X_{number}",))
    assert len(names._known) <= SharedNames.MAX_KINDS
