"""Peers of ZeroMQ: publishers and replays that mean no good."""

import socket
from contextlib import suppress

from tests import processes
from tests.hostile.attacker import HONEST, LASTS_S, WAIT_S, Attacker, pour
from tests.hostile.attacks.table import attack
from tests.hostile.zmtp_flood import greet

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
PROGRAM = "tests.hostile.attacks.peer"
FRAME_WITHOUT_END = b"\x01\x00"
"""An empty frame that says that more follow. libzmq keeps 64 bytes for it."""
ONE_FRAME = b"\x00\x01x"
"""A message that the gateway reads and does not know."""
FLOODS = 4
FLOOD_MB, ENDLESS_MB = 40.0, 45.0
"""Usually less than 20 MB. With 15 threads for two processors a look at the memory may come 50 ms
late: then at most 24 and 28 MB in 20 runs each, and more on a slower machine. Four floods of 34 MB
would take 136 MB."""
FRAMES_BYTES = 8_000_000
"""Of each peer. All together would take 3 GB."""


@attack(clients=60, growth_mb=FLOOD_MB)
def replay_peers_that_leave(attacker: Attacker) -> None:
    """Peers fill their queues with offers, and their process ends without a word."""
    for _ in range(FLOODS):
        _run_peers("offers", attacker.target.replay_bind)


@attack(clients=20)
def replay_peers_that_take_nothing(attacker: Attacker) -> None:
    """Peers offer bikes, are asked, and never read what they are asked."""
    _run_peers("deaf", attacker.target.replay_bind)


@attack(clients=20)
def rubbish_publishers(attacker: Attacker) -> None:
    """Messages of every kind that are no reading."""
    _run_peers("rubbish", attacker.target.device_bind)


@attack(clients=12, growth_mb=ENDLESS_MB)
def messages_without_end(attacker: Attacker) -> None:
    """One message with frames for ever, of peers that publish and of peers that answer."""
    _pour_frames(_greeted(attacker))


@attack(clients=12, growth_mb=ENDLESS_MB)
def messages_without_end_after_good_ones(attacker: Attacker) -> None:
    """The same, of peers that the gateway has heard."""
    lines = _greeted(attacker)
    for line in lines:
        with suppress(OSError):
            line.sendall(ONE_FRAME)
    _pour_frames(lines)


def _greeted(attacker: Attacker) -> list[socket.socket]:
    """Connect peers that publish and peers that answer."""
    lines = []
    for port, kind in (
        (attacker.target.device_bind, b"PUB"),
        (attacker.target.replay_bind, b"DEALER"),
    ):
        for _ in range(6):
            line = socket.create_connection((HONEST, port))
            lines.append(line)
            with suppress(OSError):  # new connections are cut off for a while
                line.settimeout(WAIT_S)
                greet(line, kind)
    return lines


def _pour_frames(lines: list[socket.socket]) -> None:
    pour(lines, FRAME_WITHOUT_END * 32_768, lasts_s=1.0, bytes_max=FRAMES_BYTES)
    for line in lines:
        line.close()


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
