"""A running server with its publisher and its load client, each in its own process."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmarks.processes import (
    BenchError,
    Talker,
    cpu_s,
    resident_kb,
    running,
    wait_for_port,
)
from scripts.benchmarks.servers import ROOT, STORE, Place, Server
from scripts.benchmarks.workloads import Devices, Workload, expected_deliveries, plan_text, watched

CONNECTING = 64
"""How many connections are opened at the same time. More would wait in the listen backlog."""
CONNECT_WAIT_S = 90.0
PRIMED_S = 0.5
"""How long to wait until the server knows each device and its memory is stable."""


@dataclass
class Trial:
    """A running server with its publisher and its clients."""

    server: Server
    workload: Workload
    place: Place
    server_pid: int
    publisher: Talker
    plan: list[Devices]
    before_kb: float
    load: Talker = field(init=False)
    rate_hz: float = 0.0

    @property
    def growth_kb(self) -> float:
        """The growth of the server's memory since before the first client connected, in kB."""
        return resident_kb(self.server_pid) - self.before_kb

    def expected(self, published: int) -> int:
        """Return how many deliveries the clients should get for this many readings."""
        return expected_deliveries(self.plan, published, self.workload.devices)

    def set_rate(self, rate_hz: float) -> int:
        """Publish this many readings per second. Return how many were published before."""
        self.rate_hz = rate_hz
        published: int = self.publisher.ask(f"rate {rate_hz}")["published"]
        return published

    def window(self, seconds: float) -> dict[str, Any]:
        """Measure for this time. Return the counts of the load client and the server's CPU time."""
        published = self.publisher.ask("count")["published"]
        self.load.ask("mark")
        before_s = cpu_s(self.server_pid)
        time.sleep(seconds)
        used_s = cpu_s(self.server_pid) - before_s
        found = self.load.ask("report")
        after = self.publisher.ask("count")["published"]
        return {**found, "server_cpu_s": used_s, "published": after - published}

    @contextmanager
    def clients(self, plan: Sequence[Devices], since: str | None = None) -> Iterator[Talker]:
        """Run a load client that knows its plan, but has not connected its clients yet."""
        protocol = self.workload.protocol or self.server.protocol
        file = self.place.folder / ("plan" if since is None else "plan-since")
        file.write_text(plan_text(plan, protocol, since), "utf-8")
        with load_client(protocol, self.place.port, file) as talker:
            yield talker

    def connect(self) -> float:
        """Connect and subscribe all clients. Return the connections per second."""
        done = self.load.ask("connect", CONNECT_WAIT_S)
        if done["lost"]:
            raise BenchError(
                f"{self.server.title} lost {done['lost']} clients while they connected"
            )
        return float(self.workload.clients / done["seconds"])


@contextmanager
def load_client(protocol: str, port: int, plan: Path) -> Iterator[Talker]:
    """Run a load client for one server. It has read its plan, and connects on command."""
    argv = [str(STORE / "load"), protocol, str(port), str(CONNECTING), str(plan)]
    with running(argv, plan.parent / "log", plan.parent) as process:
        talker = Talker("load client", process)
        talker.hear("the plan")
        yield talker


@contextmanager
def open_trial(server: Server, workload: Workload, place: Place) -> Iterator[Trial]:
    """Start a server, its publisher and its load client. The server knows each device then."""
    argv, environ = server.command(place)
    feed_port = place.feed_port if server.sink in ("zeromq", "mqtt") else place.port
    publish = [sys.executable, "-m", "scripts.benchmarks.publisher", server.sink, str(feed_port)]
    log = place.folder / "log"
    with (
        running([*publish, str(workload.devices)], log, ROOT) as feeder,
        running(argv, log, place.root, environ) as process,
    ):
        wait_for_port(place.port, process, server.title)
        publisher = Talker("publisher", feeder)
        publisher.ask("subscribed")
        publisher.ask("prime")
        time.sleep(PRIMED_S)
        before_kb = resident_kb(process.pid)
        plan = watched(workload)
        trial = Trial(server, workload, place, process.pid, publisher, plan, before_kb)
        with trial.clients(plan) as trial.load:
            yield trial
