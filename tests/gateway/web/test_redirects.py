from urllib.parse import urljoin

import pytest

from tests.gateway.apps import make_app

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/bikes", "/bikes/ebike-001", "/bikes/a%23b"])
def test_browser_is_redirected_to_dashboard(path: str) -> None:
    answer = make_app().test_client().get(path, headers={"Accept": BROWSER})
    where = urljoin(path, answer.headers["Location"])
    assert (answer.status_code, where) == (302, f"/#{path}")
    assert "Accept" in answer.vary


@pytest.mark.parametrize("accept", ["*/*", "application/json", None])
def test_program_gets_404(accept: str | None) -> None:
    headers = {"Accept": accept} if accept else {}
    answer = make_app().test_client().get("/bikes/ebike-001", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")  # type: ignore[index]  # is JSON
    assert "Accept" in answer.vary


def test_favicon_redirects_to_icon() -> None:
    client = make_app().test_client()
    where = urljoin("/favicon.ico", client.get("/favicon.ico").headers["Location"])
    with client.get(where) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
