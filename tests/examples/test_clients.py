"""The clients of the examples, run as they stand against a gateway that is killed meanwhile."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.processes import ROOT, RunningProcess
from tests.system.pair import Pair

CLIENTS = {"python": "watch_bikes.py", "node": "watch_bikes.mjs"}
BIKES = ("ebike-001", "ebike-002")
LINE = r"^(ebike-00[12]) (\d+) [\d.]+$"


@pytest.fixture
def pair(start_process: StartProcess, free_port: Callable[[], int]) -> Pair:
    """A device and a gateway that know each other's ports; nothing runs yet."""
    return Pair(start_process, web=free_port(), live=free_port(), replay=free_port())


def source(name: str) -> Path:
    return ROOT / "examples" / name


def wait_for_more(client: RunningProcess) -> None:
    client.wait_for_line(LINE, count=len(client.output.splitlines()) + 40)


def numbers(client: RunningProcess, bike: str) -> list[int]:
    lines = (line.split() for line in client.output.splitlines() if line.startswith(bike))
    return [int(number) for _bike, number, _speed in lines]


@pytest.mark.parametrize("program", CLIENTS)
def test_prints_each_reading_once(program: str, pair: Pair) -> None:
    pair.start_device(SPOKE_FLEET_SIZE="2", SPOKE_RATE_HZ="50")
    gateway = pair.start_gateway()
    pair.wait_until_known("ebike-002")
    client = pair.start_process([program, str(source(CLIENTS[program])), pair.url])
    wait_for_more(client)
    gateway.stop(signal.SIGKILL)
    pair.start_gateway()
    wait_for_more(client)
    for bike in BIKES:
        seen = numbers(client, bike)
        assert seen == list(range(seen[0], seen[0] + len(seen)))
    client.stop(signal.SIGTERM)


@pytest.mark.parametrize("name", CLIENTS.values())
def test_a_client_is_a_dozen_lines(name: str) -> None:
    lines = [line for line in source(name).read_text().splitlines()[1:] if line.strip()]
    code = [
        line for line in lines if not line.startswith("import") and line.strip()[0] not in "#/}"
    ]
    assert len(code) <= 12
