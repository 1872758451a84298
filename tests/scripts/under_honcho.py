"""The pair as honcho runs it, on ports of its own, seen from outside."""

import urllib.request
from pathlib import Path

import psutil

from tests.ports import free_port
from tests.processes import RunningProcess, processes_marked
from tests.timing import eventually

START_S = 30.0
"""Both import what they need before they answer, on a machine that does other things as well."""


def pair_settings(folder: Path) -> dict[str, str | None]:
    """Return settings that keep a pair apart from all others on this machine.

    Device and gateway share them, so both connect for replay: neither can bind what the other
    connects to. Nothing here needs replay.
    """
    live = f"tcp://127.0.0.1:{free_port()}"
    return {
        "SPOKE_ENV": "test",
        "SPOKE_LOG_DIR": str(folder / "logs"),
        "SPOKE_LOG_LEVEL": "INFO",
        "SPOKE_PUB_BIND": live,
        "SPOKE_DEVICE_CONNECT": live,
        "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{free_port()}",
    }


def wait_for_gateway(port: int) -> None:
    """Wait until a gateway answers on ``port``."""
    eventually(lambda: _answers(port), what=f"a gateway on port {port}", timeout_s=START_S)


def pid_of(module: str, honcho: RunningProcess, *, other_than: int = 0) -> int:
    """Wait for the process that runs ``python -m <module>`` under ``honcho``; return its id."""
    found: list[int] = []

    def runs() -> bool:
        pids = processes_marked(honcho.mark) - {other_than}
        found[:] = [pid for pid in pids if _runs_module(pid, module)]
        return len(found) == 1

    eventually(runs, what=f"a {module} process", timeout_s=START_S)
    return found[0]


def _runs_module(pid: int, module: str) -> bool:
    try:
        return psutil.Process(pid).cmdline()[1:3] == ["-m", module]
    except psutil.Error:  # it ended meanwhile
        return False


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
