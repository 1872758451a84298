"""What a stranger who reaches an address can do and what not: the claims of SECURITY.md."""

import json
import re
import socket
from contextlib import closing

import pytest
import zmq

from shared.contexts import open_context
from shared.wire import reading_topic
from tests.conftest import StartProcess
from tests.system.pair import Pair, running_pair
from tests.timing import eventually, scaled_s

FALSE_KMH = 199.5
"""No simulated bike is that fast."""
API = "/api/v1/devices"
READINGS = f"{API}/ebike-001/readings"
TLS_HELLO = bytes.fromhex("160301002a0100002603030000") + bytes(30)
ESCAPES = [
    "/static/../app.py",
    "/static/../../.env.example",
    "/static/..%2fapp.py",
    "/static/%2e%2e/app.py",
    "/static/..%5capp.py",
    "/static/%2fetc/passwd",  # 308, to the next one
    "/static/etc/passwd",
    "/static/dashboard.js%00.py",
    "/../../../../etc/passwd",
    "/gateway/app.py",
    "/logs/",
    "/data/journal.sqlite",
    "/.env",
]


@pytest.fixture(scope="module")
def running(start_shared_process: StartProcess) -> Pair:
    """Run two bikes and a gateway, which no stranger can change."""
    return running_pair(start_shared_process, {"SPOKE_FLEET_SIZE": "2"})


def test_a_browser_publishes_nothing(running: Pair) -> None:
    witness = running.watch(emit=[["subscribe", {"devices": "*"}]])
    witness.wait_for("speed_change")
    false = running.wait_until_known("ebike-001")["latest"] | {
        "seq": 10_000,
        "speed_kmh": FALSE_KMH,
    }
    events = ["speed_change", "reading", "publish", "device_status", "gap", "*"]
    stranger = running.watch(emit=[[name, false] for name in events])
    stranger.wait_for("ack", count=len(events))
    assert {ack["error"]["code"] for ack in stranger.bodies("ack")} == {"not_found"}
    witness.wait_for("speed_change", count=len(witness.bodies("speed_change")) + 5)
    seen = witness.bodies("speed_change") + running.get(READINGS).json["readings"]
    assert FALSE_KMH not in {reading["speed_kmh"] for reading in seen}


def test_http_changes_nothing(running: Pair) -> None:
    paths = (API, f"{API}/ebike-001", READINGS, "/", "/static/dashboard.js", "/healthz")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert {running.get(path, method=method).status for path in paths} == {405}


def test_no_address_leads_to_a_file_of_the_machine(running: Pair) -> None:
    answers = {path: ask(running, path).split(b"\r\n", 1)[0] for path in ESCAPES}
    assert {answer.split(b" ")[1] for answer in answers.values()} <= {b"308", b"400", b"404"}, (
        answers
    )


def test_no_address_leads_to_another_site(running: Pair) -> None:
    for path in ("//evil.example/", "/static//evil.example/", "//evil.example/.."):
        places = re.findall(rb"\nLocation: (\S*)", ask(running, path))
        assert [place for place in places if not place.startswith(b"http://localhost/")] == []


def test_no_site_may_frame_the_page_and_no_script_stands_in_it(running: Pair) -> None:
    for path in ("/", "/docs", API, "/nowhere"):
        answer = running.get(path)
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_foreign_page_takes_no_place_of_its_visitor(pair: Pair) -> None:
    pair.start_gateway(SPOKE_MAX_CONNECTIONS="2")
    session = "/socket.io/?EIO=4&transport=polling"
    as_an_image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert {pair.get(session, as_an_image).status for _ in range(4)} == {403}
    assert [pair.get(session).status for _ in range(3)] == [200, 200, 503]


def test_everybody_reads_everything(running: Pair) -> None:
    for bike in ("ebike-001", "ebike-002"):
        running.wait_until_known(bike)
        assert running.get(f"{API}/{bike}/readings?since=0-0").json["readings"]
    stranger = running.watch(emit=[["subscribe", {"devices": "*", "since": {"*": "0-0"}}]])
    eventually(
        lambda: (
            {it["device_id"] for it in stranger.bodies("speed_change")}
            == {"ebike-001", "ebike-002"}
        ),
        what="readings of both bikes",
    )


def test_whoever_reaches_the_gateways_endpoint_speaks_for_any_bike(pair: Pair) -> None:
    endpoint = f"tcp://127.0.0.1:{pair.live}"
    pair.start_gateway(SPOKE_DEVICE_CONNECT=None, SPOKE_DEVICE_BIND=endpoint)
    pair.start_device(SPOKE_PUB_BIND=None, SPOKE_PUB_CONNECT=endpoint)
    true = pair.wait_until_known("ebike-001")["latest"]
    false = true | {"epoch": true["epoch"] + 1, "seq": 1, "speed_kmh": FALSE_KMH}
    frames = (reading_topic("ebike-001"), json.dumps(false).encode())
    with open_context() as context, closing(context.socket(zmq.PUB)) as stranger:
        stranger.linger = 0
        stranger.connect(endpoint)

        def is_believed() -> bool:
            stranger.send_multipart(frames)
            latest = pair.get(f"{API}/ebike-001").json["latest"]
            return bool(latest["speed_kmh"] == FALSE_KMH)

        eventually(is_believed, what="the false reading")
    assert pair.get(f"{API}/ebike-001").json["latest"]["epoch"] == false["epoch"]


def test_a_process_speaks_no_tls(running: Pair) -> None:
    answer = send(running, TLS_HELLO + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert running.get("/healthz").status == 200


def ask(pair: Pair, path: str) -> bytes:
    """Ask for a path as it stands: the libraries of clients would put it right first."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return send(pair, head.encode())


def send(pair: Pair, data: bytes) -> bytes:
    """Send bytes on a connection of their own; returns all that comes back."""
    with socket.create_connection(("127.0.0.1", pair.web), timeout=scaled_s(10)) as line:
        line.sendall(data)
        return b"".join(iter(lambda: line.recv(4_096), b""))
