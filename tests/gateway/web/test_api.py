import csv
import io
from typing import NoReturn

import pytest
from flask.testing import FlaskClient
from loguru import logger

from gateway.domain import Now
from gateway.hub import Hub
from gateway.web.queries import READINGS_KEYS
from shared.errors import Unauthorized
from shared.reading import READING_KEYS
from tests.gateway.apps import EPOCH, START_MS, gateway_of, make_app, publish

READINGS = "/api/v1/devices/a/readings"


@pytest.fixture
def hub_and_client() -> tuple[Hub, FlaskClient]:
    app = make_app(SPOKE_HISTORY_READINGS="200")
    return gateway_of(app).hub, app.test_client()


@pytest.fixture
def hub(hub_and_client: tuple[Hub, FlaskClient]) -> Hub:
    return hub_and_client[0]


@pytest.fixture
def client(hub_and_client: tuple[Hub, FlaskClient]) -> FlaskClient:
    return hub_and_client[1]


def test_devices_are_listed_by_id(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "b", range(1, 3))
    publish(hub, "a", range(1, 4))
    first, second = client.get("/api/v1/devices").json["devices"]  # type: ignore[index]  # is JSON
    assert (first["device_id"], second["device_id"]) == ("a", "b")
    assert first["online"] is True
    assert first["cursor"] == f"{EPOCH}-3"
    assert first["latest"]["seq"] == 3


def test_one_device_equals_list_entry(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 4))
    listed = client.get("/api/v1/devices").json["devices"][0]  # type: ignore[index]  # is JSON
    shown = client.get("/api/v1/devices/a").json
    assert shown is not None
    assert shown.pop("counts")["readings"] == 3
    assert shown == listed


def test_counts_of_one_device(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 4))
    publish(hub, "a", range(3, 4))
    publish(hub, "a", range(7, 8))
    hub.devices.tick(Now(hub.now().monotonic_s + 60, 0), everyone=True)
    publish(hub, "b", range(1, 2))
    assert client.get("/api/v1/devices/a").json["counts"] == {  # type: ignore[index]  # is JSON
        "readings": 4,
        "backfilled": 0,
        "repeats": 1,
        "lost": 3,
        "gaps": {"not_recovered": 1},
        "refused": {},
    }


def test_readings_after_cursor_ascend(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    page = client.get(f"{READINGS}?since={EPOCH}-4&limit=3").json
    assert page is not None
    assert [reading["seq"] for reading in page["readings"]] == [5, 6, 7]
    assert page["next"] == f"{EPOCH}-7"
    rest = client.get(f"{READINGS}?since={page['next']}").json
    assert [reading["seq"] for reading in rest["readings"]] == [8, 9, 10]  # type: ignore[index]  # is JSON
    end = client.get(f"{READINGS}?since={EPOCH}-10").json
    assert (end["readings"], end["next"]) == ([], f"{EPOCH}-10")  # type: ignore[index]  # is JSON


def test_without_since_the_newest_come_ascending(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 11))
    page = client.get(f"{READINGS}?limit=2").json
    assert [reading["seq"] for reading in page["readings"]] == [9, 10]  # type: ignore[index]  # is JSON


def test_expired_readings_are_a_gap(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 301))
    page = client.get(f"{READINGS}?since={EPOCH}-10&limit=1").json
    assert page is not None
    assert page["held_from"] == f"{EPOCH}-100"
    [gap] = page["gaps"]
    assert (gap["after"], gap["before"], gap["lost"]) == (f"{EPOCH}-10", f"{EPOCH}-101", 90)
    assert page["readings"][0]["seq"] == 101


def test_gap_reason_evicted_or_expired() -> None:
    app = make_app(SPOKE_MAX_DEVICES="1")
    hub, client = gateway_of(app).hub, app.test_client()
    publish(hub, "a", range(1, 11))
    publish(hub, "b", range(1, 2))
    publish(hub, "a", range(50, 61))
    for since, reason in ((5, "evicted"), (10, "evicted"), (20, "expired")):
        [gap] = client.get(f"{READINGS}?since={EPOCH}-{since}").json["gaps"]  # type: ignore[index]  # is JSON
        assert (gap["before"], gap["reason"]) == (f"{EPOCH}-50", reason)


def test_a_span_is_read_page_by_page(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 101))
    span = f"from_ms={START_MS + 10_000}&to_ms={START_MS + 40_000}"
    page = client.get(f"{READINGS}?{span}&limit=20").json
    assert page is not None
    assert [reading["seq"] for reading in page["readings"]] == list(range(10, 30))
    rest = client.get(f"{READINGS}?{span}&limit=20&since={page['next']}").json
    assert [reading["seq"] for reading in rest["readings"]] == list(range(30, 41))  # type: ignore[index]  # is JSON
    over = client.get(f"{READINGS}?{span}&since={rest['next']}").json  # type: ignore[index]  # is JSON
    assert (over["readings"], over["next"]) == ([], rest["next"])  # type: ignore[index]  # is JSON


