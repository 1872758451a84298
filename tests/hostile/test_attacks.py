"""Strangers attack a running gateway: the honest clients beside them notice nothing."""

import sys

import pytest

from tests.faults.stage import assert_whole
from tests.hostile.attacker import Attacker
from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.scene import Costs, Scene
from tests.timing import eventually, scaled_s

PAUSE_MAX_S = 2.0
"""On a machine that does nothing else. Else the gateway takes longer by a factor, which is measured
during each attack: what it ran and what it waited for a processor, as a multiple of what it ran. A
gateway that holds its loop runs, so the factor excuses nothing that it does itself."""
TURN_MAX = 40
"""Calibration loops (2.5 ms each). Measured: 2 to 12, as a turn of the loop has a slice for what
comes in, one for what was parked, and the hub's turn. 40 are the 100 ms of the longest work that
cannot be sliced (docs/guarantees.md)."""
LOG_LINES_MAX = 40
LEAK_MAX_MB = 40
"""By all attacks together, when everything is over: what the allocator keeps, and the rings."""


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack(scene: Scene, attack: Attack) -> None:
    with scene.measuring() as measured, Attacker(scene.target) as attacker:
        attack.run(attacker)
    (costs,) = measured
    sys.stdout.write(f"{attack.name}: {costs}\n")
    scene.wait_until_back()
    assert_unnoticed(scene, costs)
    assert costs.turn < TURN_MAX, str(costs)
    assert costs.growth_mb < attack.growth_mb + attack.clients * scene.client_mb, str(costs)
    assert len(costs.log_lines) < LOG_LINES_MAX, costs.log_lines
    assert not any("Traceback" in line for line in costs.log_lines), costs.log_lines


def test_memory_is_given_back(scene: Scene) -> None:
    """What waits for a client to come back goes with its connection, some seconds later."""
    eventually(
        lambda: scene.memory_mb() - scene.memory_before_mb < LEAK_MAX_MB,
        what="the memory before the attacks",
        timeout_s=30,
    )


def assert_unnoticed(scene: Scene, costs: Costs) -> None:
    """Assert that the honest clients missed nothing, saw nothing twice, and hardly waited."""
    for witness in scene.honest:
        assert_whole(witness)
        assert not witness.counts["disconnect"]
    assert not any(window.hidden for window in costs.windows), costs.windows
    assert costs.longest_pause_s < scaled_s(PAUSE_MAX_S) * costs.slowdown, str(costs)
