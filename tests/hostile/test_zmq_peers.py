"""Hostile peers of every ZeroMQ socket, in processes that are killed with all they sent unread.

libzmq aborts its process where a receive queue is full, the peer has left and a PING is under way.
"""

import os
import signal
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress

import psutil
import pytest
import zmq

from shared.contexts import open_context
from tests.conftest import StartProcess
from tests.processes import RunningProcess
from tests.timing import eventually, scaled_s

ROUNDS = 3
FLOODS = 4
MESSAGES = 200_000
SENT_MAX_S = 3.0
"""As long as it may take a peer to send all, or until it is cut off."""
GROWTH_MAX_MB = 120
"""By what a process may grow meanwhile; on a calm machine it is half of that at most."""

FreePort = Callable[[], int]


def flood(start_process: StartProcess, how: str, port: int, kind: str) -> RunningProcess:
    words = ["-m", "tests.hostile.zmtp_flood", how, str(port), kind, str(MESSAGES)]
    return start_process(["python", *words])


def flood_in_rounds(start_process: StartProcess, how: str, port: int, kind: str) -> None:
    """Have peers flood a port, and kill them; where they listen there is one at a time."""
    for _ in range(ROUNDS):
        count = 1 if how == "listen" else FLOODS
        peers = [flood(start_process, how, port, kind) for _ in range(count)]
        for peer in peers:
            with suppress(AssertionError):  # what is not read keeps it from sending all
                peer.wait_for_line("sent", timeout_s=SENT_MAX_S)
            os.kill(peer.pid, signal.SIGKILL)
        for peer in peers:
            peer.wait()


@pytest.mark.parametrize(
    ("how", "setting", "kind"),
    [
        ("connect", "SPOKE_DEVICE_BIND", "PUB"),
        ("connect", "SPOKE_REPLAY_BIND", "DEALER"),
        ("listen", "SPOKE_DEVICE_CONNECT", "PUB"),
        ("listen", "SPOKE_REPLAY_CONNECT", "ROUTER"),
    ],
)
def test_a_gateway_outlives_peers_killed_with_all_unread(
    start_process: StartProcess, free_port: FreePort, how: str, setting: str, kind: str
) -> None:
    web, port = free_port(), free_port()
    environ = {
        "SPOKE_ENV": "test",
        "SPOKE_LOG_LEVEL": "INFO",
        "SPOKE_GATEWAY_PORT": str(web),
        "SPOKE_DEVICE_CONNECT": f"tcp://127.0.0.1:{free_port()}",
        "SPOKE_REPLAY_CONNECT": f"tcp://127.0.0.1:{free_port()}",
    }
    if setting.endswith("_BIND"):
        del environ[setting.replace("BIND", "CONNECT")]
    environ[setting] = f"tcp://127.0.0.1:{port}"
    gateway = start_process(["python", "-m", "gateway"], environ)
    gateway.wait_for_line("gateway_started")
    before = memory_mb(gateway)
    flood_in_rounds(start_process, how, port, kind)
    assert is_healthy(web)
    assert memory_mb(gateway) - before < GROWTH_MAX_MB
    assert gateway.stop() == 0
    assert "Traceback" not in gateway.output


@pytest.mark.parametrize(
    ("how", "setting", "kind"),
    [
        ("connect", "SPOKE_REPLAY_BIND", "DEALER"),
        ("connect", "SPOKE_PUB_BIND", "SUB"),
        ("listen", "SPOKE_REPLAY_CONNECT", "ROUTER"),
        ("listen", "SPOKE_PUB_CONNECT", "SUB"),
    ],
)
def test_a_device_outlives_peers_killed_with_all_unread(
    start_process: StartProcess, free_port: FreePort, how: str, setting: str, kind: str
) -> None:
    port, live = free_port(), free_port()
    environ = {
        "SPOKE_ENV": "test",
        "SPOKE_LOG_LEVEL": "INFO",
        "SPOKE_PUB_BIND": f"tcp://127.0.0.1:{live}",
        "SPOKE_REPLAY_BIND": f"tcp://127.0.0.1:{free_port()}",
    }
    other = setting.replace("CONNECT", "BIND")
    environ.pop(other)
    environ[setting] = f"tcp://127.0.0.1:{port}"
    device = start_process(["python", "-m", "device"], environ)
    device.wait_for_line("started")
    before = memory_mb(device)
    with open_context() as context, closing(context.socket(zmq.SUB)) as honest:
        honest.linger, honest.rcvtimeo = 0, int(scaled_s(5.0) * 1_000)
        if other != "SPOKE_PUB_BIND" or setting == "SPOKE_PUB_BIND":
            honest.subscribe(b"ebike/")
            honest.connect(environ["SPOKE_PUB_BIND"])
            honest.recv_multipart()
        flood_in_rounds(start_process, how, port, kind)
        if setting != "SPOKE_PUB_CONNECT":
            while honest.poll(0):
                honest.recv_multipart()
            honest.recv_multipart()
    assert memory_mb(device) - before < GROWTH_MAX_MB
    assert device.stop() == 0
    assert "Traceback" not in device.output


def memory_mb(process: RunningProcess) -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def is_healthy(port: int) -> bool:
    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as it:
            return bool(it.status == 200)
        return False

    eventually(answers, what="an answer")
    return True
