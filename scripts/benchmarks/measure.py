"""One measurement: a server, a publisher and the load client, each a process of its own."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from scripts.benchmarks.processes import (
    BenchError,
    Talker,
    cpu_s,
    free_ports,
    resident_kb,
    running,
    wait_for_port,
)
from scripts.benchmarks.servers import ROOT, SERVERS, STORE, Place, Server
from scripts.benchmarks.workloads import Workload, expected_deliveries, plan_text, watched

CONNECTING = 64
"""Connections under way at once; more would wait in backlogs."""
CONNECT_WAIT_S = 90.0
WARM_S = 1.5
DRAIN_S = 2.0
"""What a server still owes when the publisher stopped must arrive within this time."""
DEAF = 100
KEPT_UP_PART = 0.98
KEPT_UP_P99_US = 1_000_000
"""Who falls behind further and further shows it in a second."""
BUSY_PART = 0.9
"""A load client that uses this part of a core may itself have been what was measured."""

Figures: TypeAlias = Mapping[str, float]


@dataclass(frozen=True)
class Times:
    """How long a window is, in s, and how long each rate of a search is tried."""

    window_s: float
    step_s: float


@dataclass
class Trial:
    """A server at work, with its publisher and its clients."""

    server: Server
    workload: Workload
    server_pid: int
    publisher: Talker
    load: Talker
    plan: list[Any]

    def window(self, seconds: float) -> dict[str, Any]:
        """Measure for so long; adds the server's CPU time to what the load client counted."""
        published, before_s = self.publisher.ask(f"rate {self.rate_hz}")["published"], 0.0
        self.load.ask("mark")
        before_s = cpu_s(self.server_pid)
        time.sleep(seconds)
        used_s = cpu_s(self.server_pid) - before_s
        found = self.load.ask("report")
        after = self.publisher.ask(f"rate {self.rate_hz}")["published"]
        return {**found, "server_cpu_s": used_s, "published": after - published}

    rate_hz: float = 0.0


def measure(name: str, workload: Workload, times: Times, root: Path = ROOT) -> Figures:
    """Measure one server on one workload; raises BenchError when that fails."""
    with TemporaryDirectory(prefix="spoke-bench-") as folder:
        port, feed_port = free_ports(2)
        place = Place(
            Path(folder), port, feed_port, workload.flush_ms, root, dict(workload.settings)
        )
        try:
            with _trial(SERVERS[name], workload, place) as (trial, start):
                return {**start, **_KINDS[workload.kind](trial, times)}
        except BenchError as error:
            raise BenchError(f"{error}{_last_words(place.folder)}") from error


@contextmanager
def _trial(
    server: Server, workload: Workload, place: Place
) -> Iterator[tuple[Trial, dict[str, float]]]:
    """Start the server, feed it, connect the clients; also gives what that cost."""
    protocol = workload.protocol or server.protocol
    plan = watched(workload)
    plan_file = place.folder / "plan"
    plan_file.write_text(plan_text(plan, protocol))
    argv, environ = server.command(place)
    feed_port = place.feed_port if server.sink in ("zeromq", "mqtt") else place.port
    publish = [_python(), "-m", "scripts.benchmarks.publisher", server.sink, str(feed_port)]
    load = [str(STORE / "load"), protocol, str(place.port), str(CONNECTING), str(plan_file)]
    log = place.folder / "log"
    with (
        running([*publish, str(workload.devices)], log, ROOT) as feeder,
        running(argv, log, place.folder, environ) as process,
    ):
        wait_for_port(place.port, process, server.title)
        publisher = Talker("publisher", feeder)
        publisher.ask("subscribed")
        before_kb = resident_kb(process.pid)
        with running(load, log, place.folder) as clients:
            talker = Talker("load client", clients)
            talker.hear("the plan")
            trial = Trial(server, workload, process.pid, publisher, talker, plan)
            connected = talker.ask("connect", CONNECT_WAIT_S)
            if connected["lost"]:
                raise BenchError(f"{server.title} lost {connected['lost']:.0f} clients connecting")
            yield trial, {
                "connects_hz": workload.clients / connected["seconds"],
                "client_kb": (resident_kb(process.pid) - before_kb) / workload.clients,
            }


