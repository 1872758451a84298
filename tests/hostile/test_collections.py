"""A garbage collection is short however much the gateway holds, and what ends is freed without one.

``gateway/cycles.py`` excludes from collections what a full one found in use: were there a reference
cycle among the objects of a client or a request, these would never be freed.
"""

import json

from tests.hostile.attacker import TEXT, Attacker, event, frame, pour
from tests.hostile.scene import BIKE, Scene

CLIENTS = 40
"""Of each kind."""
FULL_MAX = 8
"""Calibration loops of 2.5 ms. A collection of everything with 10,000 bikes takes 25 to 90."""


def test_collection_skips_what_is_in_use(scene: Scene) -> None:
    scene.report("clean")
    reports = [scene.report("clean") for _ in range(3)]
    assert min(it["full_collection_ms"] / it["calibration_ms"] for it in reports) < FULL_MAX


def test_what_was_excluded_is_freed(scene: Scene) -> None:
    one, everything = json.dumps({"devices": [BIKE]}), '{"devices":"*"}'
    scene.report("leaks")
    with Attacker(scene.target) as attacker:
        clients = attacker.websockets(CLIENTS, event("subscribe", one))
        clients += attacker.websockets(CLIENTS, event("subscribe", everything))
        attacker.sessions(CLIENTS)
        pour(clients, frame(TEXT, b"6"), bytes_max=0, lasts_s=0.5)
        scene.report("clean")  # excludes all that these clients have
    scene.wait_until_back()
    assert scene.report("leaks")["leaked"] < CLIENTS
