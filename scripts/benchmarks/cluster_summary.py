"""Sums, percentiles, requirements and tables for several gateways. Pure."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from scripts.benchmarks.summary import NOTHING, Demand, Figures, Medians, table

SUMMED = ("deliveries", "bytes", "gaps", "lost", "ready", "total", "cpu_s")
SPOKE = "spoke"
ONE = ("gateways 1", SPOKE)
PROXIED, KILLED = "proxy 1,000", "killed 1,000"

CLUSTER_DEMANDS = (
    Demand("2 gateways: CPU a delivery / 1 gateway", "gateways 2", "cpu_us", 1.1, None, ONE),
    Demand("4 gateways: CPU a delivery / 1 gateway", "gateways 4", "cpu_us", 1.1, None, ONE),
    Demand("4 gateways: readings missing", "gateways 4", "missing", 0),
    Demand("a killed gateway: readings missing", KILLED, "missing", 0),
)

GATEWAY_COLUMNS = {
    "cpu_us": ("CPU µs/delivery", "{:.2f}"),
    "deliveries_hz": ("deliveries/s", "{:,.0f}"),
    "delivery_bytes": ("bytes/delivery", "{:.0f}"),
    "p99_ms": ("p99 ms", "{:.1f}"),
    "resident_mb": ("MB of all", "{:.0f}"),
    "missing": ("missing", "{:,.0f}"),
}
INTAKE_COLUMNS = {
    "rate_hz": ("readings/s", "{:,.0f}"),
    "reading_us": ("CPU µs/reading", "{:.1f}"),
    "core_part": ("of a core", "{:.1%}"),
}
PROXY_COLUMNS = {
    "cpu_us": ("gateway: CPU µs/delivery", "{:.2f}"),
    "proxy_us": ("HAProxy: CPU µs/delivery", "{:.2f}"),
    "proxy_part": ("HAProxy / gateway", "{:.2f}"),
    "proxy_kb": ("HAProxy: kB/client", "{:.1f}"),
}
KILLED_COLUMNS = {
    "back_p50_s": ("p50 s", "{:.2f}"),
    "back_p99_s": ("p99 s", "{:.2f}"),
    "back_max_s": ("last client s", "{:.2f}"),
    "missing": ("missing", "{:,.0f}"),
}


def add_reports(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up the reports of several load clients. Time and latency are those of the slowest."""
    return {
        **{name: sum(report[name] for report in reports) for name in SUMMED},
        "seconds": max((report["seconds"] for report in reports), default=0.0),
        "p99_us": max(
            (report["all"]["p99_us"] for report in reports if "all" in report), default=0.0
        ),
    }


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that is not less than this part of the values."""
    ordered = sorted(values)
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def cluster_tables(found: Medians) -> list[str]:
    """Make the tables of several gateways, as Markdown."""
    sections = (
        ("gateways", "gateways", "8,000 clients, 1 device at 8 Hz", GATEWAY_COLUMNS),
        ("intake", "gateway", "A gateway without clients, 100 devices", INTAKE_COLUMNS),
        ("proxy", "clients", "1,000 clients through HAProxy, 1 device at 20 Hz", PROXY_COLUMNS),
        ("killed", "clients", "1,000 clients of a killed gateway read again", KILLED_COLUMNS),
    )
    parts = []
    for first, head, title, columns in sections:
        rows = [
            [workload.removeprefix(f"{first} "), *_cells(figures, columns)]
            for (workload, _), figures in found.items()
            if workload.split()[0] == first
        ]
        if rows:
            parts += [f"### {title}", table([head, *(name for name, _ in columns.values())], rows)]
    return parts


def _cells(figures: Figures, columns: Mapping[str, tuple[str, str]]) -> list[str]:
    return [
        shape.format(figures[name]) if name in figures else NOTHING
        for name, (_, shape) in columns.items()
    ]