def _steady(trial: Trial, times: Times) -> Figures:
    """Publish at the workload's rate, and see whether all of it arrived."""
    trial.rate_hz = trial.workload.rate_hz * trial.workload.devices
    trial.publisher.ask(f"rate {trial.rate_hz}")
    time.sleep(WARM_S)
    figures = _figures(trial.window(times.window_s))
    published = trial.publisher.ask("rate 0")["published"]
    expected = expected_deliveries(trial.plan, published, trial.workload.devices)
    return {**figures, "missing": expected - _drained(trial.load, expected)}


def _drained(load: Talker, expected: int) -> int:
    """Wait until everything arrived, or nothing more does; returns how much there is."""
    until_s, total = time.monotonic() + DRAIN_S, 0
    while time.monotonic() < until_s:
        seen: int = load.ask("report")["total"]
        if seen >= expected:
            return seen
        if seen > total:
            until_s, total = time.monotonic() + DRAIN_S, seen
        time.sleep(0.05)
    return total


def _most(trial: Trial, times: Times) -> Figures:
    """Try greater and greater rates; returns the figures of the last one that was kept up with."""
    best: Figures = {"deliveries_hz": 0.0}
    for rate_hz in trial.workload.rates_hz:
        trial.rate_hz = rate_hz
        trial.publisher.ask(f"rate {rate_hz}")
        time.sleep(times.step_s / 3)
        found = trial.window(times.step_s)
        if not _kept_up(found, trial):
            return {**best, "publisher_hz": found["published"] / found["seconds"]}
        best = {**_figures(found), "rate_hz": found["published"] / found["seconds"]}
    return best


def _kept_up(found: Mapping[str, Any], trial: Trial) -> bool:
    wanted = expected_deliveries(trial.plan, found["published"], trial.workload.devices)
    is_whole = found["deliveries"] >= KEPT_UP_PART * wanted
    is_fed = found["published"] >= KEPT_UP_PART * trial.rate_hz * found["seconds"]
    is_prompt = 0 < found["all"]["p99_us"] < KEPT_UP_P99_US
    return is_whole and is_fed and is_prompt and not found["lost"] and not found["gaps"]


def _deaf(trial: Trial, times: Times) -> Figures:
    """Have some clients never read, and see what that costs the others."""
    trial.load.ask(f"deafen {DEAF}")
    trial.rate_hz = trial.workload.rate_hz * trial.workload.devices
    trial.publisher.ask(f"rate {trial.rate_hz}")
    time.sleep(WARM_S)
    first_kb = resident_kb(trial.server_pid)
    figures = _figures(trial.window(times.window_s))
    return {**figures, "growth_kb": resident_kb(trial.server_pid) - first_kb}


_KINDS = {"steady": _steady, "most": _most, "deaf": _deaf}


def _figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Make the figures of a window: CPU in µs a delivery, latencies in ms."""
    deliveries = max(1, found["deliveries"])
    latencies = {
        f"{which}_{part}_ms": found[which][f"{part}_us"] / 1000
        for which in ("all", "first", "last")
        for part in ("p50", "p99")
    }
    return {
        **latencies,
        "cpu_us": found["server_cpu_s"] * 1e6 / deliveries,
        "server_part": found["server_cpu_s"] / found["seconds"],
        "load_part": found["cpu_s"] / found["seconds"],
        "deliveries_hz": found["deliveries"] / found["seconds"],
        "lost": found["lost"],
        "gaps": found["gaps"],
    }


def _python() -> str:
    import sys

    return sys.executable


def _last_words(folder: Path) -> str:
    """Give what the processes said last, for whoever has to find out why."""
    lines = (folder / "log").read_text("utf-8", "replace").strip().splitlines()
    return f"; last it said: {lines[-1]}" if lines else ""
