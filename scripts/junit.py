"""Count what test runners report: pytest and Node.js both write JUnit's XML."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple


class Count(NamedTuple):
    """How many tests of a part did what."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        counted = f"{self.passed} passed, {self.failed} failed"
        return f"{counted}, {self.skipped} skipped" if self.skipped else counted


def read_counts(report: Path, exit_code: int) -> Count:
    """Count the test cases of ``report``.

    A runner that failed counts as a failure even if none of its tests did: it may have crashed
    before the first one, or the coverage may be too low.
    """
    count = _count_cases(report) if report.exists() else Count()
    none_ran = count.passed == count.failed == 0
    if (exit_code != 0 and count.failed == 0) or none_ran:
        return count._replace(failed=count.failed + 1)
    return count


def total(counts: list[Count]) -> Count:
    """Add up."""
    return Count(*(sum(column) for column in zip(*counts, strict=True)))


def _count_cases(report: Path) -> Count:
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314  # our own runners wrote it
    failed = sum(_has(case, "failure", "error") for case in cases)
    skipped = sum(_has(case, "skipped") for case in cases)
    return Count(len(cases) - failed - skipped, failed, skipped)


def _has(case: ET.Element, *names: str) -> bool:
    return any(case.find(name) is not None for name in names)
