"""How often a client may ask: a token bucket, the usual one. Pure."""

from dataclasses import dataclass

REQUESTS_PER_S = 20.0
"""A person clicks five times a second at most; a page subscribes a few times when it loads."""
REQUESTS_BURST = 100.0


@dataclass(slots=True)
class Allowance:
    """What one client may still ask for; refilled at :data:`REQUESTS_PER_S`."""

    left: float = REQUESTS_BURST
    counted_s: float = 0.0

    def spend(self, now_s: float) -> bool:
        """Take one request out; False when there is none left."""
        refill = (now_s - self.counted_s) * REQUESTS_PER_S
        self.left = min(REQUESTS_BURST, self.left + refill)
        self.counted_s = now_s
        if self.left < 1:
            return False
        self.left -= 1
        return True
