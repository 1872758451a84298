"""Several gateways on the same devices, with and without clients."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from scripts.benchmarks.cluster_summary import add_reports
from scripts.benchmarks.measure import KEPT_UP_PART, WARM_S, Figures, drained
from scripts.benchmarks.processes import (
    BenchError,
    Talker,
    cpu_s,
    free_ports,
    resident_kb,
    running,
    wait_for_port,
)
from scripts.benchmarks.publisher import device_names
from scripts.benchmarks.servers import ROOT, SERVERS, Place
from scripts.benchmarks.trial import CONNECT_WAIT_S, PRIMED_S, load_client
from scripts.benchmarks.workloads import plan_text

CLIENTS, RATE_HZ = 8_000, 8
"""Of all gateways together. One gateway alone uses about half a core for them: most of that is
for deliveries, and it still sends each reading before the next one comes. A gateway that is behind
joins readings, and they cost less."""
INTAKE_DEVICES = 100
INTAKE_RATES_HZ = (0, 1_000, 5_000)

SPOKE = SERVERS["spoke"]


@dataclass
class Gateways:
    """Running gateways, and the publisher that feeds all of them."""

    folder: Path
    publisher: Talker
    ports: Sequence[int]
    processes: Sequence[Popen[bytes]]

    @property
    def cpu_s(self) -> float:
        """The CPU time of all of them, in s."""
        return sum(cpu_s(process.pid) for process in self.processes)

    @property
    def resident_mb(self) -> float:
        """The resident memory of all of them, in MB."""
        return sum(resident_kb(process.pid) for process in self.processes) / 1024

    def set_rate(self, rate_hz: float) -> int:
        """Publish this many readings per second. Return how many were published before."""
        published: int = self.publisher.ask(f"rate {rate_hz}")["published"]
        return published

    def plan(self, name: str, clients: int, devices: int) -> Path:
        """Write a plan for the load client: each client watches all devices."""
        file = self.folder / name
        file.write_text(plan_text([device_names(devices)] * clients, SPOKE.protocol), "utf-8")
        return file


@contextmanager
def open_gateways(
    count: int, devices: int, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Gateways]:
    """Start a publisher and gateways. Each gateway knows each device then."""
    feed_port, *ports = free_ports(count + 1)
    log = folder / "log"
    publish = [sys.executable, "-m", "scripts.benchmarks.publisher", SPOKE.sink, str(feed_port)]
    with ExitStack() as stack:
        feeder = stack.enter_context(running([*publish, str(devices)], log, ROOT))
        publisher = Talker("publisher", feeder)
        processes = []
        for number, port in enumerate(ports, 1):
            place = Place(folder, port, feed_port, settings=settings or {})
            argv, environ = SPOKE.command(place)
            process = stack.enter_context(running(argv, log, ROOT, environ))
            wait_for_port(port, process, f"gateway {number}")
            publisher.ask("subscribed")
            processes.append(process)
        publisher.ask("prime")
        time.sleep(PRIMED_S)
        yield Gateways(folder, publisher, ports, processes)


def measure_deliveries(count: int, folder: Path, window_s: float) -> Figures:
    """Share the clients out to this many gateways, and measure what a delivery costs."""
    with ExitStack() as stack:
        gateways = stack.enter_context(open_gateways(count, 1, folder))
        plan = gateways.plan("plan", CLIENTS // count, 1)
        loads = [
            stack.enter_context(load_client(SPOKE.protocol, port, plan)) for port in gateways.ports
        ]
        connect(loads)
        gateways.set_rate(RATE_HZ)
        time.sleep(WARM_S)
        found = window(gateways, loads, window_s)
        resident_mb = gateways.resident_mb
        expected = (gateways.set_rate(0) - 1) * CLIENTS
        missing = expected - drained(lambda: total(loads), expected)
        return {**figures(found), "resident_mb": resident_mb, "missing": missing}


def measure_intake(folder: Path, window_s: float) -> dict[int, Figures]:
    """Measure a gateway without clients. Return its figures for each rate of readings."""
    with open_gateways(1, INTAKE_DEVICES, folder) as gateways:
        return {rate_hz: _take_in(gateways, rate_hz, window_s) for rate_hz in INTAKE_RATES_HZ}


def _take_in(gateways: Gateways, rate_hz: int, window_s: float) -> Figures:
    gateways.set_rate(rate_hz)
    time.sleep(WARM_S)
    began_s = time.monotonic()
    found = window(gateways, [], window_s)
    seconds = time.monotonic() - began_s
    per_reading = (
        {"reading_us": found["gateway_cpu_s"] * 1e6 / found["published"]} if rate_hz else {}
    )
    return {
        **per_reading,
        "core_part": found["gateway_cpu_s"] / seconds,
        "rate_hz": found["published"] / seconds,
    }


def connect(loads: Sequence[Talker]) -> None:
    """Connect and subscribe all clients of all load clients at the same time."""
    for load in loads:
        load.tell("connect")
    lost = sum(load.hear("connect", CONNECT_WAIT_S)["lost"] for load in loads)
    if lost:
        raise BenchError(f"{lost} clients were lost while they connected")


def window(gateways: Gateways, loads: Sequence[Talker], seconds: float) -> dict[str, Any]:
    """Measure for this time. Return the sum of the load clients' counts, and the CPU time."""
    before = gateways.publisher.ask("count")["published"]
    for load in loads:
        load.ask("mark")
    before_s = gateways.cpu_s
    time.sleep(seconds)
    used_s = gateways.cpu_s - before_s
    reports = [load.ask("report") for load in loads]
    after = gateways.publisher.ask("count")["published"]
    return {**add_reports(reports), "gateway_cpu_s": used_s, "published": after - before}


def total(loads: Sequence[Talker]) -> int:
    """Count the readings that all clients together ever got."""
    return sum(load.ask("report")["total"] for load in loads)


def figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Compute the figures of a window of clients on one device.

    A gateway that delivers later than the next reading comes has not kept up: it joins readings.
    """
    interval_us = found["seconds"] * 1e6 / max(1, found["published"])
    deliveries = max(1, found["deliveries"])
    is_whole = found["deliveries"] >= KEPT_UP_PART * found["published"] * found["ready"]
    return {
        "cpu_us": found["gateway_cpu_s"] * 1e6 / deliveries,
        "delivery_bytes": found["bytes"] / deliveries,
        "deliveries_hz": found["deliveries"] / found["seconds"],
        "p99_ms": found["p99_us"] / 1000,
        "lost": found["lost"],
        "gaps": found["gaps"],
        "kept_up": float(is_whole and found["p99_us"] < interval_us),
    }
