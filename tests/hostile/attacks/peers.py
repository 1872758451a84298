"""Peers of ZeroMQ: publishers and replays that mean no good."""

import socket
from contextlib import suppress

from tests import processes
from tests.hostile.attacker import HONEST, LASTS_S, Attacker, pour
from tests.hostile.attacks.table import attack

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
PROGRAM = "tests.hostile.attacks.peer"
FLOODS = 4
FLOOD_MB = 100.0
"""libzmq's thread reads without a bound until the peers are cut off, and on a busy machine the loop
takes a while for the four turns before that: two floods of 34 MB were held at most. Four would be,
if nothing were dropped."""


@attack(clients=60, growth_mb=FLOOD_MB)
def replay_peers_that_leave(attacker: Attacker) -> None:
    """Peers fill their queues with offers, and their process ends without a word."""
    for _ in range(FLOODS):
        _run_peers("offers", attacker.target.replay_bind)


@attack(clients=20)
def replay_peers_that_take_nothing(attacker: Attacker) -> None:
    """Peers offer bikes, are asked, and never read what they are asked."""
    _run_peers("deaf", attacker.target.replay_bind)


@attack(clients=20, growth_mb=FLOOD_MB)  # 64 MB of messages may wait for a link
def rubbish_publishers(attacker: Attacker) -> None:
    """Messages of every kind that are no reading."""
    _run_peers("rubbish", attacker.target.device_bind)


@attack(clients=60)
def greetings_that_stop(attacker: Attacker) -> None:
    """What is no ZMTP, or its beginning, or a frame of any announced size."""
    for port in (attacker.target.device_bind, attacker.target.replay_bind):
        lines = []
        for first in (b"GET / HTTP/1.1\r\n\r\n", GREETING[:-1], GREETING + b"\x04" + b"\xff" * 8):
            for _ in range(20):
                line = socket.create_connection((HONEST, port))
                with suppress(OSError):
                    line.sendall(first)
                lines.append(line)
        pour(lines, b"\x00" * 1_000, lasts_s=LASTS_S / 2, bytes_max=10_000)
        for line in lines:
            line.close()


def _run_peers(kind: str, port: int) -> None:
    """Run peers in a process of their own: it ends as a crashed one does."""
    process = processes.start(["python", "-m", PROGRAM, kind, str(port)])
    try:
        process.wait(timeout_s=20)
    finally:
        process.close()
    assert not process.output, process.output
