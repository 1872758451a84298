"""The sum at the end of scripts/test."""

from pathlib import Path

import pytest

from scripts.junit import Count, read_counts, total
from scripts.run_tests import (
    ALL,
    PARTS,
    Outcome,
    main,
    parts_of,
    passes,
    run,
    run_node,
    summarize,
    verdict,
)

PYTEST = """<testsuites><testsuite tests="4">
<testcase name="good"/><testcase name="bad"><failure/></testcase>
<testcase name="broken"><error/></testcase><testcase name="later"><skipped/></testcase>
</testsuite></testsuites>"""
NODE = """<testsuites><testsuite name="outer"><testsuite name="inner">
<testcase name="good"/></testsuite><testcase name="fine"/></testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("xml", "exit_code", "count"),
    [
        (PYTEST, 1, Count(1, 2, 1)),
        (NODE, 0, Count(2, 0, 0)),
        (NODE, 1, Count(2, 1, 0)),  # all passed, and yet the runner failed
        ("<testsuites/>", 0, Count(0, 1, 0)),  # no test at all is a failure
    ],
)
def test_reports_are_counted(tmp_path: Path, xml: str, exit_code: int, count: Count) -> None:
    report = tmp_path / "report.xml"
    report.write_text(xml)
    assert read_counts(report, exit_code) == count


def test_missing_report_is_failure(tmp_path: Path) -> None:
    assert read_counts(tmp_path / "none.xml", 0) == Count(0, 1, 0)


def test_counts_add_up() -> None:
    assert total([Count(1, 2, 3), Count(10, 20, 30)]) == Count(11, 22, 33)


def test_summary_table() -> None:
    outcomes = [Outcome("lint", 9.04, Count(5)), Outcome("python", 71.0, Count(200, 1, 2))]
    assert summarize(12.0, outcomes).splitlines() == [
        "set-up     12.0 s",
        "lint        9.0 s  5 passed, 0 failed",
        "python     71.0 s  200 passed, 1 failed, 2 skipped",
        "205 passed, 1 failed, 2 skipped",
    ]


def test_hostile_part_follows_python() -> None:
    assert list(parts_of(None)) == ["lint", "python", "hostile", "node", "browser"]


def test_quick_runs_lint_unit_node() -> None:
    assert list(parts_of("quick")) == ["lint", "unit", "node"]


@pytest.mark.parametrize("name", PARTS)
def test_part_stands_for_itself(name: str) -> None:
    assert list(parts_of(name)) == [name]


def test_every_part_but_unit_runs_by_default() -> None:
    assert set(PARTS) - {"unit"} == set(ALL)  # python runs what unit runs, and more


def test_quick_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["quick", "-k", "cursor"])
    assert "name one part" in capsys.readouterr().err


def test_unit_part_starts_no_process(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    PARTS["unit"](["--collect-only", "tests/system", "tests/gateway/schema"], tmp_path)
    collected = capfd.readouterr().out
    assert "tests/gateway/schema/test_documents.py" in collected
    assert "tests/gateway/schema/test_truth.py" not in collected  # it uses start_process
    assert "tests/system/" not in collected


def test_python_part_leaves_hostile_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    PARTS["python"](["--collect-only", "tests/hostile", "tests/scripts"], tmp_path)
    collected = capfd.readouterr().out
    assert "tests/scripts/test_run_tests.py" in collected
    assert "tests/hostile/test_attacks" not in collected


@pytest.mark.parametrize(
    ("count", "in_ci", "code"),
    [
        (Count(5), True, 0),
        (Count(5, 1), False, 1),
        (Count(5, 0, 1), False, 0),
        (Count(5, 0, 1), True, 1),
    ],
)
def test_in_ci_a_skipped_test_has_failed(count: Count, in_ci: bool, code: int) -> None:
    assert verdict([Outcome("python", 1.0, count)], in_ci=in_ci) == code


def test_failed_command_fails_check(capfd: pytest.CaptureFixture[str]) -> None:
    assert passes("good", [["true"], ["true"]])
    assert not passes("bad", [["false"], ["true"]])
    assert capfd.readouterr().out == "test: good passed\ntest: bad FAILED\n"


def test_a_folder_without_tests_has_failed(tmp_path: Path) -> None:
    assert run_node("no-such-folder", [], tmp_path) == Count(failed=1)


def test_missing_command_fails() -> None:
    assert run(["no-such-command"]) != 0
