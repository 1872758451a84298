"""How long one request holds the loop, with as many bikes and readings as the documents allow.

What counts is the CPU time between two calls of ``give_way``, as a multiple of a fixed piece of
work, so that a slow machine measures itself, too.
"""

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.app import load_templates
from gateway.fanout.subscription import NAMES_MAX, Subscribe, Unsubscribe, parse_subscribe
from gateway.hub import Hub
from gateway.transport.event_loop import timeslice
from tests.gateway.apps import EPOCH, gateway_of, make_app, publish

BIKES, READINGS = 10_000, 30_000
UNITS_MAX = 20
"""A unit is about 1 ms; the longest pieces have five, and other tests run beside this one. Before,
a list of all bikes was 200."""
SPAN = "/api/v1/devices/bike-0/readings?from_ms=0"
VALUES: dict[str, Any] = {
    "power_w": 110.5,
    "latitude_deg": 48.1,
    "longitude_deg": 11.5,
    "odometer_km": 123.4,
}


class Pieces:
    """The CPU time of each piece of work."""

    def __init__(self) -> None:
        self.began_s = time.thread_time()
        self.longest_s = 0.0
        self.count = 0

    def end(self, *, is_light: bool = False) -> None:  # as give_way is called
        self.longest_s = max(self.longest_s, time.thread_time() - self.began_s)
        self.count += 1
        self.began_s = time.thread_time()

    @property
    def longest_units(self) -> float:
        """The longest piece so far, the one that ends now included."""
        self.end()
        return self.longest_s / unit_s()


def unit_s() -> float:
    """Measure a fixed piece of work, twice as long on a machine half as fast."""
    took_s = []
    for _ in range(5):
        began_s = time.thread_time()
        sum(number * number for number in range(20_000))
        took_s.append(time.thread_time() - began_s)
    return sorted(took_s)[2]


@pytest.fixture(scope="module")
def hub_and_client() -> Iterator[tuple[Hub, FlaskClient]]:
    app = make_app(SPOKE_MAX_DEVICES=str(BIKES), SPOKE_HISTORY_READINGS=str(READINGS))
    load_templates(app)
    hub = gateway_of(app).hub
    for number in range(BIKES):
        publish(hub, f"bike-{number}", range(1, 3), **VALUES)
    publish(hub, "bike-0", range(3, READINGS), **VALUES)
    gc.collect()
    gc.disable()
    yield hub, app.test_client()
    gc.enable()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch, hub_and_client: object) -> Pieces:
    made = Pieces()
    for module in ("gateway.web.api", "gateway.web.page_formats", "gateway.web.reading_pages"):
        monkeypatch.setattr(f"{module}.give_way", made.end)
    monkeypatch.setattr(timeslice, "give_way", made.end)
    return made


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/devices",
        "/api/v1/devices/bike-0",
        "/readyz",
        "/",
        "/docs",
        "/asyncapi.json",
        "/openapi.json",
        "/api/v1/devices/bike-0/readings?limit=5000",
        f"{SPAN}&limit=5000",
        f"{SPAN}&max_points=10000",
        f"{SPAN}&max_points=10",
        f"{SPAN}&format=csv&times=utc",
        f"{SPAN}&max_points=10000&format=csv",
        f"/api/v1/devices/bike-0/readings?from_ms={2**52}&max_points=10",
    ],
)
def test_http(hub_and_client: tuple[Hub, FlaskClient], pieces: Pieces, address: str) -> None:
    _, client = hub_and_client
    pieces.began_s = time.thread_time()
    for part in client.get(address, buffered=False).iter_encoded():
        assert len(part) < 300_000
        pieces.end()  # the server lets others run while it sends
    assert pieces.longest_units < UNITS_MAX, address


def test_subscriptions(hub_and_client: tuple[Hub, FlaskClient], pieces: Pieces) -> None:
    hub, _ = hub_and_client
    client = Taker()
    hub.connect("client", client)
    cursors = {f"bike-{number}": f"{EPOCH}-1" for number in range(BIKES)}

    def add(*names: str, rate_hz: float | None = None) -> None:
        hub.subscribe("client", Subscribe(names, not names, {}, rate_hz), pieces.end)

    def end(*names: str) -> None:
        hub.unsubscribe("client", Unsubscribe(names, not names))

    changes: list[tuple[str, Callable[[], None]]] = [
        ("*", add),
        ("* again", add),
        ("a name", lambda: add("bike-1")),
        ("end of a name", lambda: end("bike-1")),
        ("rate", lambda: add(rate_hz=10.0)),
        ("end of *", end),
        ("names", lambda: add(*(f"bike-{number}" for number in range(NAMES_MAX)))),
        ("end of names", end),
        ("cursors", lambda: resume(hub, cursors, pieces)),
    ]
    for what, change in changes:
        pieces.began_s, pieces.longest_s = time.thread_time(), 0.0
        change()
        pieces.end()
        assert pieces.longest_units < UNITS_MAX, f"subscribe {what}"
        while hub.fanout.has_due("client"):
            pieces.began_s = time.thread_time()
            hub.fanout.take("client", hub.now())
            pieces.end()
        assert pieces.longest_units < UNITS_MAX, f"what follows {what}"
    hub.disconnect("client")


def test_change_of_all_statuses(hub_and_client: tuple[Hub, FlaskClient], pieces: Pieces) -> None:
    hub, _ = hub_and_client
    hub.connect("client", Taker())
    hub.subscribe("client", Subscribe((), everything=True))
    while hub.fanout.has_due("client"):
        hub.fanout.take("client", hub.now())
    for device in hub.devices:
        hub.devices.audience.note_status(device.device_id)
    while hub.fanout.has_due("client"):
        pieces.began_s = time.thread_time()
        hub.fanout.take("client", hub.now())
        pieces.end()
    assert pieces.longest_units < UNITS_MAX, "statuses"
    hub.disconnect("client")


def resume(hub: Hub, cursors: dict[str, str], pieces: Pieces) -> None:
    request = parse_subscribe({"devices": "*", "since": cursors}, pieces.end)
    hub.subscribe("client", request, pieces.end)


class Taker:
    """A connection that takes everything."""

    transport, writable, taken_bytes, link = "polling", True, 0, None

    def wake_poll(self) -> None:
        """Be asked by take() instead."""

    def send_frames(self, data: bytes) -> None:
        """Take it."""

    def close_transport(self) -> None:
        """Never happens."""