def test_csv_span_is_one_file() -> None:
    app = make_app()
    publish(gateway_of(app).hub, "a", range(1, 2_501))
    client = app.test_client()
    assert len(client.get(f"{READINGS}?from_ms=0").json["readings"]) == 1_000  # type: ignore[index]  # is JSON
    whole = client.get(f"{READINGS}?from_ms=0&format=csv")
    assert whole.text.count("\r\n") == 2_501
    assert "Link" not in whole.headers
    part = client.get(f"{READINGS}?from_ms=0&format=csv&limit=10")
    assert part.text.count("\r\n") == 11
    assert "from_ms=0" in part.headers["Link"]


def test_0_0_without_gap(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 4))
    page = client.get(f"{READINGS}?since=0-0").json
    assert page is not None
    assert ([reading["seq"] for reading in page["readings"]], page["gaps"]) == ([1, 2, 3], [])
    publish(hub, "a", range(4, 301))
    page = client.get(f"{READINGS}?since=0-0").json
    assert [gap["reason"] for gap in page["gaps"]] == ["expired"]  # type: ignore[index]  # is JSON


def test_page_has_gaps_between_readings(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 4))
    publish(hub, "a", range(1, 3), epoch=EPOCH + 1)
    later = hub.now()._replace(monotonic_s=hub.now().monotonic_s + 60)
    hub.devices.tick(later, everyone=True)
    page = client.get(f"{READINGS}?since={EPOCH}-0").json
    assert page is not None
    seqs = [(reading["epoch"] - EPOCH, reading["seq"]) for reading in page["readings"]]
    assert seqs == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]
    [gap] = page["gaps"]
    assert (gap["after"], gap["before"], gap["lost"]) == (f"{EPOCH}-3", f"{EPOCH + 1}-1", None)


def test_cursor_inside_a_gap(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 4))
    publish(hub, "a", range(9, 11))
    later = hub.now()._replace(monotonic_s=hub.now().monotonic_s + 60)
    hub.devices.tick(later, everyone=True)
    [gap] = client.get(f"{READINGS}?since={EPOCH}-5").json["gaps"]  # type: ignore[index]  # is JSON
    assert (gap["after"], gap["before"], gap["lost"]) == (f"{EPOCH}-5", f"{EPOCH}-9", 3)


def test_span_is_thinned(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 101))
    span = f"from_ms={START_MS + 10_000}&to_ms={START_MS + 89_000}"
    page = client.get(f"{READINGS}?{span}").json
    assert [reading["seq"] for reading in page["readings"]] == list(range(10, 90))  # type: ignore[index]  # is JSON
    thin = client.get(f"{READINGS}?{span}&max_points=8").json
    assert thin is not None
    kept = [reading["seq"] for reading in thin["readings"]]
    assert len(kept) <= 8
    assert kept == sorted(kept)
    assert {0.0, 49.0} <= {reading["speed_kmh"] for reading in thin["readings"]}
    whole = client.get(f"{READINGS}?max_points=8").json
    assert len(whole["readings"]) == 8  # type: ignore[index]  # is JSON


def test_csv_has_every_key_and_link(hub: Hub, client: FlaskClient) -> None:
    extra = {"note": 'a "quoted", text'}
    publish(hub, "a", range(1, 6), power_w=120, extra=extra)
    answer = client.get(f"{READINGS}?limit=2", headers={"Accept": "text/csv"})
    assert answer.mimetype == "text/csv"
    assert "Accept" in answer.vary
    assert answer.headers["Link"].endswith('; rel="next"')
    assert f"since={EPOCH}-5" in answer.headers["Link"]
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert tuple(header) == READING_KEYS
    assert [row[header.index("seq")] for row in rows] == ["4", "5"]
    assert rows[0][header.index("extra")] == '{"note": "a \\"quoted\\", text"}'
    assert rows[0][header.index("cadence_rpm")] == ""
    assert answer.text.count("\r\n") == 3


