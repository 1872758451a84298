"""The hour of emulated hardware says what was not true, and its exit code goes by it."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from device.emulate import import_emulators
from scripts.measure.hour.__main__ import report
from scripts.measure.hour.kinds import KINDS, pace
from scripts.measure.hour.report import LOG, RECEIVED, RUN, TRUTH
from tests.conftest import StartProcess
from tests.processes import assert_nothing_left, processes_marked
from tests.timing import eventually

NO_DISTURBANCES = {
    *(
        "--help",
        "--interval",
        "--name",
        "--only",
        "--address",
        "--topic",
        "--wheel",
        "--pole-pairs",
        "--gear",
    ),
    *("--transport", "--pty", "--broker", "--user", "--password-file", "--ca"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the files of a run of 20 s with a GPS receiver, whose port was lost once."""
    (tmp_path / "nmea").mkdir()
    (tmp_path / "nmea" / LOG).write_text("port_lost\nport_back\n")
    told = [{"at_s": n, "sent_ms": n * 1000, "speed_kmh": 10.0 + n} for n in range(20)]
    (tmp_path / "nmea" / TRUTH).write_text("".join(f"{json.dumps(line)}\n" for line in told))
    write_run(tmp_path)
    return tmp_path


def write_run(folder: Path, **ends: int) -> None:
    """Write what is known of the run, and how its processes ended."""
    run = {
        "kinds": ["nmea"],
        "seed": 1,
        "began": "2026-06-01 10:00 UTC",
        "seconds": 20.0,
        "lasted_s": 25.0,
        "cpu_s": 5.0,
        "revision": "abc",
        "ends": ends,
    }
    (folder / RUN).write_text(json.dumps(run))


def readings() -> list[dict[str, Any]]:
    """Return 19 readings of a client, all of them true."""
    return [
        {"device_id": "nmea", "epoch": 7, "seq": n, "ts_ms": n * 1000, "speed_kmh": 10.0 + n}
        for n in range(1, 20)
    ]


def judge(folder: Path, seen: list[dict[str, Any]]) -> int:
    """Write what the client received, and return the exit code."""
    other = ["subscribed", {"client": 0, "cursors": {}}]
    lines = [other, *(["gap" if "reason" in one else "reading", one] for one in seen)]
    (folder / RECEIVED).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return report(folder, is_written=False)


def test_true_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(folder, readings()) == 0
    printed = capsys.readouterr().out
    assert "| nmea | 20 | 19 | 19 | 0 | 0 | 0 | 0 | 0 | 1 | 1 |" in printed
    assert "20 s on 2026-06-01 10:00 UTC" in printed
    assert "20% of one core" in printed
    assert json.loads((folder / "results.json").read_text())[0]["found"]["values"] == 19


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"speed_kmh": 99.0}, "19 | 19 | 1 | 0 | 0 | 0 | 0"),
        ({"power_w": 0}, "19 | 20 | 0 | 1 | 0 | 0 | 0"),
        ({"extra": {"motor_c": 20.0}}, "19 | 20 | 0 | 1 | 0 | 0 | 0"),
    ],
)
def test_false_value(
    folder: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], row: str
) -> None:
    seen = readings()
    seen[5] |= change
    assert judge(folder, seen) == 1
    printed = capsys.readouterr().out
    assert f"| {row} |" in printed
    assert "'seq': 6," in printed


GAP = {"device_id": "nmea", "after": "7-5", "before": "7-8", "lost": 2, "reason": "evicted"}


@pytest.mark.parametrize(
    ("seen", "row"),
    [
        ([*readings()[:5], *readings()[7:]], "17 | 17 | 0 | 0 | 2 | 0 | 0"),
        ([*readings()[:5], GAP, *readings()[7:]], "17 | 17 | 0 | 0 | 0 | 0 | 1"),
        ([*readings(), readings()[-1]], "20 | 20 | 0 | 1 | 0 | 1 | 0"),
        ([], "0 | 0 | 0 | 0 | 0 | 0 | 0"),
    ],
    ids=["missing", "gap", "repeated", "nothing"],
)
def test_stream_that_is_not_whole(
    folder: Path, capsys: pytest.CaptureFixture[str], seen: list[dict[str, Any]], row: str
) -> None:
    assert judge(folder, seen) == 1
    assert f"| {row} |" in capsys.readouterr().out


@pytest.mark.parametrize("process", ["nmea device", "gateway"])
def test_process_that_failed(folder: Path, process: str) -> None:
    write_run(folder, **{process: 1})
    assert judge(folder, readings()) == 1
    write_run(folder, **{process: 0, "vesc device": 1})
    assert judge(folder, readings()) == 0


@pytest.mark.parametrize("name", sorted(import_emulators()))
def test_each_disturbance_is_part_of_the_hour(name: str) -> None:
    parser = ArgumentParser()
    emulator = import_emulators()[name]
    emulator.add_options(parser)
    known = {word for action in parser._actions for word in action.option_strings}
    words = KINDS[name].options.format(ours="/ours", login="/file", **pace(60)).split()
    assert {word for word in known if word.startswith("--")} - NO_DISTURBANCES <= set(words)
    parser.parse_args(words)


def test_signal_ends_all_processes_and_prints_the_table(
    start_process: StartProcess, tmp_path: Path
) -> None:
    words = ["--kinds", "nmea", "--folder", str(tmp_path / "run")]
    hour = start_process(["python", "-m", "scripts.measure.hour", *words])
    hour.wait_for_line("all processes run", timeout_s=60)
    received = tmp_path / "run" / RECEIVED
    eventually(lambda: '["reading",' in received.read_text(), what="a reading", timeout_s=60)
    assert len(processes_marked(hour.mark)) == 5  # with gateway, client, hardware, device
    assert hour.stop(timeout_s=60) == 0
    assert_nothing_left(hour)
    hour.wait_for_line(r"\| nmea \| .* \| 0 \| 0 \| 0 \| 0 \| 0 \|")
