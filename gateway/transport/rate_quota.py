"""A token bucket: limits how many packets without content a client may send.

A packet without content, such as a ping, costs the server work and counts in no limit of bytes.
"""

REFILL_PER_S = 100.0
"""An honest client sends a few a minute: pings, pongs, and a CONNECT for each namespace."""
CAPACITY = 1_000.0
"""An honest client may send some at once, after its computer slept or with many namespaces."""


class TokenBucket:
    """The packets without content that one client may still send."""

    __slots__ = ("_counted_s", "_left")

    def __init__(self, now_s: float) -> None:
        self._left = CAPACITY
        self._counted_s = now_s

    def spend(self, now_s: float) -> bool:
        """Count one packet; return False when it is one too many."""
        refilled = self._left + (now_s - self._counted_s) * REFILL_PER_S
        self._left = min(CAPACITY, refilled) - 1
        self._counted_s = now_s
        return self._left >= 0
