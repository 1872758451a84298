"""The table of a long run says what was broken, and the exit code goes by it."""

import sys
from collections import Counter
from collections.abc import Callable

import pytest

from scripts.fault_runs import __main__ as fault_runs
from scripts.fault_runs import cluster as fault_cluster
from scripts.fault_runs.faults import FAULTS, GAPS
from scripts.fault_runs.table import is_kept, render, sentence, stuck
from shared.cursor import Cursor
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


def test_table_without_any_client() -> None:
    assert "0 faults, 0 readings" in render({}, Counter())


def test_stuck_clients_are_named() -> None:
    behind = {"polling, process 3": {(7, "ebike-001"): Cursor(5, 12)}}

    assert stuck(behind, 120.0) == (
        "1 client lacked readings after 120 s: "
        "client 7 of 'polling, process 3' is at 5-12 of ebike-001"
    )


def test_many_stuck_clients_are_counted() -> None:
    behind = {"websocket": {(client, "ebike-001"): Cursor(5, 12) for client in range(1_250)}}

    text = stuck(behind, 120.0)

    assert text.startswith("1,250 clients")
    assert text.endswith("; client 9 of 'websocket' is at 5-12 of ebike-001, and 1,240 more")


def test_a_witness_knows_who_is_behind(witness_of: Prints) -> None:
    seen = witness_of('["tape", [[0, "ebike-001", 7, 1, 5]]]')

    assert seen.behind({"ebike-001": Cursor(7, 5)}) == {}
    assert seen.behind({"ebike-001": Cursor(7, 6)}) == {(0, "ebike-001"): Cursor(7, 5)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no line matches 'started' in:\nfirst\nport 80 is in use\n", "port 80 is in use"),
        ("too slow", "too slow"),
        ("", "AssertionError without a text"),
    ],
)
def test_an_error_in_one_sentence(text: str, words: str) -> None:
    said = sentence(AssertionError(text))

    assert words in said
    assert "\n" not in said


def test_a_failed_start_ends_with_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fault_cluster, "find_program", lambda _name: None)
    monkeypatch.setattr(fault_runs, "raise_descriptor_limit", lambda: None)

    assert fault_runs.run_cluster(clients=8, lasts_s=1.0) == 1

    said = capsys.readouterr().out
    assert "| **all** | 0 | 0 | 0 | 0 | 0 | 0 |" in said
    assert said.endswith(
        "faults: the start failed: HAProxy is missing: install the package haproxy\n"
    )
