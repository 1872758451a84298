"""One script of client actions against the stock class and ours, on both web servers.

The transcripts are equal but for ``transcripts/differences.json``, where each difference names the
paragraph of the protocol documents that asks for it.
"""

import json
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartProcess
from tests.timing import scaled_s

HERE = Path(__file__).parent / "transcripts"
SERVERS = {
    "pywsgi": ["python", "app.py", "{port}"],
    "gunicorn": [
        *("python", "-m", "gunicorn", "-k", "gevent", "-w", "1", "-b", "127.0.0.1:{port}"),
        "app:app",
    ],
}

Transcripts = dict[str, dict[str, list[str]]]


def play(
    start_process: StartProcess, free_port: Callable[[], int], kind: str, server: str
) -> Transcripts:
    """Return the transcripts of one server, which is stopped again."""
    port = free_port()
    argv = [word.format(port=port) for word in SERVERS[server]]
    process = start_process(argv, {"TRANSCRIPT_KIND": kind}, HERE)
    answer = subprocess.run(
        ["node", "script.mjs", f"http://127.0.0.1:{port}"],
        cwd=HERE,
        check=True,
        capture_output=True,
        timeout=scaled_s(100),
    )
    process.close()
    return dict(json.loads(answer.stdout))


def with_differences(transcripts: Transcripts, differences: list[dict[str, Any]]) -> Transcripts:
    """Return what the stock transcripts would be, did the stock server follow the documents."""
    return {
        scenario: {
            name: _changed(lines, f"{scenario}, {name}", differences)
            for name, lines in lists.items()
        }
        for scenario, lists in transcripts.items()
    }


def _changed(lines: list[str], where: str, differences: list[dict[str, Any]]) -> list[str]:
    for difference in differences:
        if re.fullmatch(difference["where"], where):
            lines = _replaced(lines, difference)
    return lines


def _replaced(lines: list[str], difference: dict[str, Any]) -> list[str]:
    stock, at = difference["stock"], 0
    while at < len(lines):
        if lines[at : at + len(stock)] == stock:
            lines = lines[:at] + difference["ours"] + lines[at + len(stock) :]
            at += len(difference["ours"])
            difference["used"] = True
        else:
            at += 1
    return lines


@pytest.mark.parametrize("server", list(SERVERS))
def test_same_transcript_except_listed_differences(
    server: str, start_process: StartProcess, free_port: Callable[[], int]
) -> None:
    differences = json.loads((HERE / "differences.json").read_text())
    with ThreadPoolExecutor() as both:  # each transcript consists of waits for the most part
        played = [
            both.submit(play, start_process, free_port, kind, server) for kind in ("stock", "ours")
        ]
        stock, ours = (it.result() for it in played)
    assert "error" not in {name for lists in ours.values() for name in lists}
    assert with_differences(stock, differences) == ours
    assert [it for it in differences if "used" not in it] == []


def test_each_difference_names_its_paragraph() -> None:
    for difference in json.loads((HERE / "differences.json").read_text()):
        assert difference["because"]
        assert re.match(r"(Engine\.IO v4|Socket\.IO v5), \"", difference["paragraph"])
