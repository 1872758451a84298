"""Measure a running gateway with many clients: a full garbage collection, and its longest turn.

usage: python -m tests.hostile.longest_work [CLIENTS]

A collection cannot be sliced. The longest turn has one flush of a reading to all of these clients.
"""

import json
import sys

from tests.hostile.attacker import TEXT, Attacker, event, frame, pour
from tests.hostile.scene import BIKE, Scene

CLIENTS = 2_000
SETTLES_S, LASTS_S = 5.0, 5.0
SUBSCRIBE = event("subscribe", json.dumps({"devices": [BIKE]}))


def measure(clients: int) -> dict[str, float]:
    """Have so many clients watch one bike, and return what was measured (``Report``)."""
    scene = Scene(connections_max=clients + 10, crowd=0)
    try:
        with Attacker(scene.target) as attacker:
            lines = attacker.websockets(clients, SUBSCRIBE)
            pour(lines, frame(TEXT, b"6"), bytes_max=0, lasts_s=SETTLES_S)
            scene.report()
            pour(lines, frame(TEXT, b"6"), bytes_max=0, lasts_s=LASTS_S)
            return scene.report("clean")
    finally:
        scene.close()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CLIENTS
    sys.stdout.write(f"{count} clients: {json.dumps(measure(count))}\n")
