"""A gateway or device that hangs is started again by its supervisor."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.conftest import StartProcess
from tests.processes import RunningProcess, assert_nothing_left
from tests.scripts.under_honcho import pid_of
from tests.timing import scaled_s

HANGS = """
import runpy, signal
def spin(*_):
    while True: pass
signal.signal(signal.SIGALRM, spin)
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def environ(free_port: Callable[[], int], tmp_path: object) -> dict[str, str]:
    """Return settings for either process, on ports of the test's own."""
    return {
        "SPOKE_ENV": "test",
        "SPOKE_LOG_LEVEL": "INFO",
        "SPOKE_LOG_DIR": f"{tmp_path}/logs",
        "SPOKE_GATEWAY_PORT": str(free_port()),
        "SPOKE_PUB_BIND": f"tcp://127.0.0.1:{free_port()}",
        "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{free_port()}",
    }


def keep(start_process: StartProcess, environ: dict[str, str], *command: str) -> RunningProcess:
    watched = ["python", "-m", "scripts.supervise", "--watchdog", str(scaled_s(2))]
    return start_process([*watched, *command], environ)


@pytest.mark.parametrize("module", ["gateway", "device"])
def test_stopped(start_process: StartProcess, environ: dict[str, str], module: str) -> None:
    keeper = keep(start_process, environ, "python", "-m", module)
    keeper.wait_for_line("(gateway_)?started ")
    os.kill(pid_of(module, keeper), signal.SIGSTOP)
    keeper.wait_for_line("gave no sign of life")
    keeper.wait_for_line("ended with exit code 137")
    keeper.wait_for_line("(gateway_)?started ", count=2)
    assert keeper.stop() == 0
    assert_nothing_left(keeper)


@pytest.mark.parametrize("module", ["gateway", "device"])
def test_busy(start_process: StartProcess, environ: dict[str, str], module: str) -> None:
    hangs = f"import os; print('pid', os.getpid(), flush=True)\n{HANGS.format(module=module)}"
    keeper = keep(start_process, environ, "python", "-c", hangs)
    pid = int(keeper.wait_for_line(r"^pid (\d+)")[1])
    keeper.wait_for_line("(gateway_)?started ")
    os.kill(pid, signal.SIGALRM)
    keeper.wait_for_line('File "<string>", line .* in spin')
    keeper.wait_for_line("ended with exit code 134")
    keeper.wait_for_line("(gateway_)?started ", count=2)
    assert keeper.stop() == 0


def test_well(start_process: StartProcess, environ: dict[str, str]) -> None:
    keepers = [
        keep(start_process, environ, "python", "-m", module) for module in ("gateway", "device")
    ]
    for keeper in keepers:
        keeper.wait_for_line("(gateway_)?started ")
    with pytest.raises(AssertionError, match="no line matches"):
        keepers[0].wait_for_line("gave no sign of life", timeout_s=6)
    for keeper in keepers:
        assert "gave no sign of life" not in keeper.output
        assert keeper.stop() == 0
