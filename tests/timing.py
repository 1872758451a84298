"""Time limits of the tests, scaled by one factor for slow machines."""

import os
import time
from collections.abc import Callable

FACTOR = float(os.environ.get("TEST_TIME_FACTOR", "1"))
"""Multiplies every time limit. Not named SPOKE_…: the product refuses settings it does not know."""

POLL_S = 0.02


def scaled_s(limit_s: float) -> float:
    """Return a time limit in seconds as it holds on this machine."""
    return limit_s * FACTOR


def eventually(
    condition: Callable[[], bool], *, what: str = "the condition", timeout_s: float = 20.0
) -> None:
    """Return as soon as ``condition`` holds; raise AssertionError when it does not in time.

    For what sends no message when it is ready, such as a process that is gone.
    """
    deadline = time.monotonic() + scaled_s(timeout_s)
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s} s"
        time.sleep(POLL_S)
