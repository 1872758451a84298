"""Stock clients against a server in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.gateway.transport.clients import answers, until
from tests.timing import scaled_s

HERE = Path(__file__).parent

PYTHON_CLIENT = """
import sys, time
import socketio
url, transports = sys.argv[1], sys.argv[2].split(",")
client, got = socketio.Client(reconnection=False), []
client.on("message", got.append)
client.connect(url, transports=transports, wait_timeout=10)
assert client.call("echo", {"data": b"\\x00\\x01"}, timeout=10) == {"data": b"\\x00\\x01"}
for number in range(100):
    client.emit("message", number)
client.call("echo", "last", timeout=10)
print(client.transport(), got == list(range(100)))
client.disconnect()
"""


def test_an_upgrade_loses_repeats_and_reorders_nothing(
    start_process: StartProcess, free_port: Callable[[], int]
) -> None:
    port = free_port()
    start_process(["python", "app.py", str(port)], directory=HERE / "upgrades")
    answer = subprocess.run(
        ["node", "clients.mjs", f"http://127.0.0.1:{port}"],
        cwd=HERE / "upgrades",
        check=True,
        capture_output=True,
        timeout=scaled_s(60),
    )
    assert json.loads(answer.stdout) == [[]] * 20


@pytest.mark.parametrize(
    ("transports", "ends_with"),
    [("polling", "polling"), ("websocket", "websocket"), ("polling,websocket", "websocket")],
)
def test_stock_python_client_in_order(
    transports: str, ends_with: str, start_process: StartProcess, free_port: Callable[[], int]
) -> None:
    port = free_port()
    environ = {"TRANSCRIPT_KIND": "ours"}
    start_process(["python", "app.py", str(port)], environ, HERE / "transcripts")
    until(lambda: answers(port), 20)
    answer = subprocess.run(
        [sys.executable, "-c", PYTHON_CLIENT, f"http://127.0.0.1:{port}", transports],
        check=True,
        capture_output=True,
        text=True,
        timeout=scaled_s(60),
    )
    assert answer.stdout.split() == [ends_with, "True"]
