"""Measure the work of the gateway that cannot be sliced, for the table in docs/guarantees.md.

usage: python -m tests.hostile.longest_work [CLIENTS]
"""

import json
import sys

from tests.hostile.attacker import TEXT, Attacker, event, frame, pour
from tests.hostile.scene import BIKE, Scene

CLIENTS = 2_000
GROUP = 1_000
LASTS_S = 3.0
SUBSCRIBE = event("subscribe", json.dumps({"devices": [BIKE]}))
MESSAGES = {
    "keys": json.dumps({f"k{number}": number for number in range(4_500)}),
    "nested arrays": "[" * 29_000 + "]" * 29_000,
    "numbers": "[" + "1," * 29_000 + "1]",
    "objects": "[" + "{}," * 19_000 + "{}]",
    "escapes": '"' + "\\u00e4" * 9_900 + '"',
}


def measure(clients: int) -> None:
    """Measure one thing after the other, and print each."""
    scene = Scene(connections_max=clients + GROUP, crowd=0)
    try:
        for name, body in MESSAGES.items():
            _print(f"a message of 60 kB: {name}", _turn_of(scene, [event("x", body)]))
        for count in (GROUP, clients):
            _print(f"a flush to {count} clients", _turn_of(scene, [SUBSCRIBE] * count))
    finally:
        scene.close()


def _turn_of(scene: Scene, firsts: list[bytes]) -> dict[str, float]:
    """Have a client for each of these send it, and return what was measured afterwards."""
    with Attacker(scene.target) as attacker:
        clients = attacker.websockets(len(firsts))
        scene.report()
        for client, first in zip(clients, firsts, strict=True):
            client.sendall(first)
        if len(clients) > 1:  # who subscribes is not what is measured
            pour(clients, frame(TEXT, b"6"), bytes_max=0, lasts_s=LASTS_S)
            scene.report()
        pour(clients, frame(TEXT, b"6"), bytes_max=0, lasts_s=LASTS_S)
        return scene.report()


def _print(what: str, report: dict[str, float]) -> None:
    turn_ms, full_ms = report["longest_turn_ms"], report["full_collection_ms"]
    line = f"{what}: longest turn {turn_ms:.1f} ms, a collection of all objects {full_ms:.1f} ms"
    print(line, flush=True)  # noqa: T201  # this program speaks on the terminal


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else CLIENTS)
