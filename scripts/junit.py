"""Count test results in JUnit XML reports, which pytest and Node.js write."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple


class Count(NamedTuple):
    """How many tests of a part passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        counted = f"{self.passed} passed, {self.failed} failed"
        return f"{counted}, {self.skipped} skipped" if self.skipped else counted


def read_counts(report: Path, exit_code: int) -> Count:
    """Count the test cases in ``report``.

    A failed runner counts as one failure even if no test failed, because it may have crashed before
    the first test, or the coverage may be too low.
    """
    count = _count_cases(report) if report.exists() else Count()
    none_ran = count.passed == count.failed == 0
    if (exit_code != 0 and count.failed == 0) or none_ran:
        return count._replace(failed=count.failed + 1)
    return count


def total(counts: list[Count]) -> Count:
    return Count(*(sum(column) for column in zip(*counts, strict=True)))


def _count_cases(report: Path) -> Count:
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314  # our test runners wrote it
    failed = sum(_has(case, "failure", "error") for case in cases)
    skipped = sum(_has(case, "skipped") for case in cases)
    return Count(len(cases) - failed - skipped, failed, skipped)


def _has(case: ET.Element, *names: str) -> bool:
    return any(case.find(name) is not None for name in names)
