"""The table of a long run says what was broken, and the exit code goes by it."""

import sys
from collections import Counter
from collections.abc import Callable

import pytest

from scripts.fault_runs.faults import FAULTS, GAPS
from scripts.fault_runs.table import is_kept, render
from tests.conftest import StartProcess
from tests.faults.witnesses import Witnesses

Prints = Callable[[str], Witnesses]


@pytest.fixture
def witness_of(start_process: StartProcess) -> Prints:
    """Make a witness that saw what a line says, whatever process printed it."""

    def make(line: str) -> Witnesses:
        process = start_process([sys.executable, "-c", f"print({line!r})"])
        process.wait()
        witnesses = Witnesses(process)
        witnesses.update()
        return witnesses

    return make


def test_a_stream_without_fault_is_kept(witness_of: Prints) -> None:
    seen = {"control": witness_of('["tape", [[0, "ebike-001", 7, 1, 1000]]]')}
    assert is_kept(seen)
    table = render(seen, Counter({"gateway killed": 2}))
    assert "| control | 1,000 | 0 | 0 | 0 | 0 | 0 |" in table
    assert "2 faults, 1,000 readings, gaps announced: none" in table


def test_a_missing_reading_is_not_kept(witness_of: Prints) -> None:
    seen = {
        "control": witness_of('["tape", [[0, "ebike-001", 7, 1, 5], [0, "ebike-001", 7, 7, 9]]]')
    }
    assert not is_kept(seen)
    assert "| control | 8 | 1 | 0 | 0 | 0 | 0 |" in render(seen, Counter())


def test_nothing_seen_at_all_is_not_kept(witness_of: Prints) -> None:
    assert not is_kept({"control": witness_of('["connect", {"client": 0}]')})


def test_fault_names() -> None:
    assert len(FAULTS) >= 20
    assert all(" " in name for name in FAULTS)


def test_allowed_gaps_name_known_faults() -> None:
    assert GAPS.keys() < FAULTS.keys()
