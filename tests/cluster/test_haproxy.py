"""Two gateways behind HAProxy with the shipped configuration."""

import re
import signal
import time
from urllib.request import urlopen

import pytest

from tests.cluster.cluster import POLLING, WEBSOCKET, Cluster
from tests.faults.stage import assert_whole
from tests.faults.witnesses import Witnesses

RATE_HZ = 20
ON_WEBSOCKETS, ON_POLLING = 200, 100
LASTS_S = 30.0
SETTLE_S = 40.0
COLLECTS: dict[str, str | None] = {"SPOKE_FLUSH_MS": "500"}
"""So that a polling client is sent two answers a second, not twenty."""
STAYS_S = 5.0


def assert_connected(*crowds: Witnesses) -> None:
    """Assert that no client was disconnected so far."""
    for crowd in crowds:
        crowd.update()
        assert crowd.counts["disconnect"] == 0


def gateway_of(port: int) -> str:
    """Ask as a new client, and return the name of the gateway that answers."""
    with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
        found = re.search(r"gateway=(\w+)", answer.headers["Set-Cookie"])
    assert found is not None
    return found[1]


@pytest.mark.timeout(300)  # a busy machine takes several times as long
def test_three_hundred_clients(cluster: Cluster) -> None:
    stage = cluster.stage
    cluster.start(rate_hz=RATE_HZ, **COLLECTS)
    proxy = cluster.start_haproxy()
    began_s = time.monotonic()
    crowds = [
        cluster.watch(proxy, ON_WEBSOCKETS, WEBSOCKET),
        cluster.watch(proxy, ON_POLLING, POLLING),
    ]
    stage.pass_time(STAYS_S, *crowds)
    stage.settle(*crowds, timeout_s=SETTLE_S)
    assert_connected(*crowds)  # so no request of a polling client went to the other gateway

    cluster.stop_gateway(1, signal.SIGKILL)
    stage.settle(*crowds, timeout_s=SETTLE_S)
    cluster.start_gateway(1, **COLLECTS)
    proxy.wait_for("gateway1", "UP")
    stage.pass_time(LASTS_S - (time.monotonic() - began_s), *crowds)
    stage.settle(*crowds, timeout_s=SETTLE_S)
    for crowd in crowds:
        crowd.end()
    verdicts = [verdict for crowd in crowds for verdict in assert_whole(crowd)]
    assert len(verdicts) == ON_WEBSOCKETS + ON_POLLING
    assert not any(verdict.gaps for verdict in verdicts)


def test_draining(cluster: Cluster) -> None:
    stage = cluster.stage
    cluster.start(rate_hz=RATE_HZ)
    proxy = cluster.start_haproxy()
    crowds = [cluster.watch(proxy, 10, options) for options in (WEBSOCKET, POLLING)]
    assert proxy.sessions("gateway1") > 0

    proxy.tell("set server gateways/gateway1 state drain")
    assert {gateway_of(proxy.port) for _ in range(10)} == {"gateway2"}
    assert_connected(*crowds)

    proxy.tell("set server gateways/gateway1 state maint")
    cluster.stop_gateway(1, signal.SIGTERM)
    stage.settle(*crowds)
    for crowd in crowds:
        assert_whole(crowd)
