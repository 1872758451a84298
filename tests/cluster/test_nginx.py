"""Two gateways behind nginx with the shipped configuration."""

import signal

import psutil

from tests.cluster.cluster import POLLING, WEBSOCKET, Cluster
from tests.faults.stage import assert_whole

RATE_HZ = 20
CLIENTS = 20
STAYS_S = 2.0


def connections(cluster: Cluster, number: int) -> int:
    """Count the connections from nginx that a gateway has."""
    port, process = cluster.ports[number - 1], psutil.Process(cluster.gateways[number].pid)
    open_now = [each for each in process.net_connections("tcp") if each.status == "ESTABLISHED"]
    return sum(each.laddr.port == port for each in open_now)


def test_clients_of_one_address(cluster: Cluster) -> None:
    stage = cluster.stage
    cluster.start(rate_hz=RATE_HZ)
    proxy = cluster.start_nginx()
    webs, polls = (cluster.watch(proxy, CLIENTS, options) for options in (WEBSOCKET, POLLING))
    busy = max((1, 2), key=lambda number: connections(cluster, number))
    other = 3 - busy
    stage.pass_time(STAYS_S, webs, polls)
    assert connections(cluster, other) == 0, proxy.process.output
    assert not webs.counts["disconnect"]
    assert not polls.counts["disconnect"]

    with polls.expecting("subscribed"):  # requests of polling clients go elsewhere at once
        proxy.reload(without=cluster.ports[busy - 1])
    webs.update()
    assert not webs.counts["disconnect"]
    newcomers = cluster.watch(proxy, 1, WEBSOCKET)
    with webs.expecting("subscribed"):
        cluster.stop_gateway(busy, signal.SIGTERM)
    stage.settle(webs, polls, newcomers)

    cluster.start_gateway(busy)
    with polls.expecting("subscribed"):
        proxy.reload()
    with polls.expecting("subscribed"):
        cluster.stop_gateway(busy, signal.SIGKILL)
    stage.settle(webs, polls, newcomers)
    for crowd in (webs, polls, newcomers):
        assert_whole(crowd)
