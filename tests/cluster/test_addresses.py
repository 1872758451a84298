"""A gateway behind a trusted proxy counts each client by its own address."""

from collections.abc import Callable
from http.client import HTTPConnection

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.proxies import HAProxy, Nginx

FULL = 6
POLL = "/socket.io/?EIO=4&transport=polling"
FORGED = {"X-Forwarded-For": "9.9.9.9"}


def open_session(port: int, source: str) -> int:
    """Open a polling session from a loopback address; return the status of the answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    try:
        connection.request("GET", POLL, headers=FORGED)
        return connection.getresponse().status
    except OSError:
        pytest.skip("this system has one loopback address only")
    finally:
        connection.close()


@pytest.mark.parametrize("start", [Cluster.start_haproxy, Cluster.start_nginx])
def test_shares_are_counted_by_client(
    cluster: Cluster, start: Callable[[Cluster], HAProxy | Nginx]
) -> None:
    del cluster.ports[1:]
    cluster.start_device(rate_hz=1)
    gateway = cluster.start_gateway(1, SPOKE_MAX_CONNECTIONS=str(FULL))
    cluster.stage.pair.wait_until_known("ebike-001")
    port = start(cluster).port
    assert {open_session(port, "127.0.0.2") for _ in range(FULL)} == {200}
    assert open_session(port, "127.0.0.2") == 503
    assert open_session(port, "127.0.0.3") == 200
    assert "forwarded_client_ignored" not in gateway.output
