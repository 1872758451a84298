"""Requests that a page of another site makes the browser send, with the headers of browsers."""

import pytest

from gateway.web.foreign_pages import foreign_page_check
from shared.errors import Forbidden

SESSION, DATA, PAGE = "/socket.io/", "/api/v1/devices", "/"


def environ(path: str, site: str, mode: str = "no-cors", **more: str) -> dict[str, str]:
    fetch = {"HTTP_SEC_FETCH_SITE": site, "HTTP_SEC_FETCH_MODE": mode}
    return {"PATH_INFO": path, **fetch, **more}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("path", "mode"),
    [(SESSION, "no-cors"), (SESSION, "navigate"), (DATA, "no-cors"), (DATA, "websocket")],
)
def test_foreign_page_without_origin_is_refused(path: str, mode: str, site: str) -> None:
    assert is_refused(environ(path, site, mode))


@pytest.mark.parametrize(
    "asked",
    [
        environ(SESSION, "same-origin", "cors"),
        environ(SESSION, "none", "navigate"),
        environ(SESSION, "cross-site", "cors", HTTP_ORIGIN="https://app.example"),
        environ(DATA, "cross-site", "navigate"),
        environ(PAGE, "cross-site", "navigate"),
        environ("/static/icon.svg", "cross-site"),
        {"PATH_INFO": SESSION},
        {"PATH_INFO": DATA},
    ],
)
def test_others_are_not(asked: dict[str, str]) -> None:
    assert not is_refused(asked)


def is_refused(asked: dict[str, str]) -> bool:
    try:
        foreign_page_check(asked)
    except Forbidden:
        return True
    return False
