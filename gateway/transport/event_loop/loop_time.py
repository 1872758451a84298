"""How much of the loop's time one client took lately: a greedy client waits behind all others."""

FREE_S = 0.0001
"""A shorter piece of work is not counted. Most clients never send anything that takes longer."""
ALLOWED_S = 0.002
"""The work of a client that took less than this is light (``timeslice``): it is served first."""
REFILL = 0.001
"""Seconds forgiven a second: so few that the work of a thousand floods cannot all be light."""


class LoopTime:
    """The seconds that one client took, less those forgiven since."""

    __slots__ = ("_charged_s", "_used_s")

    def __init__(self, now_s: float) -> None:
        self._used_s = 0.0
        self._charged_s = now_s

    def add(self, took_s: float, now_s: float) -> None:
        self._used_s = self._left_at(now_s) + took_s
        self._charged_s = now_s

    def is_small(self, now_s: float) -> bool:
        """True when the client took so little that its work is light."""
        return self._left_at(now_s) < ALLOWED_S

    def _left_at(self, now_s: float) -> float:
        return max(0.0, self._used_s - (now_s - self._charged_s) * REFILL)


def charge(used: LoopTime | None, began_s: float, now_s: float) -> LoopTime | None:
    """Add a piece of work to a client's time; None stands for a client that never took long."""
    took_s = now_s - began_s
    if took_s < FREE_S:
        return used
    used = used or LoopTime(now_s)
    used.add(took_s, now_s)
    return used
