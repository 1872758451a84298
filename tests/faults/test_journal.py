"""A device with a journal that dies, stops, or whose journal is lost, torn or on a full disk."""

import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.faults.clocks import HOUR_S, SteppedClock
from tests.faults.shims import compile_shim
from tests.faults.stage import Stage, assert_back, assert_whole, footprint
from tests.faults.witnesses import Witnesses
from tests.processes import RunningProcess
from tests.timing import eventually, scaled_s

DISK_BYTES = 2_000_000
"""Full after a few seconds of 1,000 readings each."""
WAL_HEADER_BYTES = 32
SIZE_BYTES = 100_000
SYNC_MS = 400
"""A bad SD card. Each checkpoint synchronises twice."""
ON_A_SMALL_DISK = f"""
mount -t tmpfs -o size={DISK_BYTES} tmpfs "$(dirname "$SPOKE_JOURNAL")" || exit 3
exec "{sys.executable}" -m scripts.supervise "{sys.executable}" -m device
"""


@pytest.fixture
def journal(stage: Stage, tmp_path: Path) -> Path:
    """Where the device of the stage keeps its journal."""
    path = tmp_path / "data" / "journal.sqlite"
    path.parent.mkdir()
    stage.device_settings["SPOKE_JOURNAL"] = str(path)
    return path


def play_on(stage: Stage, *watching: Witnesses) -> None:
    """Let the device publish for a while, and wait until everybody has it."""
    stage.pass_time(0.5, *watching)
    stage.settle(*watching)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_device_with_a_journal_goes_on_where_it_was(
    stage: Stage, journal: Path, how: signal.Signals
) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    epochs = {cursor.epoch for cursor in stage.newest().values()}
    for _ in range(3):
        stage.device.stop(how)
        assert "goes_on=True" in stage.start_device().wait_for_line(r"started .*").group()
        play_on(stage, witness, control)
    assert {cursor.epoch for cursor in stage.newest().values()} == epochs
    for seen in (witness, control):
        assert not any(verdict.gaps for verdict in assert_whole(seen))
    assert not control.counts["disconnect"]
    assert_back(gateway.pid, before)


def test_gateway_and_device_killed_at_once_cost_no_reading(stage: Stage, journal: Path) -> None:
    gateway, witness, control = stage.play()
    stage.live.cut()
    stage.pass_time(0.5, witness, control)  # what is published now is in the journal alone
    gateway.stop(signal.SIGKILL)
    stage.device.stop(signal.SIGKILL)
    stage.live.mend()
    stage.start_device()
    with witness.expecting("subscribed"):
        stage.start_gateway()
    play_on(stage, witness, control)
    for seen in (witness, control):
        assert not any(verdict.gaps for verdict in assert_whole(seen))


def lose(journal: Path) -> None:
    for file in journal.parent.iterdir():
        file.unlink()


def lose_the_file_alone(journal: Path) -> None:
    journal.unlink()


def cut_the_log_short(journal: Path) -> None:
    log = journal.with_name(f"{journal.name}-wal")
    with log.open("r+b") as file:
        # After a checkpoint the log is written from its beginning again, and its second half is
        # old: cutting that off would lose nothing.
        file.truncate(WAL_HEADER_BYTES)


def tear(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as connection:  # its end moves the log into the file
        connection.execute("SELECT count(*) FROM reading")
    with journal.open("r+b") as file:
        file.seek(SIZE_BYTES // 2)
        file.write(b"\xa5" * (SIZE_BYTES // 2))


@pytest.mark.parametrize("harm", [lose, lose_the_file_alone, cut_the_log_short, tear])
def test_a_journal_that_is_lost_or_torn_is_one_epoch_gap_a_bike(
    stage: Stage, journal: Path, harm: Callable[[Path], None]
) -> None:
    gateway, witness, control = stage.play()
    before = footprint(gateway.pid)
    eventually(lambda: journal.stat().st_size > SIZE_BYTES, what="a journal of some size")
    play_on(stage, witness, control)  # it grew by a checkpoint, after which the log is empty
    stage.device.stop(signal.SIGKILL)
    harm(journal)
    assert "goes_on=False" in stage.start_device().wait_for_line(r"started .*").group()
    play_on(stage, witness, control)
    for seen in (witness, control):
        verdicts = assert_whole(seen, ["epoch"])
        assert [verdict.reasons for verdict in verdicts] == [["epoch"]] * len(stage.bikes)
    assert ("journal_moved_aside" in stage.device.output) == (harm is tear)
    assert not control.counts["disconnect"]
    assert_back(gateway.pid, before)


def test_a_journal_lost_while_the_clock_went_back_an_hour_is_one_epoch_gap_a_bike(
    stage: Stage, journal: Path, tmp_path: Path
) -> None:
    clock = SteppedClock(tmp_path, -HOUR_S)
    _gateway, witness, control = stage.play()
    stage.device.stop(signal.SIGKILL)
    journal.unlink()
    stage.start_device(**clock.environ)
    play_on(stage, witness, control)
    for seen in (witness, control):
        verdicts = assert_whole(seen, ["epoch"])
        assert [verdict.reasons for verdict in verdicts] == [["epoch"]] * len(stage.bikes)


def test_a_journal_on_a_full_disk_is_said_once_and_costs_no_reading_until_it_is_killed(
    stage: Stage, journal: Path
) -> None:
    device = stage.start_device(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK]
    )
    stage.start_gateway()
    stage.wait_until_heard()
    witness, control = stage.watch(), stage.control()
    device.wait_for_line("journal_failed")
    play_on(stage, witness, control)
    for seen in (witness, control):  # the numbers went on in memory, nothing was lost
        verdicts = assert_whole(seen, ["epoch"])
        assert [verdict.reasons for verdict in verdicts] == [["epoch"]] * len(stage.bikes)
    assert device.output.count("journal_failed") == 1
    kill_what_is_kept(device)
    device.wait_for_line("started .*goes_on=False", count=2)
    play_on(stage, witness, control)
    for seen in (witness, control):
        verdicts = assert_whole(seen, ["epoch"])
        assert all(len(verdict.reasons) >= 2 for verdict in verdicts)
    assert not control.counts["disconnect"]


def test_a_disk_that_is_slow_to_synchronise_delays_no_reading(
    stage: Stage, journal: Path, tmp_path: Path
) -> None:
    stage.device_settings |= {**compile_shim("sync", tmp_path), "SYNC_MS": str(SYNC_MS)}
    _gateway, witness, control = stage.play()
    eventually(lambda: journal.stat().st_size > SIZE_BYTES, what="a journal of some size")

    def is_prompt() -> bool:
        """Measure long enough for a synchronisation; other tests may delay a reading as well."""
        stage.pass_time(3.0, witness, control)
        window = control.close_window()
        return window.p99_ms < scaled_s(SYNC_MS / 2) and window.pause_ms < scaled_s(SYNC_MS)

    assert any(is_prompt() for _ in range(4))
    for seen in (witness, control):
        assert not any(verdict.gaps for verdict in assert_whole(seen))


def kill_what_is_kept(keeper: RunningProcess) -> None:
    """Kill the process that the keeper started; it starts another."""
    (child,) = psutil.Process(keeper.pid).children()
    child.kill()
    eventually(lambda: not child.is_running(), what="its end")
