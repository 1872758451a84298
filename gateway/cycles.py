"""Keeps garbage collections short: the collector looks at each long-lived object once.

How it works. Reference counting frees nearly everything here: a client that leaves, a device that
gives way, a message. The collector only searches for cycles, and it holds the loop meanwhile. Its
time grows with the objects that it looks at, 0.2 to 0.4 µs for each, and a device has 24 of them.

- The objects of the start are excluded for good, and a collection begins after more new objects
  than Python's default.
- A full collection frees all cycles that nobody refers to. Everything that it leaves is in use, so
  :func:`_note` excludes it, too (``gc.freeze``). The next full collection therefore sees the
  objects made since this one only: at most :data:`FULL_AFTER`, however many devices and clients
  there are.

The cost: an excluded cycle that ends later is never freed. ``tests/hostile/test_collections.py``
checks that no client or request leaves one behind. Devices have none: nothing that belongs to one
refers back to it.
"""

import gc
from collections.abc import Mapping

CYCLES_AFTER = 20_000
"""The collector runs after so many new objects; Python's default is 700."""
MIDDLE_AFTER, FULL_AFTER_MIDDLE = 1, 0
"""More than so many young collections come before one of the middle generation, and more than so
many of those before a full one."""
FULL_AFTER = CYCLES_AFTER * (MIDDLE_AFTER + 2) * (FULL_AFTER_MIDDLE + 2)
"""The new objects that a full collection looks at while none of them ends."""
OLDEST = 2


def collect_rarely() -> None:
    """Exclude all objects made so far from collections, and make collections rare and short."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(CYCLES_AFTER, MIDDLE_AFTER, FULL_AFTER_MIDDLE)
    if _note not in gc.callbacks:
        gc.callbacks.append(_note)


def _note(phase: str, info: Mapping[str, int]) -> None:
    """Exclude everything that a full collection found to be in use."""
    if phase == "stop" and info["generation"] == OLDEST:
        gc.freeze()