def test_csv_with_utc_times(hub: Hub, client: FlaskClient) -> None:
    publish(hub, "a", range(1, 6))
    answer = client.get(f"{READINGS}?limit=2&format=csv&times=utc")
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert tuple(header) == ("time_utc", *READING_KEYS)
    assert rows[0][0] == "2023-11-14T22:13:24.000Z"
    assert "times=utc" in answer.headers["Link"]
    assert client.get(f"{READINGS}?format=csv&times=local").status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/devices/nobody", 404, "unknown_device"),
        ("/api/v1/devices/nobody/readings", 404, "unknown_device"),
        (f"{READINGS}?since=5", 400, "bad_cursor"),
        (f"{READINGS}?since=01-1", 400, "bad_cursor"),
        (f"{READINGS}?limit=0", 400, "bad_request"),
        (f"{READINGS}?limit=5001", 400, "bad_request"),
        (f"{READINGS}?limit=1e3", 400, "bad_request"),
        (f"{READINGS}?from_ms=x", 400, "bad_request"),
        (f"{READINGS}?from_ms=2&to_ms=1", 400, "bad_request"),
        (f"{READINGS}?since=1-1&max_points=5", 400, "bad_request"),
        (f"{READINGS}?limit=5&max_points=5", 400, "bad_request"),
        (f"{READINGS}?max_points=1&from_ms=2", 400, "bad_request"),
        (f"{READINGS}?max_points=1", 400, "bad_request"),
        (f"{READINGS}?max_points=2&limit=5", 400, "bad_request"),
        (f"{READINGS}?format=xml", 400, "bad_request"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_errors_are_problem_documents(
    hub: Hub, client: FlaskClient, path: str, status: int, code: str
) -> None:
    publish(hub, "a", range(1, 3))
    answer = client.get(path)
    assert answer.mimetype == "application/problem+json"
    problem = answer.json
    assert problem is not None
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["detail"]
    assert "requested URL" not in problem["detail"]  # the library's text does not say what to do


def every_route() -> list[str]:
    rules = make_app().url_map.iter_rules()
    return [rule.rule.replace("<device_id>", "a") for rule in rules if rule.endpoint != "static"]


@pytest.mark.parametrize("path", every_route())
@pytest.mark.parametrize("query", ["sinse=1-1", "limit=1&limit=1", "limit=", "limit"])
def test_unknown_query_key_is_refused(hub: Hub, client: FlaskClient, path: str, query: str) -> None:
    publish(hub, "a", range(1, 3))
    answer = client.get(f"{path}?{query}", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert query.partition("=")[0] in answer.json["detail"]  # type: ignore[index]  # is JSON


def test_file_is_served_whatever_its_query(client: FlaskClient) -> None:
    assert client.get("/static/spoke.js?v=2").status_code == 200


def test_readings_take_the_documented_keys(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    assert document is not None
    for path, question in document["paths"].items():
        named = [it["name"] for it in question["get"].get("parameters", []) if it["in"] == "query"]
        assert named == (list(READINGS_KEYS) if path.endswith("/readings") else [])


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.post("/api/v1/devices")
    assert (answer.status_code, answer.json["code"]) == (405, "bad_request")  # type: ignore[index]  # is JSON
    assert "GET" in answer.headers["Allow"]
    expected = "POST is not allowed at this address: use GET, HEAD or OPTIONS"
    assert answer.json["detail"] == expected  # type: ignore[index]  # is JSON


def test_failed_authentication_is_401() -> None:
    def refuse(_credentials: object) -> object:
        raise Unauthorized("log in first")

    app = make_app(refuse)  # type: ignore[arg-type]  # never returns
    publish(gateway_of(app).hub, "a", range(1, 3))
    for path in ("/api/v1/devices", "/api/v1/devices/a", READINGS):
        answer = app.test_client().get(path)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")  # type: ignore[index]  # is JSON
        assert "speed" not in answer.text


def test_host_must_be_listed() -> None:
    app = make_app(SPOKE_ALLOWED_HOSTS="bikes.example")
    client = app.test_client()
    for host in ("bikes.example", "bikes.example:5000", "localhost", "192.168.1.7:5000", "[::1]"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "[::1", "127.0.0.1.evil.example"):
        answer = client.get("/healthz", headers={"Host": host})
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")  # type: ignore[index]  # is JSON


def test_probe_without_a_host_is_answered(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"Host": ""}).status_code == 200
    assert client.get("/readyz", headers={"Host": ""}).json["ready"] is False  # type: ignore[index]  # is JSON
    assert client.get("/", headers={"Host": ""}).status_code == 403


def test_only_listed_origins_may_read_the_api() -> None:
    app = make_app(SPOKE_CORS_ORIGINS="https://app.example")
    client = app.test_client()
    listed = client.get("/api/v1/devices", headers={"Origin": "https://app.example"})
    assert listed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    other = client.get("/api/v1/devices", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    closed = (
        make_app().test_client().get("/api/v1/devices", headers={"Origin": "https://app.example"})
    )
    assert "Access-Control-Allow-Origin" not in closed.headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_log_names_refused_origin_and_setting(method: str) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message} {extra}")
    client = make_app().test_client()
    try:
        for origin in ("http://192.168.1.5:3000", "http://192.168.1.5:3000", "http://\xfc" * 9_000):
            answer = client.open("/api/v1/devices", method=method, headers={"Origin": origin})
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer.headers
    finally:
        logger.remove(sink)
    assert len(lines) == 2
    assert "http://192.168.1.5:3000" in lines[0]
    assert "SPOKE_CORS_ORIGINS" in lines[0]
    assert len(lines[1]) < 1_000


def test_refused_handshake_names_origin_and_setting(client: FlaskClient) -> None:
    for transport in ("polling", "websocket"):
        target = f"/socket.io/?EIO=4&transport={transport}"
        answer = client.get(target, headers={"Origin": "capacitor://localhost"})
        assert answer.status_code == 400
        assert "capacitor://localhost is not an accepted origin" in answer.text
        assert "SPOKE_CORS_ORIGINS" in answer.text


def test_foreign_page_may_read_outside_api() -> None:
    answer = make_app().test_client().get("/healthz", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://[::1]:5173", True),
        ("http://localhost", True),  # the gateway's own
        ("http://1:5173", False),
        ("http://1:51730", False),
        ("http://[::1]:51730", False),
        ("http://:5173", False),
        ("null", False),
    ],
)
def test_ipv6_origin_is_no_pattern(origin: str, is_allowed: bool) -> None:
    client = make_app(SPOKE_CORS_ORIGINS="http://[::1]:5173").test_client()
    answer = client.get("/api/v1/devices", headers={"Origin": origin})
    given = answer.headers.get("Access-Control-Allow-Origin")
    assert given == (origin if is_allowed else None)
    assert "Origin" in answer.headers["Vary"]


def test_preflight_needs_no_credentials() -> None:
    def refuse(_credentials: object) -> NoReturn:
        raise Unauthorized("who are you?")

    client = make_app(refuse, SPOKE_CORS_ORIGINS="https://app.example").test_client()
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = client.options("/api/v1/devices", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    foreign = client.options("/api/v1/devices", headers={**asked, "Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in foreign.headers
    refused = client.get("/api/v1/devices", headers={"Origin": "https://app.example"})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "https://app.example"


def test_old_client_learns_required_version(client: FlaskClient) -> None:
    answer = client.get("/socket.io/?EIO=3&transport=polling")
    assert answer.status_code == 400
    assert "socket.io-client 3 or 4" in answer.json["detail"]  # type: ignore[index]  # is JSON


def test_a_full_gateway_answers_503() -> None:
    app = make_app(SPOKE_MAX_CONNECTIONS="1")
    client = app.test_client()
    assert client.get("/socket.io/?EIO=4&transport=polling").status_code == 200
    answer = client.get("/socket.io/?EIO=4&transport=polling")
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")  # type: ignore[index]  # is JSON


@pytest.mark.parametrize(
    ("query", "method", "headers"),
    [
        ("EIO=4&transport=polling", "GET", {"Origin": "https://foreign.example"}),
        ("EIO=4&transport=polling", "OPTIONS", {}),
        ("EIO=4&transport=polling", "PUT", {}),
        ("EIO=4&transport=polling", "POST", {}),
        ("EIO=4&transport=polling&j=1", "GET", {}),
        ("EIO=4&transport=carrier-pigeon", "GET", {}),
        ("EIO=4&transport=websocket", "GET", {}),
        ("EIO=3&transport=polling", "GET", {}),
        ("transport=polling", "GET", {}),
    ],
)
def test_refused_request_ends_no_session(query: str, method: str, headers: dict[str, str]) -> None:
    app = make_app(SPOKE_MAX_CONNECTIONS="2", SPOKE_TRUSTED_PROXIES="127.0.0.1")
    client = app.test_client()
    session, greedy = "/socket.io/?EIO=4&transport=polling", {"X-Forwarded-For": "192.0.2.1"}
    newcomer = {"X-Forwarded-For": "192.0.2.2"}
    sockets = gateway_of(app).socketio.server.eio.sockets
    assert [client.get(session, headers=greedy).status_code for _ in range(2)] == [200, 200]
    before = set(sockets)
    answer = client.open(f"/socket.io/?{query}", method=method, headers={**newcomer, **headers})
    assert answer.status_code == (200 if method == "OPTIONS" else 400)
    assert set(sockets) == before
    assert client.get(session, headers=newcomer).status_code == 200
    assert len(before & set(sockets)) == 1


def test_readiness_lists_silent_devices(hub: Hub, client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200
    publish(hub, "a", range(1, 2))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (503, False)  # type: ignore[index]  # is JSON


def test_unexpected_error_reveals_nothing(
    hub: Hub, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.api._find", lambda hub, device_id: 1 / 0)
    publish(hub, "a", range(1, 2))
    answer = client.get("/api/v1/devices/a")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")  # type: ignore[index]  # is JSON
    assert "ZeroDivision" not in answer.text
