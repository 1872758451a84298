"""The pure parts of ``scripts/bench --cluster``: arguments, sums, percentiles, verdicts, tables."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.benchmarks import __main__ as bench
from scripts.benchmarks import cluster
from scripts.benchmarks.cluster_summary import (
    CLUSTER_DEMANDS,
    KILLED,
    add_reports,
    cluster_tables,
    percentile,
)
from scripts.benchmarks.gateways import CLIENTS
from scripts.benchmarks.page import write_section
from scripts.benchmarks.processes import BenchError
from scripts.benchmarks.summary import judge

REPORT = {
    "deliveries": 10,
    "bytes": 2_000,
    "gaps": 0,
    "lost": 1,
    "ready": 5,
    "total": 20,
    "cpu_s": 0.5,
    "seconds": 2.0,
}


@pytest.mark.parametrize("more", [["--only", "steady"], ["--servers", "node"], ["--against", "x"]])
def test_cluster_excludes_other_choices(more: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        bench.parse(["--cluster", *more])
    assert raised.value.code == bench.FAILED


def test_cluster_with_rounds() -> None:
    options = bench.parse(["--cluster", "--quick", "--rounds", "2"])
    assert (options.cluster, options.quick, options.rounds) == (True, True, 2)


def test_reports_are_added_and_slowest_counts() -> None:
    slow = {**REPORT, "seconds": 3.0, "all": {"p50_us": 1.0, "p99_us": 70.0}}
    quick = {**REPORT, "all": {"p50_us": 1.0, "p99_us": 40.0}}

    found = add_reports([quick, slow])

    assert (found["deliveries"], found["bytes"], found["lost"]) == (20, 4_000, 2)
    assert (found["seconds"], found["p99_us"]) == (3.0, 70.0)


def test_sum_without_clients() -> None:
    assert add_reports([])["deliveries"] == 0


@pytest.mark.parametrize(("part", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentile_of_a_hundred(part: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), part) == value


def test_several_gateways_share_clients_evenly() -> None:
    assert [CLIENTS % count for count in cluster.GATEWAYS] == [0, 0, 0]


@pytest.mark.parametrize(("cost_us", "words"), [(10.9, "met"), (11.2, "MISSED")])
def test_cost_of_two_gateways(cost_us: float, words: str) -> None:
    found = {
        ("gateways 1", "spoke"): {"cpu_us": 10.0, "kept_up": 1.0},
        ("gateways 2", "spoke"): {"cpu_us": cost_us, "kept_up": 1.0},
    }
    assert judge(CLUSTER_DEMANDS[0], found).words == words


def test_demands_use_workloads_of_the_steps() -> None:
    measured = {f"gateways {count}" for count in cluster.GATEWAYS} | {KILLED}

    assert {demand.workload for demand in CLUSTER_DEMANDS} <= measured


def test_tables_have_a_row_for_each_workload() -> None:
    found = {
        ("gateways 1", "spoke"): {"cpu_us": 9.0},
        ("gateways 4", "spoke"): {"cpu_us": 9.5},
        ("intake at 1,000 Hz", "spoke"): {"rate_hz": 1000.0, "core_part": 0.123},
        (KILLED, "spoke"): {"back_p50_s": 1.25, "missing": 0},
    }

    text = "\n".join(cluster_tables(found))

    assert "| 4        | 9.50 " in text
    assert "| at 1,000 Hz | 1,000      | -              | 12.3%     |" in text
    assert "HAProxy" not in text


def test_a_failed_step_is_told_and_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_folder: Path, _window_s: float) -> cluster.Found:
        raise BenchError("no port was free")

    monkeypatch.setattr(cluster, "_steps", lambda _rounds: [("a step", fail)])

    text, is_met = cluster.measure_cluster(bench.QUICK_TIMES, 1, 1.0)

    assert "a step: failed: no port was free" in text
    assert not is_met


def test_section_between_its_own_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"a\n{cluster.BEGIN}\nold\n{cluster.END}\nb\n", "utf-8")

    write_section(page, cluster.BEGIN, cluster.END, "new\n")

    assert page.read_text("utf-8") == f"a\n{cluster.BEGIN}\n\nnew\n\n{cluster.END}\nb\n"


def test_committed_page_has_marks_of_cluster() -> None:
    page = bench.PAGE.read_text("utf-8")

    assert page.count(cluster.BEGIN) == page.count(cluster.END) == 1
