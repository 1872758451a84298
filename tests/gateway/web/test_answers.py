"""The memory budget of HTTP answers, and the order of waiting requests."""

from functools import partial

import gevent
import pytest
from werkzeug.test import TestResponse

from gateway.web.answers import AnswerBudget
from gateway.web.page import PAGE_BYTES_MAX
from shared.errors import Unavailable
from tests.gateway.apps import gateway_of, make_app, publish
from tests.timing import scaled_s

READINGS = "/api/v1/devices/a/readings"


def test_request_waits_for_its_turn() -> None:
    budget = AnswerBudget(100, wait_s=scaled_s(10))
    first = budget.reserve(80)
    large = gevent.spawn(budget.reserve, 90)
    small = gevent.spawn(budget.reserve, 10)
    gevent.idle()
    assert not large.ready()
    assert not small.ready(), "the small one overtook"
    first.release()
    assert large.get(timeout=scaled_s(5)).size_bytes == 90
    assert small.get(timeout=scaled_s(5)).size_bytes == 10
    assert budget._queue.free == 0


def test_address_that_holds_least_goes_first() -> None:
    budget = AnswerBudget(100, wait_s=scaled_s(10))
    first = budget.reserve(80, "a")
    again = gevent.spawn(budget.reserve, 60, "a")
    newcomer = gevent.spawn(budget.reserve, 60, "b")
    gevent.idle()
    first.shrink_to(40)
    given = newcomer.get(timeout=scaled_s(5))
    assert given.holder == "b"
    assert not again.ready()
    first.release()
    given.release()
    assert again.get(timeout=scaled_s(5)).holder == "a"


def test_request_that_waits_too_long_is_refused() -> None:
    budget = AnswerBudget(100, wait_s=0.01)
    first = budget.reserve(100)
    with pytest.raises(Unavailable):
        budget.reserve(1)
    first.shrink_to(40)
    assert budget.reserve(60).size_bytes == 60
    first.release()
    first.release()
    assert budget._queue.free == 40


def test_killed_request_leaves_the_queue() -> None:
    budget = AnswerBudget(100)
    first = budget.reserve(100)
    waiting = gevent.spawn(budget.reserve, 50)
    gevent.idle()
    waiting.kill()
    first.release()
    assert budget._queue.free == 100


@pytest.mark.parametrize("form", ["", "&format=csv", "&format=csv&from_ms=0"])
def test_unread_answers_use_bounded_memory(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    small = partial(AnswerBudget, 2 * PAGE_BYTES_MAX, 0.01)
    monkeypatch.setattr("gateway.web.reading_pages.AnswerBudget", small)
    app = make_app()
    hub, client = gateway_of(app).hub, app.test_client()
    publish(hub, "a", range(1, 5_001), extra={f"key_{n}": "x" * 64 for n in range(16)})
    url = f"{READINGS}?limit=5000{form}"
    kept, statuses = [], []
    for _ in range(5):
        answer = client.get(url, buffered=False)
        kept.append(answer)
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 503, 503, 503]
    for answer in kept:
        answer.close()
    assert client.get(url, buffered=True).status_code == 200


def test_memory_goes_to_least_loaded_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_answers = partial(AnswerBudget, 2 * PAGE_BYTES_MAX, scaled_s(20))
    monkeypatch.setattr("gateway.web.reading_pages.AnswerBudget", two_answers)
    app = make_app(SPOKE_TRUSTED_PROXIES="127.0.0.1")
    publish(
        gateway_of(app).hub, "a", range(1, 5_001), extra={f"k_{n}": "x" * 64 for n in range(16)}
    )
    served: list[str] = []

    def ask(address: str) -> TestResponse:
        url, headers = f"{READINGS}?limit=5000", {"X-Forwarded-For": address}
        answer = app.test_client().get(url, headers=headers, buffered=False)
        served.append(address)
        return answer

    first, second = ask("192.0.2.1"), ask("192.0.2.1")
    asking = [gevent.spawn(ask, address) for address in ("192.0.2.1", "192.0.2.2")]
    gevent.idle()
    assert served == ["192.0.2.1"] * 2
    first.close()
    asking[1].get(timeout=scaled_s(10)).close()
    asking[0].get(timeout=scaled_s(10)).close()
    second.close()
    assert served[2:] == ["192.0.2.2", "192.0.2.1"]


@pytest.mark.parametrize("form", ["", "&format=csv", "&format=csv&limit=10", "&max_points=100"])
def test_head_does_no_work(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    app = make_app()
    publish(gateway_of(app).hub, "a", range(1, 300))
    client = app.test_client()
    url = f"{READINGS}?from_ms=0{form}"
    kind = client.get(url, buffered=True).content_type
    monkeypatch.setattr("gateway.web.reading_pages.PageBuilder.begin", lambda *_: 1 / 0)
    answer = client.head(url)
    assert (answer.status_code, answer.content_type, answer.data) == (200, kind, b"")
