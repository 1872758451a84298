"""Two gateways behind HAProxy: its cost, and how soon the clients of a killed one read again."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from scripts.benchmarks.cluster_summary import KILLED, PROXIED, percentile
from scripts.benchmarks.gateways import SPOKE, Gateways, connect, figures, open_gateways, window
from scripts.benchmarks.measure import WARM_S, Figures
from scripts.benchmarks.processes import BenchError, Talker, cpu_s, resident_kb, running
from scripts.benchmarks.servers import HERE, ROOT
from scripts.benchmarks.trial import CONNECT_WAIT_S, load_client
from scripts.fault_runs.scene import process_starter
from tests.cluster.proxies import FIRST_GATEWAY, LISTEN, LISTEN_TLS, HAProxy
from tests.ports import free_port
from tests.timing import eventually

CLIENTS = 1_000
RATE_HZ, RATE_OF_STOCK_CLIENTS_HZ = 20, 5
BACK_WAIT_S, READY_WAIT_S = 60.0, 30.0
LOOKS_EVERY_S = 0.2
SETTINGS = {"SPOKE_TRUSTED_PROXIES": "127.0.0.1"}


@dataclass
class Cluster:
    """Two gateways and the HAProxy in front of them."""

    gateways: Gateways
    proxy: HAProxy

    @property
    def proxy_pid(self) -> int:
        """The process that forwards the data."""
        return self.proxy.process.pid

    def send_all_to_first(self) -> None:
        """Let HAProxy send new clients to the first gateway only."""
        self.proxy.tell("set server gateways/gateway2 state drain")

    def use_both(self) -> None:
        """Let HAProxy send new clients to both gateways."""
        self.proxy.tell("set server gateways/gateway2 state ready")
        self.proxy.wait_for("gateway2", "UP")


def measure_failover(folder: Path, window_s: float) -> dict[str, Figures]:
    """Measure HAProxy with clients in C, then kill the gateway of 1,000 stock clients."""
    try:
        with _open_cluster(folder) as cluster:
            cluster.send_all_to_first()
            return {
                PROXIED: _measure_proxy(cluster, window_s),
                KILLED: _measure_killed(cluster),
            }
    except AssertionError as error:
        raise BenchError(str(error).splitlines()[0]) from error


@contextmanager
def _open_cluster(folder: Path) -> Iterator[Cluster]:
    with open_gateways(2, 1, folder, SETTINGS) as gateways, ExitStack() as stack:
        for port in gateways.ports:
            eventually(lambda port=port: _is_ready(port), what="/readyz", timeout_s=READY_WAIT_S)  # type: ignore[misc]  # mypy cannot tell its type
        own = {LISTEN: free_port(), LISTEN_TLS: free_port()}
        ports = own | {FIRST_GATEWAY + index: port for index, port in enumerate(gateways.ports)}
        proxy = HAProxy(process_starter(stack), folder, ports)
        for name in ("gateway1", "gateway2"):
            proxy.wait_for(name, "UP")
        yield Cluster(gateways, proxy)


def _measure_proxy(cluster: Cluster, window_s: float) -> Figures:
    plan = cluster.gateways.plan("plan", CLIENTS, 1)
    before_kb = resident_kb(cluster.proxy_pid)
    with load_client(SPOKE.protocol, cluster.proxy.port, plan) as load:
        connect([load])
        cluster.gateways.set_rate(RATE_HZ)
        time.sleep(WARM_S)
        before_s = cpu_s(cluster.proxy_pid)
        found = window(cluster.gateways, [load], window_s)
        proxy_us = (cpu_s(cluster.proxy_pid) - before_s) * 1e6 / max(1, found["deliveries"])
        proxy_kb = (resident_kb(cluster.proxy_pid) - before_kb) / CLIENTS
    own = figures(found)
    return {
        **own,
        "proxy_us": proxy_us,
        "proxy_part": proxy_us / max(own["cpu_us"], 1e-9),
        "proxy_kb": proxy_kb,
    }


def _measure_killed(cluster: Cluster) -> Figures:
    cluster.gateways.set_rate(RATE_OF_STOCK_CLIENTS_HZ)
    script = str(HERE / "load" / "returning.mjs")
    argv = ["node", script, f"http://127.0.0.1:{cluster.proxy.port}", str(CLIENTS)]
    with running(argv, cluster.gateways.folder / "log", ROOT) as process:
        clients = Talker("stock clients", process)
        clients.ask("connect", CONNECT_WAIT_S)
        cluster.use_both()
        clients.ask("mark")
        cluster.gateways.processes[0].kill()
        found = _wait_for_all(clients)
    back_s = [back_ms / 1000 for back_ms in found["back"]]
    return {
        "back_p50_s": percentile(back_s, 0.5),
        "back_p99_s": percentile(back_s, 0.99),
        "back_max_s": max(back_s),
        "missing": found["missing"],
    }


def _wait_for_all(clients: Talker) -> dict[str, Any]:
    until_s = time.monotonic() + BACK_WAIT_S
    while True:
        found = clients.ask("report")
        if len(found["back"]) >= CLIENTS:
            return found
        if time.monotonic() > until_s:
            raise BenchError(
                f"only {len(found['back'])} of {CLIENTS} clients read again within"
                f" {BACK_WAIT_S:.0f} s"
            )
        time.sleep(LOOKS_EVERY_S)


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004  # OK
    except URLError:
        return False
