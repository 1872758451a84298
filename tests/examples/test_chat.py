"""The chat of the examples with stock clients, on the stock class and on ours."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartProcess
from tests.gateway.transport.clients import answers, until
from tests.processes import ROOT
from tests.timing import scaled_s

CHAT = (ROOT / "examples" / "chat.py").read_text()
OURS = "from gateway.transport import SocketIO"
STOCK = "from flask_socketio import SocketIO"
TOLD: list[Any] = [
    *[["give a name", {"at_most": 40}]] * 3,
    False,
    ["Ann", "heard", None, "Ann is here"],
    {"room": "lobby"},
    ["Ann", "heard", None, "Bob is here"],
    ["Bob", "heard", None, "Bob is here"],
    {"room": "lobby"},
    ["Ann", "heard", "Ann", "hello ü"],
    ["Bob", "heard", "Ann", "hello ü"],
    True,
    ["Ann", "heard", None, "Bob left"],
    ["Bob", "heard", None, "Bob is here"],
    {"room": "kitchen"},
    ["Bob", "heard", "Bob", "alone"],
    True,
    ["Ann", "heard", None, "Bob is here"],
    ["Bob", "heard", None, "Bob is here"],
    {"room": "lobby"},
    ["Ann", "heard", None, "Bob left"],
]


def talk(port: int, transport: str) -> list[Any]:
    """Let the stock clients talk; return what they were told, in no order."""
    answer = subprocess.run(
        ["node", "talk.mjs", f"http://127.0.0.1:{port}", transport],
        cwd=Path(__file__).parent / "chat",
        check=True,
        capture_output=True,
        timeout=scaled_s(60),
    )
    return sorted(json.loads(answer.stdout), key=repr)


SERVERS = {
    "run": ["python", "-m", "examples.chat", "{port}"],
    "gunicorn": [
        *("python", "-m", "gunicorn", "-k", "gevent", "-w", "1", "-b", "127.0.0.1:{port}"),
        "examples.chat:app",
    ],
}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("server", SERVERS)
def test_chat_with_stock_clients(
    server: str, transport: str, start_process: StartProcess, free_port: Callable[[], int]
) -> None:
    port = free_port()
    process = start_process([word.format(port=port) for word in SERVERS[server]])
    until(lambda: answers(port), 20)
    assert talk(port, transport) == sorted(TOLD, key=repr)
    process.stop()
    assert "Traceback" not in process.output


def test_chat_on_the_stock_class(
    tmp_path: Path, start_process: StartProcess, free_port: Callable[[], int]
) -> None:
    assert CHAT.count(OURS) == 1
    (tmp_path / "chat.py").write_text(CHAT.replace(OURS, STOCK))
    port = free_port()
    start_process(["python", str(tmp_path / "chat.py"), str(port)])
    until(lambda: answers(port), 20)
    assert talk(port, "websocket") == sorted(TOLD, key=repr)
