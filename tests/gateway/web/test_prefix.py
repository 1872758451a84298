"""Which prefix a request has, and what the gateway's answers do with it."""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import urljoin

import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from gateway.transport import TrustedProxies
from gateway.web.prefix import PREFIX, serve_below
from tests.gateway.apps import gateway_of, make_app, publish

Ask: TypeAlias = Callable[[str], TestResponse]
HTML = {"Accept": "text/html"}
CSV = "/api/v1/devices/a/readings?format=csv&limit=2"


def place(path: str, base: str = "", header: str | None = None, mount: str = "") -> tuple[str, ...]:
    """Return prefix, ``SCRIPT_NAME`` and ``PATH_INFO`` that the gateway sees."""
    seen: list[tuple[str, ...]] = []

    def app(environ: dict[str, Any], _start: object) -> list[bytes]:
        seen.append((environ[PREFIX], environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        return []

    environ = {"PATH_INFO": path, "SCRIPT_NAME": mount, "REMOTE_ADDR": "10.0.0.1"}
    if header is not None:
        environ["HTTP_X_FORWARDED_PREFIX"] = header
    serve_below(app, base, TrustedProxies(["10.0.0.1"]), ["api", "static"])(environ, None)  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize(
    ("path", "base", "header", "mount", "placed"),
    [
        ("/docs", "", None, "", ("", "", "/docs")),
        # a proxy that removes the prefix, and one that does not
        ("/docs", "/spoke", None, "", ("/spoke", "/spoke", "/docs")),
        ("/spoke/docs", "/spoke", None, "", ("/spoke", "/spoke", "/docs")),
        ("/docs", "", "/spoke/", "", ("/spoke", "/spoke", "/docs")),
        ("/spoke/docs", "", "/spoke", "", ("/spoke", "/spoke", "/docs")),
        ("/spokes/docs", "/spoke", None, "", ("/spoke", "/spoke", "/spokes/docs")),
        # the header is nearer to the truth than the setting
        ("/docs", "/spoke", "/other", "", ("/other", "/other", "/docs")),
        ("/docs", "/spoke", "/", "", ("", "", "/docs")),
        ("/docs", "", "/outer, /inner", "", ("/outer/inner", "/outer/inner", "/docs")),
        # encoded
        ("/a b/docs", "/a%20b", None, "", ("/a%20b", "/a b", "/docs")),
        ("/r\xc3\xa4der/docs", "", "/r%c3%a4der", "", ("/r%c3%a4der", "/r\xc3\xa4der", "/docs")),
        ("/docs", "", "/r\xc3\xa4der", "", ("/r%C3%A4der", "/r\xc3\xa4der", "/docs")),
        # mounted in another application, which a proxy may serve below a prefix of its own
        ("/docs", "", None, "/a b", ("/a%20b", "/a b", "/docs")),
        ("/docs", "", "/outer", "/spoke", ("/outer/spoke", "/outer/spoke", "/docs")),
        ("/docs", "", "/outer", "/outer/spoke", ("/outer/spoke", "/outer/spoke", "/docs")),
        ("/spoke/docs", "/spoke", None, "/spoke", ("/spoke", "/spoke", "/spoke/docs")),
        # a path of the gateway may begin like its prefix
        ("/api/v1/devices", "", "/api", "", ("/api", "/api", "/api/v1/devices")),
        # more than one slash in front
        ("//docs", "", "/spoke", "", ("/spoke", "/spoke", "/docs")),
        ("/spoke//docs", "/spoke", None, "", ("/spoke", "/spoke", "/docs")),
        ("//docs", "", None, "/spoke", ("/spoke", "/spoke", "/docs")),
        # a header that names no prefix
        ("/docs", "/spoke", "//evil.org", "", ("/spoke", "/spoke", "/docs")),
        ("/docs", "/spoke", "evil", "", ("/spoke", "/spoke", "/docs")),
        ("/docs", "/spoke", "/a" * 1_000, "", ("/spoke", "/spoke", "/docs")),
    ],
)
def test_prefix_of_a_request(
    path: str, base: str, header: str | None, mount: str, placed: tuple[str, ...]
) -> None:
    assert place(path, base, header, mount) == placed


def test_stranger_names_no_prefix() -> None:
    client = make_app(SPOKE_TRUSTED_PROXIES="10.0.0.1").test_client()
    headers = {**HTML, "X-Forwarded-Prefix": "/evil"}
    assert "evil" not in client.get("/", headers=headers).text


def mounted(app: Flask) -> Client:
    return Client(DispatcherMiddleware(Flask("other"), {"/my bikes/spoke": app}))


def below(way: str) -> tuple[Flask, str, Client]:
    """Return a gateway below ``/my%20bikes/spoke``, the prefix to send to it, and a client."""
    prefix = "/my%20bikes/spoke"
    if way == "mounted":
        app = make_app()
        return app, prefix, mounted(app)
    app = make_app(SPOKE_BASE_PATH=prefix)
    return app, prefix if way == "kept" else "", app.test_client()


@pytest.fixture(params=["removed", "kept", "mounted"])
def ask(request: pytest.FixtureRequest) -> Ask:
    app, sent, client = below(request.param)
    publish(gateway_of(app).hub, "a", range(1, 6))

    def get(path: str) -> TestResponse:
        return client.get(sent + path, headers=HTML)

    return get


def test_every_answer_stays_below(ask: Ask) -> None:
    prefix = "/my%20bikes/spoke"
    for page in ("/", "/docs"):
        text = ask(page).text
        links = re.findall(r'(?:href|src)="([^"#]+)"', text)
        assert len(links) > 3
        assert [link for link in links if not link.startswith(f"{prefix}/")] == []
    assert ask("/bikes/a").headers["Location"] == f"{prefix}/#/bikes/a"
    assert ask("/favicon.ico").headers["Location"] == f"{prefix}/static/favicon.svg"
    assert ask(CSV).headers["Link"].startswith(f"<{prefix}/api/v1/devices/a/readings?since=")
    server = json.loads(ask("/openapi.json").text)["servers"][0]["url"]
    assert urljoin(f"http://x{prefix}/openapi.json", server) == f"http://x{prefix}/"
    assert ask("/api//v1/devices").status_code == 404  # no redirect


@pytest.mark.parametrize("way", ["kept", "mounted"])
def test_prefix_without_slash_redirects(way: str) -> None:
    _app, prefix, client = below(way)
    answer = client.get(f"{prefix}?a=b")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{prefix}/?a=b")


@pytest.mark.parametrize("path", ["/", "/docs", "/bikes", "/bikes/a", "/favicon.ico"])
def test_without_any_prefix_urls_are_relative(path: str) -> None:
    answer = make_app().test_client().get(path, headers=HTML)
    links = re.findall(r'(?:href|src)="([^"#]+)"', answer.text) + answer.headers.getlist("Location")
    assert links
    assert [link for link in links if not urljoin(f"/a/b{path}", link).startswith("/a/b/")] == []
    assert [link for link in links if link.startswith("/")] == []
