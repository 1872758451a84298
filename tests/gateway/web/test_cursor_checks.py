"""Every cursor has an answer over HTTP: readings, a gap with its reason, or word to ask again."""

from typing import Any

import gevent
import pytest
from flask.testing import FlaskClient

from gateway.domain import Now
from gateway.fanout.backlog import UNKNOWN_CURSOR_S
from gateway.hub import Hub
from gateway.web import journal_reader
from shared.reading import CheckedReading, Reading, Status
from tests.gateway.apps import EPOCH, gateway_of, make_app, publish
from tests.timing import scaled_s

READINGS = "/api/v1/devices/a/readings"
BOOT_COUNTER = 5
RING = 50


@pytest.fixture
def hub_and_client(monkeypatch: pytest.MonkeyPatch) -> tuple[Hub, FlaskClient]:
    """Give a gateway for one device, whose requests wait for a moment only."""
    monkeypatch.setattr(journal_reader, "DEADLINE_S", 0.05)
    app = make_app(SPOKE_HISTORY_READINGS=str(RING), SPOKE_MAX_DEVICES="1")
    return gateway_of(app).hub, app.test_client()


@pytest.fixture
def hub(hub_and_client: tuple[Hub, FlaskClient]) -> Hub:
    return hub_and_client[0]


@pytest.fixture
def client(hub_and_client: tuple[Hub, FlaskClient]) -> FlaskClient:
    return hub_and_client[1]


def read(client: FlaskClient, query: str) -> Any:
    answer = client.get(f"{READINGS}?{query}")
    assert answer.status_code == 200
    return answer.json


def positions(page: Any) -> list[tuple[int, int]]:
    return [(reading["epoch"], reading["seq"]) for reading in page["readings"]]


def reasons(page: Any) -> list[str]:
    return [gap["reason"] for gap in page["gaps"]]


def later(hub: Hub, seconds: float) -> Now:
    """Return a time after now."""
    now = hub.now()
    return Now(now.monotonic_s + seconds, now.wall_ms + int(seconds * 1000))


def go_back(hub: Hub, count: int, epoch: int = BOOT_COUNTER) -> None:
    """Let the device begin an older epoch, and be believed."""
    for seq in range(1, count + 1):
        reading = Reading("a", epoch, seq, 1_700_000_000_000 + seq, 20.0)
        hub.devices.receive(CheckedReading(reading, (), ()), later(hub, 20))


@pytest.mark.parametrize("form", ["", "&limit=2", "&from_ms=0", "&from_ms=0&limit=3"])
def test_following_next_across_epoch_back(hub: Hub, client: FlaskClient, form: str) -> None:
    publish(hub, "a", range(1, 11))
    cursor = read(client, f"since={EPOCH}-8{form}")["next"]
    cursor = read(client, f"since={cursor}{form}")["next"]
    assert cursor == f"{EPOCH}-10"
    go_back(hub, 7)
    page = read(client, f"since={cursor}{form}")
    assert reasons(page) == ["epoch_back"]
    told = page["gaps"][0]
    assert (told["after"], told["before"], told["lost"]) == (cursor, f"{BOOT_COUNTER}-1", None)
    found = []
    while page["readings"]:
        found += positions(page)
        page = read(client, f"since={page['next']}{form}")
        assert page["gaps"] == []
    assert found == [(BOOT_COUNTER, seq) for seq in range(1, 8)]
    assert page["next"] == f"{BOOT_COUNTER}-7"


