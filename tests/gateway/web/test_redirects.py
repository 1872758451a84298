import pytest

from tests.gateway.apps import make_app

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/bikes", "/bikes/ebike-001", "/bikes/a%23b"])
def test_a_browser_without_the_hash_is_led_to_the_page(path: str) -> None:
    answer = make_app().test_client().get(path, headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/#{path}")
    assert "Accept" in answer.vary


@pytest.mark.parametrize("accept", ["*/*", "application/json", None])
def test_a_program_is_told_that_there_is_nothing(accept: str | None) -> None:
    headers = {"Accept": accept} if accept else {}
    answer = make_app().test_client().get("/bikes/ebike-001", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")  # type: ignore[index]  # is JSON
    assert "Accept" in answer.vary


def test_the_icon_that_browsers_guess_is_the_one_there_is() -> None:
    client = make_app().test_client()
    where = client.get("/favicon.ico").headers["Location"]
    with client.get(where) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
