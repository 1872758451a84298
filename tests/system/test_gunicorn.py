"""The whole gateway under gunicorn; a reload loses no reading of a client that resumes."""

import signal
from typing import Any

import pytest

from tests.conftest import StartProcess
from tests.system.pair import Pair

GUNICORN = ["python", "-m", "gunicorn", "-c", "configs/gunicorn.conf.py"]
CLIENTS = [["python", "examples/watch_bikes.py"], ["node", "examples/watch_bikes.mjs"]]
READING = r"^ebike-001 (\d+) "


@pytest.mark.parametrize("devices_connect", [False, True])
def test_reload_loses_nothing(
    pair: Pair, start_process: StartProcess, devices_connect: bool
) -> None:
    live, replay = (f"tcp://127.0.0.1:{port}" for port in (pair.live, pair.replay))
    swapped: dict[str, dict[str, Any]] = {
        "gateway": {
            "SPOKE_DEVICE_CONNECT": None,
            "SPOKE_DEVICE_BIND": live,
            "SPOKE_REPLAY_CONNECT": None,
            "SPOKE_REPLAY_BIND": replay,
        },
        "device": {
            "SPOKE_PUB_BIND": None,
            "SPOKE_PUB_CONNECT": live,
            "SPOKE_REPLAY_BIND": None,
            "SPOKE_REPLAY_CONNECT": replay,
        },
    }
    ways: dict[str, dict[str, Any]] = swapped if devices_connect else {"gateway": {}, "device": {}}
    gunicorn = pair.start_gateway(GUNICORN, **ways["gateway"])
    pair.start_device(SPOKE_RATE_HZ="50", **ways["device"])
    pair.wait_until_known("ebike-001")
    clients = [start_process([*command, pair.url]) for command in CLIENTS]
    for client in clients:
        client.wait_for_line(READING, count=20)
    gunicorn.process.send_signal(signal.SIGHUP)
    gunicorn.wait_for_line("gateway_stopped")
    gunicorn.wait_for_line("gateway_started", count=2)
    seen = [len(client.output.splitlines()) for client in clients]
    for client, count in zip(clients, seen, strict=True):
        client.wait_for_line(READING, count=count + 100)
        numbers = [int(line.split()[1]) for line in client.output.splitlines()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert gunicorn.stop(timeout_s=30) == 0
    assert "Traceback" not in gunicorn.output
