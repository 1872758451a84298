"""The units of systemd: systemd accepts them, and the processes answer as they demand."""

import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import StartProcess
from tests.ports import free_port
from tests.processes import ROOT
from tests.servers import server
from tests.timing import scaled_s

UNITS = sorted((ROOT / "configs" / "systemd").glob("*.service"))
INSTALLED = "/opt/spoke"
WATCHDOG_USEC = "900000"
"""Less than the units say: a beat each 0.3 s."""


def values(unit: Path, key: str) -> list[str]:
    """Return the values of a key of a unit."""
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == ["spoke-device", "spoke-gateway"]


def test_the_units_wait_for_reports() -> None:
    for unit in UNITS:
        assert (values(unit, "Type"), values(unit, "WatchdogSec")) == (["notify"], ["30"])


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = server("systemd-analyze")
    (tmp_path / "spoke").symlink_to(ROOT)
    copies = [tmp_path / unit.name for unit in UNITS]
    for unit, copy in zip(UNITS, copies, strict=True):
        copy.write_text(unit.read_text(encoding="utf-8").replace(INSTALLED, f"{tmp_path}/spoke"))
    done = subprocess.run([analyze, "verify", *copies], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_processes_report_to_systemd(start_process: StartProcess, tmp_path: Path) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(notify_socket(tmp_path / unit.stem)) for unit in UNITS]
        processes = [
            start_process(
                ["python", *values(unit, "ExecStart")[0].split()[1:]],
                {
                    **environment(unit, tmp_path),
                    **addresses(unit, tmp_path),
                    "NOTIFY_SOCKET": systemd.getsockname(),
                    "WATCHDOG_USEC": WATCHDOG_USEC,
                },
            )
            for unit, systemd in zip(UNITS, sockets, strict=True)
        ]
        for process, systemd in zip(processes, sockets, strict=True):
            assert [systemd.recv(100) for _ in range(4)] == [b"READY=1", *[b"WATCHDOG=1"] * 3]
            process.process.send_signal(signal.SIGTERM)
            while (said := systemd.recv(100)) == b"WATCHDOG=1":
                pass
            assert said == b"STOPPING=1"
            assert process.wait() == 0
            assert "setting_ignored" not in process.output


@contextmanager
def notify_socket(path: Path) -> Iterator[socket.socket]:
    """Listen as systemd does for what a process reports."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(scaled_s(20))
        yield systemd


def environment(unit: Path, folder: Path) -> dict[str, str]:
    """Return the environment that a unit sets, with the folders of systemd below ``folder``."""
    words = [word for text in values(unit, "Environment") for word in shlex.split(text)]
    pairs = dict(word.split("=", 1) for word in words)
    places = {"%S": folder / "lib", "%L": folder / "log"}
    for place in places.values():
        (place / unit.stem).mkdir(parents=True)
    for specifier, place in places.items():
        pairs = {name: value.replace(specifier, str(place)) for name, value in pairs.items()}
    return pairs


def addresses(unit: Path, folder: Path) -> dict[str, str]:
    """Return endpoints and a port that nobody else uses."""
    replay = "SPOKE_REPLAY_BIND" if unit.stem == "spoke-device" else "SPOKE_REPLAY_CONNECT"
    return {
        "SPOKE_PUB_BIND": f"ipc://{folder}/live",
        "SPOKE_DEVICE_CONNECT": f"ipc://{folder}/live",
        replay: f"ipc://{folder}/replay",
        "SPOKE_GATEWAY_PORT": str(free_port()),
    }
