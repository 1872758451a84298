"""The health check of the image, beside real processes."""

import signal
from collections.abc import Callable

import pytest

from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.system.pair import Pair

COMMAND = ["python", "-m", "scripts.healthcheck"]


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


def test_healthy_hung_and_other_processes(pair: Pair) -> None:
    other = pair.start_process(["sleep", "60"])
    device = ["python", "-m", "device", "--pub-bind", f"tcp://0.0.0.0:{pair.live}"]
    gateway = ["python", "-m", "gateway", "--gateway-port", str(pair.web)]
    processes = [pair.start_device(device), pair.start_gateway(gateway)]
    assert results(pair, [*processes, other], seconds=5) == [
        ("the device publishes", 0),
        ("the gateway answers with 200", 0),
        ("the process is neither a device nor a gateway", 1),
    ]
    for process in processes:
        process.process.send_signal(signal.SIGSTOP)
    assert results(pair, processes, seconds=0.2) == [
        ("the device is silent", 1),
        ("the gateway does not answer: timed out", 1),
    ]


def results(pair: Pair, processes: list[RunningProcess], seconds: float) -> list[tuple[str, int]]:
    """Check processes at the same time; return what each check said, and its exit code."""
    options = [f"--pid={process.pid} --seconds={seconds}".split() for process in processes]
    checks = [pair.start_process([*COMMAND, *each], pair.environ({})) for each in options]
    codes = [check.wait() for check in checks]
    return [(check.output, code) for check, code in zip(checks, codes, strict=True)]
