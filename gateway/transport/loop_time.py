"""The loop's time that one client took lately: a greedy client waits behind all others."""

FREE_S = 0.0001
"""A piece of work this short is not counted: most clients never send anything longer."""
ALLOWED_S = 0.002
"""A client that took less is served with the new work of a turn (``timeslice``)."""
REFILL = 0.001
"""Seconds forgiven a second: so few that a thousand floods cannot all count as new work."""


class Share:
    """The seconds that one client took, less those forgiven since."""

    __slots__ = ("_charged_s", "_used_s")

    def __init__(self, now_s: float) -> None:
        self._used_s = 0.0
        self._charged_s = now_s

    def add(self, took_s: float, now_s: float) -> None:
        """Charge a piece of work."""
        self._used_s = self._left_at(now_s) + took_s
        self._charged_s = now_s

    def is_small(self, now_s: float) -> bool:
        """True when the client took so little that it goes before the others."""
        return self._left_at(now_s) < ALLOWED_S

    def _left_at(self, now_s: float) -> float:
        return max(0.0, self._used_s - (now_s - self._charged_s) * REFILL)


def charge(share: Share | None, began_s: float, now_s: float) -> Share | None:
    """Charge a piece of work to a client; one that never took long has no share object."""
    took_s = now_s - began_s
    if took_s < FREE_S:
        return share
    share = share or Share(now_s)
    share.add(took_s, now_s)
    return share