def test_next_of_empty_span(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    go_back(hub, 7)
    page = read(client, f"since={EPOCH}-10&from_ms={2**50}")
    assert (page["readings"], reasons(page)) == ([], ["epoch_back"])
    assert page["next"] == f"{BOOT_COUNTER}-0"


@pytest.mark.parametrize("form", ["", "from_ms=0", "max_points=100", "limit=100"])
def test_newest_readings_after_epoch_back(hub: Hub, client: FlaskClient, form: str) -> None:
    publish(hub, "a", range(1, 11))
    go_back(hub, 3)
    page = read(client, form)
    assert positions(page) == [(BOOT_COUNTER, seq) for seq in (1, 2, 3)]
    assert page["next"] == f"{BOOT_COUNTER}-3"
    assert client.get(f"{READINGS}?{form}&format=csv").text.count("\r\n") == 4


def test_csv_header_names_the_reset(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    go_back(hub, 3)
    answer = client.get(f"{READINGS}?since={EPOCH}-10&format=csv")
    assert answer.headers["Spoke-Reset"] == "epoch_back"
    assert answer.text.count("\r\n") == 4
    assert f"since={BOOT_COUNTER}-3" in answer.headers["Link"]
    assert "Spoke-Reset" not in client.get(f"{READINGS}?format=csv").headers


@pytest.mark.parametrize("since", [f"{EPOCH}-11", f"{EPOCH}-{2**53 - 1}", f"{EPOCH + 7}-3"])
def test_cursor_that_no_device_reaches_is_unknown(
    hub: Hub, client: FlaskClient, since: str
) -> None:
    publish(hub, "a", range(1, 11))
    page = read(client, f"since={since}")
    assert reasons(page) == ["unknown_cursor"]
    assert (page["gaps"][0]["after"], page["gaps"][0]["lost"]) == (since, None)
    assert positions(page) == [(EPOCH, seq) for seq in range(1, 11)]
    assert (page["next"], "incomplete" in page) == (f"{EPOCH}-10", False)


def test_cursor_just_ahead_is_waited_for(
    hub: Hub, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "DEADLINE_S", scaled_s(10))
    publish(hub, "a", range(1, 11))
    reader = gevent.spawn(read, client, f"since={EPOCH}-11")
    gevent.idle()
    publish(hub, "a", range(11, 13))
    page = reader.get(timeout=scaled_s(10))
    assert (positions(page), page["gaps"]) == ([(EPOCH, 12)], [])


def test_position_under_repair_is_incomplete(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    publish(hub, "a", range(12, 15))
    page = read(client, f"since={EPOCH}-13")
    assert (page["readings"], page["gaps"], page["next"]) == ([], [], f"{EPOCH}-13")
    assert page["incomplete"] is True


def test_silent_device_may_be_ahead(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    hub.devices.receive(Status("a", EPOCH, 10, 1, "stopping", 1_000), hub.now())
    page = read(client, f"since={EPOCH}-11")
    assert (page["readings"], page["gaps"], page["next"]) == ([], [], f"{EPOCH}-11")
    assert page["incomplete"] is True
    refused = client.get(f"{READINGS}?since={EPOCH}-11&format=csv")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    far_off = later(hub, UNKNOWN_CURSOR_S)
    hub._clock = lambda: far_off
    page = read(client, f"since={EPOCH}-11")
    assert (reasons(page), page["next"]) == (["unknown_cursor"], f"{EPOCH}-10")
    assert len(page["readings"]) == 10


def test_device_with_only_refused_readings(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 2), epoch=2**50)
    page = read(client, f"since={EPOCH}-11")
    assert (page["readings"], page["next"]) == ([], f"{EPOCH}-11")
    assert page["incomplete"] is True


def test_evicted_device_differs_from_unknown(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    publish(hub, "b", range(1, 2))
    gone = client.get(f"{READINGS}?since={EPOCH}-10")
    assert (gone.status_code, gone.json["code"]) == (404, "unknown_device")  # type: ignore[index]  # JSON
    assert "evicted" in gone.json["detail"]  # type: ignore[index]  # JSON
    publish(hub, "a", range(1, 4), epoch=BOOT_COUNTER)
    page = read(client, f"since={EPOCH}-10")
    assert reasons(page) == ["unknown_cursor"]
    assert positions(page) == [(BOOT_COUNTER, seq) for seq in (1, 2, 3)]


def test_pages_from_any_cursor_end_at_head(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    go_back(hub, 4, epoch=50)
    hub.devices.tick(later(hub, 60), everyone=True)
    for seq in range(1, 2 * RING):
        reading = Reading("a", 60, seq, 1_700_000_000_000, 20.0)
        hub.devices.receive(CheckedReading(reading, (), ()), later(hub, 60))
    hub.devices.tick(later(hub, 120), everyone=True)
    hub.devices.receive(CheckedReading(reading, (), ()), later(hub, 120))
    head = hub.devices.get("a").feed.head  # type: ignore[union-attr]  # heard above
    epochs, seqs = (0, 5, 50, 55, 60, 61, EPOCH, EPOCH + 1), (0, 1, 4, 60, 99, 100)
    for since in (f"{epoch}-{seq}" for epoch in epochs for seq in seqs):
        page = read(client, f"since={since}&limit=40")
        assert page["next"] != since or since == str(head), since
        while page["readings"]:
            page = read(client, f"since={page['next']}&limit=40")
        assert (page["next"], "incomplete" in page) == (str(head), False), since


def test_loss_between_pages_of_span(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    page = read(client, "from_ms=0&limit=5")
    publish(hub, "a", range(11, 11 + RING))
    page = read(client, f"from_ms=0&limit=5&since={page['next']}")
    assert reasons(page) == ["expired"]
    assert (page["gaps"][0]["after"], page["gaps"][0]["before"]) == (f"{EPOCH}-5", f"{EPOCH}-11")
    assert positions(page)[0] == (EPOCH, 11)


def test_file_breaks_off_after_loss() -> None:
    app = make_app(SPOKE_HISTORY_READINGS="600")
    hub = gateway_of(app).hub
    publish(hub, "a", range(1, 601))
    answer = app.test_client().get(f"{READINGS}?from_ms=0&format=csv", buffered=False)
    parts = answer.iter_encoded()
    next(parts)
    publish(hub, "a", range(601, 1_001))
    with pytest.raises(ConnectionResetError, match="lost while"):
        list(parts)


def test_file_breaks_off_after_epoch_back(hub: Hub, client: FlaskClient) -> None:
    hub.devices.limits = hub.devices.limits._replace(readings=1_000)
    publish(hub, "a", range(1, 600))
    parts = client.get(f"{READINGS}?from_ms=0&format=csv", buffered=False).iter_encoded()
    next(parts)
    go_back(hub, 7)
    with pytest.raises(ConnectionResetError, match="went back"):
        list(parts)
