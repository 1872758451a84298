"""The metrics of running processes, and the alerts and the dashboard that are made for them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scripts.check_metrics import CANNOT_BEGIN
from tests.conftest import StartProcess
from tests.processes import ROOT
from tests.servers import server
from tests.system.pair import Pair, Witness
from tests.timing import eventually

CONFIGS = ROOT / "configs"
DASHBOARD = json.loads((CONFIGS / "grafana-dashboard.json").read_text(encoding="utf-8"))
ALERTS = (CONFIGS / "alerts.yml").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ONLY_WITH_REDIS = {"spoke_redis_up"}
OF_PROMETHEUS = {"up"}
Samples: TypeAlias = dict[str, dict[tuple[str, ...], float]]
"""The samples of a scrape: by name, then by the values of the labels."""


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


def parse(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def scrape(pair: Pair) -> Samples:
    answer = pair.get("/metrics")
    assert answer.status == 200
    return parse(answer.text)


def expressions() -> Iterator[str]:
    """Yield what the alerts and the panels ask Prometheus for."""
    yield from re.findall(r"expr: (.*)", ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def names_in(expression: str) -> set[str]:
    """Return the names of the metrics in an expression, without functions and labels."""
    bare = re.sub(r"\{[^}]*\}|\[\w+\]|\b(?:by|on) \([^)]*\)", " ", expression)
    words = set(re.findall(r"\b[a-z_]+\b(?!\s*\()", bare))
    return words - {"sum", "by", "on", "and", "rate", "increase"}


def check(url: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "scripts.check_metrics", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_metrics_of_running_processes(pair: Pair, free_port: Callable[[], int]) -> None:
    server("promtool")
    device = Pair(pair.start_process, free_port(), pair.live, pair.replay)
    pair.start_device(SPOKE_METRICS_PORT=str(device.web), SPOKE_RATE_HZ="50")
    gateway = pair.start_gateway()
    fast, slow = (watch(pair, transport) for transport in ("websocket", "polling"))
    for witness in (fast, slow):
        witness.wait_for("speed_change", count=10)
    check_counts(scrape(pair))
    check_names(set(scrape(pair)), set(scrape(device)))
    assert scrape(device)["spoke_device_readings_total"][()] >= 10
    assert pair.get("/metrics", {"X-Forwarded-For": "10.0.0.7"}).status == 403
    for url in (pair.url, device.url):
        assert check(f"{url}/metrics")[0] == 0, check(f"{url}/metrics")[1]
    fast.process.stop()
    eventually(lambda: left(pair, "client_disconnect") == 1, what="the count of the client")
    gateway.wait_for_line("client_left .* reason=client_disconnect address=127.0.0.1 transport=web")
    assert gateway.stop() == 0


def watch(pair: Pair, transport: str) -> Witness:
    """Start a stock client that watches all bikes over one transport."""
    subscribe = ["subscribe", {"devices": "*"}]
    return pair.watch(emit=[subscribe], options={"transports": [transport]})


def check_counts(found: Samples) -> None:
    assert found["spoke_readings_total"]["live",] >= 10
    assert found["spoke_devices"] == {("online",): 1, ("offline",): 0}
    assert found["spoke_clients"] == found["spoke_connects_total"]
    assert found["spoke_clients"] == {("websocket",): 1, ("polling",): 1}
    for transport in ("websocket", "polling"):
        frames = found["spoke_deliveries_total"][transport,]
        assert frames >= 10
        assert 100 < found["spoke_delivered_bytes_total"][transport,] / frames < 1_000
    assert found["spoke_turn_seconds_count"][()] > 0
    assert found["spoke_loop_turn_seconds_sum"][()] > 0
    assert 0 < found["spoke_ring_depth_seconds"]["max",] < 100
    assert found["process_open_fds"][()] > 10


def check_names(of_gateway: set[str], of_device: set[str]) -> None:
    """Compare the exported names with those that people and Prometheus read."""
    used: set[str] = set().union(*map(names_in, expressions()))
    assert used - of_gateway - ONLY_WITH_REDIS - OF_PROMETHEUS == set()
    told = set(re.findall(r"`(spoke_\w+)`", OPERATIONS))
    exported = {name for name in of_gateway | of_device if name.startswith("spoke_")}
    assert {base(name) for name in exported} == told - ONLY_WITH_REDIS


def left(pair: Pair, reason: str) -> float:
    return scrape(pair)["spoke_disconnects_total"][reason,]


def base(name: str) -> str:
    """Return the name of a summary without that of its part."""
    return name.removesuffix("_count").removesuffix("_sum")


def test_every_alert_has_a_runbook() -> None:
    names = set(re.findall(r"alert: (\w+)", ALERTS))
    assert {name for name in names if f"`{name}`" not in OPERATIONS} == set()


def test_check_without_a_gateway(free_port: Callable[[], int]) -> None:
    server("promtool")
    code, said = check(f"http://127.0.0.1:{free_port()}/metrics")
    assert code == CANNOT_BEGIN
    assert "start a gateway" in said


def test_dashboard_has_no_two_panels_in_one_place() -> None:
    panels: list[Any] = DASHBOARD["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len({panel["id"] for panel in panels}) == len(panels)
