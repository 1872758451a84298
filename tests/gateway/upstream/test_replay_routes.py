"""Which replay endpoint is asked for which device."""

from gateway.upstream.replay_routes import (
    CLAIM_S,
    CLAIMS_A_DEVICE_MAX,
    OFFER_WAIT_S,
    ReplayRoutes,
    Route,
)

FIRST, SECOND = Route("tcp://first:5557"), Route("tcp://second:5557")
BIKE, OTHER = Route("tcp://*:5557", b"bike"), Route("tcp://*:5557", b"other")


def routes(*endpoints: Route, devices_max: int = 10) -> ReplayRoutes:
    return ReplayRoutes([route.endpoint for route in endpoints], devices_max)


def test_all_endpoints_are_asked_until_one_answered() -> None:
    known = routes(FIRST, SECOND)
    assert known.routes_for("a", 0) == [FIRST, SECOND]
    known.remember("a", SECOND)
    assert known.routes_for("a", 0) == [SECOND]
    assert known.routes_for("b", 0) == [FIRST, SECOND]


def test_forgotten_route() -> None:
    known = routes(FIRST, SECOND)
    known.remember("a", SECOND)
    known.forget("a")
    assert known.routes_for("a", 0) == [FIRST, SECOND]


def test_peer_asked_for_its_devices() -> None:
    known = routes(FIRST)
    known.claim(BIKE, ["a"], 0)
    assert known.routes_for("a", 1) == [BIKE, FIRST]
    assert known.routes_for("b", 1) == [FIRST]


def test_first_claim_is_new() -> None:
    known = routes()
    assert known.claim(BIKE, ["a", "b"], 0) == ("a", "b")
    assert known.claim(BIKE, ["a", "c"], CLAIM_S - 1) == ("c",)
    assert known.claim(BIKE, ["b"], CLAIM_S) == ("b",)


def test_claim_ends_unrepeated() -> None:
    known = routes()
    known.claim(BIKE, ["a"], 0)
    known.claim(BIKE, ["a"], 20)
    assert known.routes_for("a", 20 + CLAIM_S - 0.1) == [BIKE]
    assert known.routes_for("a", 20 + CLAIM_S) == []


def test_remembered_peer_without_claim() -> None:
    known = routes(FIRST)
    known.claim(BIKE, ["a"], 0)
    known.remember("a", BIKE)
    assert known.routes_for("a", CLAIM_S) == [FIRST]


def test_reconnected_bike_asked_first() -> None:
    known = routes()
    known.claim(BIKE, ["a"], 0)
    known.claim(OTHER, ["a"], 1)
    assert known.routes_for("a", 2) == [OTHER, BIKE]
    known.claim(BIKE, ["a"], 3)
    assert known.routes_for("a", 4) == [BIKE, OTHER]


def test_peers_per_device_are_limited() -> None:
    known = routes()
    for number in range(1_000):
        known.claim(Route("tcp://*:5557", b"%d" % number), ["a"], 0)
    latest = [Route("tcp://*:5557", b"%d" % number) for number in (999, 998, 997)]
    assert known.routes_for("a", 1) == latest[:CLAIMS_A_DEVICE_MAX]


def test_claims_are_limited() -> None:
    known = routes(devices_max=5)
    known.claim(BIKE, ["real"], 0)
    assert known.claim(OTHER, [f"invented-{number}" for number in range(100)], 1) == tuple(
        f"invented-{number}" for number in range(5)
    )
    assert known.routes_for("real", 2) == []
    known.claim(BIKE, ["real"], 10)
    assert known.routes_for("real", 11) == [BIKE]
    assert known.routes_for("invented-0", 11) == []


def test_remembered_routes_are_limited() -> None:
    known = routes(FIRST, SECOND, devices_max=2)
    for device_id in ("a", "b", "c"):
        known.remember(device_id, SECOND)
    assert known.routes_for("a", 0) == [FIRST, SECOND]
    assert known.routes_for("b", 0) == known.routes_for("c", 0) == [SECOND]


def test_offer_is_waited_for_once() -> None:
    known = ReplayRoutes([], 10, takes_offers=True)
    assert known.may_be_offered("a", 100)
    assert known.may_be_offered("a", 100 + OFFER_WAIT_S - 0.1)
    assert not known.may_be_offered("a", 100 + OFFER_WAIT_S)
    known.claim(BIKE, ["a"], 110)
    assert known.may_be_offered("a", 200)  # it was there, and is gone


def test_no_offer_where_nobody_connects() -> None:
    assert not ReplayRoutes([], 10).may_be_offered("a", 100)


def test_waits_for_offers_are_limited() -> None:
    known = ReplayRoutes([], 2, takes_offers=True)
    for device_id in "abc":
        assert known.may_be_offered(device_id, 100)
    assert known.may_be_offered("a", 200)  # forgotten
    assert not known.may_be_offered("c", 200)
