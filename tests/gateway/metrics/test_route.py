"""The route of the metrics: for whom it answers, and what it tells."""

import re

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway.domain import Now
from gateway.hub import Hub
from gateway.metrics.collector import GatewayCollector
from gateway.metrics.measured import AT_ONCE, measure
from shared.errors import BadMessage
from tests.gateway.apps import gateway_of, make_app, publish

HERE, ELSEWHERE = "127.0.0.1", "10.0.0.7"
FORWARDED = "X-Forwarded-For"


def samples(text: str) -> dict[str, float]:
    """Return each sample of a scrape by its name and labels, as Prometheus writes them."""
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: FlaskClient, peer: str = HERE, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.get("/metrics", headers=named, environ_overrides={"REMOTE_ADDR": peer})
    return answer.status_code, answer.text


@pytest.mark.parametrize("peer", [HERE, "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_answer_for_this_machine(peer: str) -> None:
    status, text = scrape(make_app().test_client(), peer)
    assert status == 200
    assert "spoke_readings_total" in text


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        (ELSEWHERE, {}),
        ("", {}),
        (ELSEWHERE, {"X_Forwarded_For": HERE}),
        (HERE, {"X_Forwarded_For": ELSEWHERE}),
        (HERE, {"X_Forwarded_For": HERE}),
        (HERE, {"Forwarded": f"for={ELSEWHERE}"}),
    ],
)
def test_no_answer_for_others(peer: str, headers: dict[str, str]) -> None:
    status, text = scrape(make_app().test_client(), peer, **headers)
    assert status == 403
    assert "SPOKE_METRICS=yes" in text


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (HERE, 200),
        (ELSEWHERE, 403),
        (f"{HERE}, {ELSEWHERE}", 403),
        (f"{ELSEWHERE}, {HERE}", 403),
        ("unknown", 403),
        ("", 403),
    ],
)
def test_address_behind_a_trusted_proxy(forwarded: str, status: int) -> None:
    client = make_app(SPOKE_TRUSTED_PROXIES=HERE).test_client()
    assert scrape(client, HERE, X_Forwarded_For=forwarded)[0] == status


def test_answer_for_everybody() -> None:
    client = make_app(SPOKE_METRICS="yes").test_client()
    assert scrape(client, ELSEWHERE)[0] == 200


def test_readings_and_losses_are_counted() -> None:
    app = make_app()
    hub = gateway_of(app).hub
    publish(hub, "bike-a", range(1, 11))
    publish(hub, "bike-a", range(10, 11))
    publish(hub, "bike-a", range(15, 16))
    hub.devices.refuse(BadMessage("bad_json", "?", device_id="bike-a"), hub.now())
    later = Now(hub.now().monotonic_s + 60, 0)
    hub.devices.tick(later, everyone=True)
    _status, text = scrape(app.test_client())
    found = samples(text)
    assert found["spoke_readings_total[live]"] == 11
    assert found["spoke_readings_repeated_total"] == 1
    assert found["spoke_messages_refused_total[bad_json]"] == 1
    assert found["spoke_gaps_total[not_recovered]"] == 1
    assert found["spoke_readings_lost_total[not_recovered]"] == 4
    assert found["spoke_ring_depth_seconds[max]"] == 14
    assert found["spoke_devices[offline]"] == 1
    assert "bike-a" not in text


def test_every_value_of_a_label_is_a_word_of_the_code() -> None:
    app = make_app()
    publish(gateway_of(app).hub, "secret-1", range(1, 3))
    _status, text = scrape(app.test_client())
    values = set(re.findall(r'="([^"]*)"', text))
    assert [value for value in values if not re.fullmatch(r"[a-z_]+|[0-9.]+", value)] == []


def test_scrapes_share_an_answer_for_a_moment() -> None:
    app = make_app()
    client = app.test_client()
    before = scrape(client)
    publish(gateway_of(app).hub, "a", range(1, 3))
    assert scrape(client) == before


def test_devices_are_measured_in_pieces() -> None:
    hub: Hub = gateway_of(make_app()).hub
    for number in range(AT_ONCE + 1):
        publish(hub, f"bike-{number}", range(1, 2))
    pauses = [0]

    def pause() -> None:
        pauses[0] += 1

    assert measure(hub, pause).online == AT_ONCE + 1
    assert pauses[0] == 2


def test_redis_is_shown_where_it_is_used() -> None:
    class Away:
        is_up = False

    parts = gateway_of(make_app()).counted
    registry = CollectorRegistry()
    registry.register(GatewayCollector(parts))
    assert registry.get_sample_value("spoke_redis_up") is None
    parts.redis = Away()
    assert registry.get_sample_value("spoke_redis_up") == 0
