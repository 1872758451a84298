"""How many packets without content a client may send: a token bucket, the usual one."""

QUOTA_PER_S = 100.0
"""An honest client sends a few a minute: pings, pongs, and a CONNECT for each namespace."""
QUOTA_BURST = 1_000.0
"""An honest client may send some at once, as after its computer slept or with many namespaces."""


class Quota:
    """The packets without content that one client may still send."""

    __slots__ = ("_counted_s", "_left")

    def __init__(self, now_s: float) -> None:
        self._left = QUOTA_BURST
        self._counted_s = now_s

    def spend(self, now_s: float) -> bool:
        """Count one packet; False when it is one too many."""
        refilled = self._left + (now_s - self._counted_s) * QUOTA_PER_S
        self._left = min(QUOTA_BURST, refilled) - 1
        self._counted_s = now_s
        return self._left >= 0
