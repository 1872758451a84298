"""``python -m scripts.fault_runs``: random faults, then a table. Exits with 1 if a guarantee fails.

``--named`` runs the faults of ``tests/faults`` instead, one by one, at full length. ``--cluster``
kills gateways behind HAProxy instead.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from random import Random

from scripts.fault_runs.cluster import CLIENTS, FAILURES, ClusterScene, raise_descriptor_limit
from scripts.fault_runs.faults import FAULTS, GAPS
from scripts.fault_runs.scene import Scene
from scripts.fault_runs.table import is_kept, reasons, render, sentence
from shared.program import run as run_program
from tests.faults.stage import assert_back

SEED_MAX = 10_000
LONGEST_S = 900
"""The longest fault test takes several minutes, because it cuts a connection at every byte."""


def main() -> int:
    """Run for the chosen time; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (%(default)g)")
    parser.add_argument(
        "--seed", type=int, default=None, help="the same seed gives the same faults"
    )
    parser.add_argument(
        "--named", action="store_true", help="run the faults of tests/faults at full length"
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="kill one of two gateways behind HAProxy every 10 s",
    )
    parser.add_argument(
        "--clients", type=int, default=CLIENTS, help="how many clients of a cluster (%(default)d)"
    )
    options = parser.parse_args()
    if options.named:
        return run_named()
    if options.cluster:
        return run_cluster(options.clients, options.minutes * 60)
    seed = Random().randrange(SEED_MAX) if options.seed is None else options.seed
    say(f"seed {seed}, {options.minutes:g} minutes")
    with ExitStack() as stack:
        scene = Scene(stack, Random(seed))
        return run(scene, options.minutes * 60)


def run_named() -> int:
    """Run the fault tests at full length; return the exit code."""
    pytest = [sys.executable, "-m", "pytest", "--verbose", f"--timeout={LONGEST_S}", "tests/faults"]
    environ = {**os.environ, "FAULTS_AT_FULL_LENGTH": "1"}
    return subprocess.run(pytest, env=environ, check=False).returncode


def run_cluster(clients: int, lasts_s: float) -> int:
    """Kill gateways behind HAProxy, then print the table. Return 1 if a client missed a reading."""
    raise_descriptor_limit()
    broken = ""
    with ExitStack() as stack:
        scene = ClusterScene(stack, say, clients)
        part = "start"
        try:
            scene.start()
            say("all clients have all readings")
            part = "run"
            scene.run(lasts_s)
        except FAILURES as error:
            broken = f"the {part} failed: {sentence(error)}"
        print(render(scene.witnesses, scene.done), flush=True)
    if broken:
        say(broken)
    return int(bool(broken or reasons(scene.witnesses)) or not is_kept(scene.witnesses))


def run(scene: Scene, lasts_s: float) -> int:
    """Apply faults until the time is up, then print the table. Return 1 if a guarantee failed."""
    done: Counter[str] = Counter()
    scene.start()
    until_s = time.monotonic() + lasts_s
    broken: list[str] = []
    try:
        while time.monotonic() < until_s:
            break_one(scene, done)
        assert_back(scene.gateway.pid, scene.before)
    except AssertionError as error:
        broken.append(str(error)[:2_000])
    print(render(scene.witnesses, done), flush=True)
    for what in broken:
        say(what)
    return int(bool(broken) or not is_kept(scene.witnesses))


def break_one(scene: Scene, done: Counter[str]) -> None:
    """Apply a random fault, end it, and wait until all witnesses have all readings."""
    name = scene.draw.choice(sorted(FAULTS))
    began_s = time.monotonic()
    told = reasons(scene.witnesses)
    done[name] += 1
    FAULTS[name](scene)
    broke_s = time.monotonic()
    scene.settle()
    settled_s = time.monotonic() - broke_s
    more = reasons(scene.witnesses) - told
    assert more.keys() <= GAPS.get(name, frozenset()), f"{name} led to gaps: {dict(more)}"
    say(f"{done.total():4} {name}: {broke_s - began_s:.1f} s, settled in {settled_s:.1f} s")


def say(text: str) -> None:
    print(f"faults: {text}", flush=True)


if __name__ == "__main__":
    run_program(main, unread=1)
