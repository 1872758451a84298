"""The checks before every request, on plain WSGI environments."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Response

from gateway.web.request_guards import guard, handshake_check, host_check, origin_check
from shared.errors import BadRequest, Forbidden, Unavailable


def handshake(query: str = "EIO=4", path: str = "/socket.io/") -> dict[str, Any]:
    return {"PATH_INFO": path, "QUERY_STRING": query}


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:5000", "127.0.0.1", "192.168.1.7:80", "[::1]:5000", "Bikes.Example"],
)
def test_own_host_is_allowed(host: str) -> None:
    answer = Response()
    app = guard(answer, [host_check(["bikes.example"])])
    assert Client(app).get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "[::1",
        "127.0.0.1.evil.example",
        "bikes.example.evil",
        "a b",
        "a@localhost",
    ],
)
def test_other_host_is_forbidden(host: str) -> None:
    with pytest.raises(Forbidden):
        host_check(["bikes.example"])({"HTTP_HOST": host})


@pytest.mark.parametrize("environ", [{}, {"HTTP_HOST": ""}])
def test_without_a_host_only_probes_are_answered(environ: dict[str, Any]) -> None:
    check = host_check([])
    for path in ("/healthz", "/readyz"):
        check({**environ, "PATH_INFO": path})
        with pytest.raises(Forbidden, match="evil"):
            check({"HTTP_HOST": "evil.example", "PATH_INFO": path})
    for path in ("/", "/api/v1/devices", "/healthz/", "/socket.io/"):
        with pytest.raises(Forbidden, match="Host: localhost"):
            check({**environ, "PATH_INFO": path})


def test_old_client_is_refused() -> None:
    for query in (
        "EIO=3&sid=abc",
        "EIO=3",
        "EIO=5",
        "EIO=4&sid=abc&EIO=3",
        "EIO=4&%45IO=3&sid=abc",
    ):
        with pytest.raises(BadRequest, match="3 or 4"):
            handshake_check(lambda _: True)(handshake(query))


def test_a_full_gateway_refuses_newcomers_only() -> None:
    check = handshake_check(lambda _: False)
    for query in ("EIO=4", "EIO=4&sid=", "EIO=4&sid", "EIO=4&transport=polling&sid=&x=sid=1"):
        with pytest.raises(Unavailable):
            check(handshake(query))
    check(handshake("EIO=4&sid=abc"))
    check(handshake("", "/api/v1/devices"))


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, True),
        ("http://bikes.example:5000", True),
        ("HTTP://Bikes.Example:5000", True),
        ("https://bikes.example:5000", False),
        ("https://app.example", True),
        ("https://app.example.evil", False),
        ("null", False),
        ("", False),
    ],
)
def test_own_and_listed_origins_are_allowed(origin: str | None, expected: bool) -> None:
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "bikes.example:5000"}
    assert origin_check(["https://App.example"])(origin, environ) is expected


def test_default_port_in_host_header() -> None:
    check = origin_check([])
    assert check("http://a.example", {"wsgi.url_scheme": "http", "HTTP_HOST": "a.example:80"})
    assert not check("http://a.example", {"wsgi.url_scheme": "http", "HTTP_HOST": "a.example:443"})


@pytest.mark.parametrize("origin", ["", "http://", "null"])
def test_no_host_means_no_own_origin(origin: str) -> None:
    assert not origin_check([])(origin, {"wsgi.url_scheme": "http"})


@pytest.mark.parametrize("origin", ["null", "file://", "app://.", "capacitor://localhost"])
def test_app_origin_is_allowed_once_listed(origin: str) -> None:
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "bikes.example:5000"}
    assert origin_check([origin])(origin, environ)
    assert not origin_check(["https://a.example"])(origin, environ)


def answer_of(app: Callable[..., Iterable[bytes]], **environ: Any) -> tuple[str, bytes]:
    """Send a request through an application; returns status and body."""
    said: list[str] = []
    body = app({"REQUEST_METHOD": "GET", **environ}, lambda status, *_rest: said.append(status))
    return said[0], b"".join(body)


def hello(_environ: object, start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def test_allowed_request_reaches_the_application() -> None:
    guarded = guard(hello, [host_check([])])
    assert answer_of(guarded, HTTP_HOST="localhost") == ("200 OK", b"hello")


def test_refusal_skips_later_checks() -> None:
    asked: list[str] = []
    guarded = guard(hello, [host_check([]), lambda _environ: asked.append("second")])
    status, body = answer_of(guarded, HTTP_HOST="evil.example")
    assert (status, asked) == ("403 FORBIDDEN", [])
    assert b'"code": "forbidden"' in body


def test_application_error_reveals_nothing() -> None:
    def broken(_environ: object, _start_response: object) -> Iterable[bytes]:
        raise ZeroDivisionError("a secret")

    status, body = answer_of(guard(broken, []), PATH_INFO="/")
    assert status == "500 INTERNAL SERVER ERROR"
    assert b"secret" not in body


def test_client_that_left_is_no_error() -> None:
    def gone(_environ: object, _start_response: object) -> Iterable[bytes]:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        answer_of(guard(gone, []))


def test_fault_in_a_streamed_answer_cuts_it() -> None:
    def stream(_environ: object, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        raise ZeroDivisionError

    parts = iter(guard(stream, [])({"PATH_INFO": "/"}, lambda *_: lambda _: None))
    assert next(parts) == b"begun"
    with pytest.raises(ConnectionResetError):
        next(parts)


def test_streamed_answer_that_nobody_reads_is_closed() -> None:
    closed = []
    answer = Response(iter([b"a", b"b"]))
    answer.call_on_close(lambda: closed.append(True))
    parts: Any = guard(answer, [])(EnvironBuilder().get_environ(), lambda *_: lambda _: None)
    parts.close()
    assert closed == [True]
