"""One measurement: the kinds of workloads and the figures that each kind gives."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from scripts.benchmarks.processes import BenchError, free_ports
from scripts.benchmarks.servers import ROOT, SERVERS, Place
from scripts.benchmarks.trial import CONNECT_WAIT_S, Trial, open_trial
from scripts.benchmarks.workloads import RINGS_MB, Workload

WARM_S = 1.5
BACKLOG_S = 10.0
"""How many seconds of readings the resuming clients have missed."""
DRAIN_S = 2.0
"""Deliveries still missing when the publisher stops must arrive within this time."""
DEAF = 100
FLAT_AFTER_S, FLAT_S = 25.0, 600.0
"""The ring of 1,000 readings is full after 25 s, and no deaf client has been closed yet. Then the
memory is observed for 600 s."""
CROWD, PER_CLIENT = 100, ("connects_hz", "client_kb")
"""With fewer clients than this, costs per client are not reported: the first client also pays for
shared memory."""
KEPT_UP_PART = 0.98
KEPT_UP_P99_US = 1_000_000
"""A server that falls behind exceeds this within a second."""
READING_BYTES, OVERFULL = 320, 1.3
"""The smallest size of a reading in a ring, and how many times the ring's size to publish."""

Figures: TypeAlias = Mapping[str, float]


@dataclass(frozen=True)
class Times:
    """The length of a measuring window, and the time for each rate of a search, in s."""

    window_s: float
    step_s: float


def measure(name: str, workload: Workload, times: Times, root: Path = ROOT) -> Figures:
    """Measure one server with one workload. Raises BenchError."""
    with TemporaryDirectory(prefix="spoke-bench-") as folder:
        port, feed_port = free_ports(2)
        place = Place(
            Path(folder), port, feed_port, workload.flush_ms, root, dict(workload.settings)
        )
        try:
            with open_trial(SERVERS[name], workload, place) as trial:
                connects_hz = trial.connect()
                figures = {"connects_hz": connects_hz, **_KINDS[workload.kind](trial, times)}
        except BenchError as error:
            raise BenchError(f"{error}{last_words(place.folder)}") from error
    few = workload.clients < CROWD
    return {name: value for name, value in figures.items() if not (few and name in PER_CLIENT)}


def _steady(trial: Trial, times: Times) -> Figures:
    """Publish at the rate of the workload, and count missing deliveries."""
    trial.set_rate(trial.workload.rate_hz * trial.workload.devices)
    time.sleep(WARM_S)
    found = trial.window(times.window_s)
    client_kb = trial.growth_kb / trial.workload.clients
    expected = trial.expected(trial.set_rate(0) - trial.workload.devices)
    missing = expected - drained(lambda: trial.load.ask("report")["total"], expected)
    return {**_figures(found, trial), "client_kb": client_kb, "missing": missing}


def drained(count: Callable[[], int], expected: int) -> int:
    """Wait until all deliveries have arrived, or none arrives any more; return their number."""
    until_s, total = time.monotonic() + DRAIN_S, 0
    while time.monotonic() < until_s:
        seen = count()
        if seen >= expected:
            return seen
        if seen > total:
            until_s, total = time.monotonic() + DRAIN_S, seen
        time.sleep(0.05)
    return total


def _most(trial: Trial, times: Times) -> Figures:
    """Try increasing rates. Return the figures of the last rate that the server kept up with."""
    best: Figures = {"deliveries_hz": 0.0, "rate_hz": 0.0}
    for rate_hz in trial.workload.rates_hz:
        trial.set_rate(rate_hz)
        time.sleep(times.step_s / 3)
        figures = _figures(trial.window(times.step_s), trial)
        if figures["lost"] or figures["gaps"] or not figures["kept_up"]:
            return {**best, "limit_load_part": figures["load_part"]}
        best = figures
    return best


def _deaf(trial: Trial, times: Times) -> Figures:
    """Let some clients stop reading, and measure the others."""
    _deafen(trial)
    time.sleep(WARM_S)
    return _figures(trial.window(times.window_s), trial)


def _flat(trial: Trial, _times: Times) -> Figures:
    """Let some clients stop reading for a long time, and measure the growth of memory.

    Their kernel buffers fill, they lag, and the server closes them as stalled. The ring is already
    full when the measurement begins.
    """
    _deafen(trial)
    time.sleep(FLAT_AFTER_S)
    before_kb = trial.growth_kb
    figures = _figures(trial.window(FLAT_S), trial)
    return {**figures, "growth_mb": (trial.growth_kb - before_kb) / 1024}


def _deafen(trial: Trial) -> None:
    trial.load.ask(f"deafen {DEAF}")
    trial.plan = trial.plan[DEAF:]
    trial.set_rate(trial.workload.rate_hz * trial.workload.devices)


def _rings(trial: Trial, times: Times) -> Figures:
    """Publish more than the rings can hold, and measure the memory."""
    rate_hz = trial.workload.rate_hz * trial.workload.devices
    trial.set_rate(rate_hz)
    time.sleep(OVERFULL * RINGS_MB * 2**20 / READING_BYTES / rate_hz)
    return {**_figures(trial.window(times.step_s), trial), "rings_mb": trial.growth_kb / 1024}


def _resume(trial: Trial, times: Times) -> Figures:
    """Let the same number of other clients resume at once and request all readings in the ring."""
    trial.set_rate(trial.workload.rate_hz * trial.workload.devices)
    time.sleep(BACKLOG_S)
    with trial.clients(trial.plan, since="0-0") as others:
        others.tell("connect")
        figures = _figures(trial.window(times.window_s), trial)
        done = others.hear("connect", CONNECT_WAIT_S)
    return {**figures, "resumed_s": done["seconds"], "lost": figures["lost"] + done["lost"]}


_KINDS = {
    "steady": _steady,
    "most": _most,
    "deaf": _deaf,
    "flat": _flat,
    "resume": _resume,
    "rings": _rings,
}


def _figures(found: Mapping[str, Any], trial: Trial) -> dict[str, float]:
    """Compute the figures of a window: CPU in µs per delivery, latencies in ms."""
    latencies = {
        f"{which}_{part}_ms": found[which][f"{part}_us"] / 1000
        for which in ("all", "first", "last")
        for part in ("p50", "p99")
        if which in found
    }
    return {
        **latencies,
        "cpu_us": found["server_cpu_s"] * 1e6 / max(1, found["deliveries"]),
        "server_part": found["server_cpu_s"] / found["seconds"],
        "load_part": found["cpu_s"] / found["seconds"],
        "deliveries_hz": found["deliveries"] / found["seconds"],
        "rate_hz": found["published"] / found["seconds"],
        "lost": found["lost"],
        "gaps": found["gaps"],
        "kept_up": float(_kept_up(found, trial)),
    }


def _kept_up(found: Mapping[str, Any], trial: Trial) -> bool:
    """Tell whether the publisher reached the rate and the deliveries arrived in time."""
    wanted = trial.expected(found["published"])
    is_fed = found["published"] >= KEPT_UP_PART * trial.rate_hz * found["seconds"] - 1
    is_whole = found["deliveries"] >= KEPT_UP_PART * wanted - trial.workload.clients
    return is_fed and is_whole and "all" in found and found["all"]["p99_us"] < KEPT_UP_P99_US


def last_words(folder: Path) -> str:
    """Return the last line that the processes printed, to explain a failure."""
    log = folder / "log"
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return f"; its last line: {lines[-1]}" if lines else ""
