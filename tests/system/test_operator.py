"""What an operator sees of running processes: their log, their stacks, their settings."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import StartProcess
from tests.processes import ROOT, RunningProcess, clean_environment
from tests.system.pair import Pair

SPINS = """
import runpy, signal
def spin(*_):
    print("it spins")
    while True: pass
signal.signal(signal.SIGALRM, spin)
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""


def ask_for_stacks(process: RunningProcess, place: str) -> None:
    """Send SIGUSR1, and wait for the stacks with a place in the code among them."""
    os.kill(process.pid, signal.SIGUSR1)
    process.wait_for_line(r"shared.stacks: stacks threads=\d+ greenlets=\d+")
    process.wait_for_line(place)


def change_level(process: RunningProcess) -> None:
    for level in ("DEBUG", "INFO"):
        os.kill(process.pid, signal.SIGUSR2)
        process.wait_for_line(f"log_level_changed to={level}")


def test_signals_and_what_happened(pair: Pair) -> None:
    device, gateway = pair.start_device(), pair.start_gateway()
    gateway.wait_for_line("device_online device_id=ebike-001 .*never heard")
    for process, place in ((device, "publisher.py.* in run"), (gateway, "hub.py.* in run")):
        change_level(process)
        ask_for_stacks(process, place)
    witness = pair.watch(emit=[["subscribe", {"devices": ["ebike-001"]}]])
    witness.wait_for("speed_change", count=3)  # both processes go on
    witness.process.process.kill()
    gateway.wait_for_line("client_left .*reason=transport_close address=127.0.0.1 transport=web")
    assert device.stop() == 0
    gateway.wait_for_line("device_offline device_id=ebike-001")
    pair.start_device()
    gateway.wait_for_line("device_online device_id=ebike-001 .*was_offline=")
    counts = pair.get("/api/v1/devices/ebike-001").json["counts"]
    assert counts["readings"] >= 3
    assert counts["refused"] == {}
    assert gateway.stop() == 0


def test_stacks_of_a_loop_that_hangs(pair: Pair) -> None:
    gateway = pair.start_gateway(["python", "-c", SPINS])
    os.kill(gateway.pid, signal.SIGALRM)
    gateway.wait_for_line("it spins")
    ask_for_stacks(gateway, r"in spin")


def run(folder: Path, *words: str, **environ: str) -> tuple[int, str]:
    """Run a program of the project in a folder of the test's own."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=clean_environment({"PYTHONPATH": str(ROOT), **environ}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_check_says_where_settings_came_from(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPOKE_MAX_DEVICES=7\n")
    words = ("gateway", "--check", "--history-mb", "9")
    code, said = run(tmp_path, *words, SPOKE_GATEWAY_PORT="5123", SPOKE_LOG_DIR="there")
    assert code == 0
    rows = {row[0]: row[1:] for row in map(str.split, said.splitlines()) if row}
    assert rows["SPOKE_MAX_DEVICES"] == ["7", ".env"]
    assert rows["SPOKE_GATEWAY_PORT"] == ["5123", "the", "environment"]
    assert rows["SPOKE_HISTORY_MB"] == ["9", "a", "flag"]
    assert rows["SPOKE_FLUSH_MS"] == ["0", "default"]
    assert "listen on 127.0.0.1 port 5123" in said
    assert "at most 7 bikes, in at most 9 MB" in said
    assert [path.name for path in tmp_path.iterdir()] == [".env"]  # it began no log


def test_check_of_wrong_settings(tmp_path: Path) -> None:
    code, said = run(tmp_path, "device", "--check", "--fleet-size", "0")
    assert (code, "SPOKE_FLEET_SIZE" in said) == (2, True)
    assert "would" not in said


def test_gateway_imports_no_library_of_a_client(start_process: StartProcess) -> None:
    asked = start_process(["python", "-X", "importtime", "-m", "gateway", "--version"])
    assert asked.wait() == 0
    imported = {line.rpartition("|")[2].strip() for line in asked.output.splitlines()}
    assert imported >= {"engineio.async_client", "gateway.transport"}
    assert imported.isdisjoint({"aiohttp.client", "requests.sessions", "websocket._core"})


def test_version_names_commit_and_libraries(start_process: StartProcess) -> None:
    asked = start_process(["python", "-m", "device", "--version"])
    assert asked.wait() == 0
    for words in (r"^spoke device \d", r"^commit (?!unknown)\S+", "^pyzmq 2", "^libzmq 4"):
        asked.wait_for_line(words)
