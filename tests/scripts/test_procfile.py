"""What honcho makes of the Procfile: real device, real gateway."""

import os
import signal
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.conftest import StartProcess
from tests.ports import free_ports_in_a_row
from tests.processes import ROOT, RunningProcess, assert_nothing_left
from tests.scripts.under_honcho import pair_settings, pid_of, wait_for_gateway


class Honcho:
    """Start honcho on the Procfile, in a folder without settings of a developer's own."""

    def __init__(self, start_process: StartProcess, folder: Path) -> None:
        self.port = free_ports_in_a_row(4)
        self._start_process = start_process
        self._folder = folder
        self._settings = pair_settings(folder)
        (folder / "Procfile").symlink_to(ROOT / "Procfile")
        (folder / "configs").symlink_to(ROOT / "configs")

    def start(self, *options: str, **settings: str) -> RunningProcess:
        """Start it as in an activated virtual environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self._start_process(
            ["python", "-m", "honcho", "start", "-p", str(self.port), *options],
            {**self._settings, **settings, "PATH": path},
            self._folder,
        )


@pytest.fixture
def honcho(start_process: StartProcess, tmp_path: Path) -> Honcho:
    return Honcho(start_process, tmp_path)


def stop(process: RunningProcess) -> None:
    """Stop honcho as Ctrl-C does, and see that everything went with it."""
    assert process.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert_nothing_left(process)


@pytest.mark.parametrize(("killed", "other"), [("gateway", "device"), ("device", "gateway")])
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_killed_process_restarts_alone(
    honcho: Honcho, killed: str, other: str, signum: int
) -> None:
    process = honcho.start()
    wait_for_gateway(honcho.port)
    first, unharmed = pid_of(killed, process), pid_of(other, process)
    os.kill(first, signum)
    assert pid_of(killed, process, other_than=first) != first
    wait_for_gateway(honcho.port)
    assert pid_of(other, process) == unharmed
    stop(process)


def test_four_gateways_use_consecutive_ports(honcho: Honcho) -> None:
    process = honcho.start("-c", "gateway=4")
    ports = range(honcho.port, honcho.port + 4)
    for port in ports:
        wait_for_gateway(port)
    assert [urlopen(f"http://127.0.0.1:{port}/healthz").status for port in ports] == [200] * 4
    stop(process)


def test_wrong_settings_stop_all(honcho: Honcho) -> None:
    process = honcho.start("device", SPOKE_RATE_HZ="fast")
    assert process.wait(timeout_s=20) == 2
    assert process.output.count("SPOKE_RATE_HZ = 'fast'") == 1
    assert_nothing_left(process)


def test_used_port_stops_all(honcho: Honcho) -> None:
    with socket.create_server(("127.0.0.1", honcho.port)):
        process = honcho.start()
        assert process.wait(timeout_s=20) == 2
    assert process.output.count(str(honcho.port)) == 1
    assert_nothing_left(process)


def test_gateway_gets_first_port() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["gateway", "device"]
