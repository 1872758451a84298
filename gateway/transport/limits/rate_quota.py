"""A quota, as a token bucket: how many packets and frames of overhead a client may send.

Overhead is a packet or frame that is no event and no awaited answer: CONNECT, DISCONNECT, a ping,
an empty fragment, a pong or an acknowledgement that the server does not await. It costs the server
work, and no limit of bytes counts it. ``gateway.web.limits`` has the quota of events.
"""

REFILL_PER_S = 100.0
"""An honest client sends a few a minute: pings, pongs, and a CONNECT for each namespace."""
CAPACITY = 1_000.0
"""An honest client may send some at once, after its computer slept or with many namespaces."""


class PacketQuota:
    """The packets or frames of overhead that one client may still send."""

    __slots__ = ("_counted_s", "_left")

    def __init__(self, now_s: float) -> None:
        self._left = CAPACITY
        self._counted_s = now_s

    def spend(self, now_s: float) -> bool:
        """Count one packet or frame; return False when it is one too many."""
        refilled = self._left + (now_s - self._counted_s) * REFILL_PER_S
        self._left = min(CAPACITY, refilled) - 1
        self._counted_s = now_s
        return self._left >= 0
