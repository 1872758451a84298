"""How often a client may ask: a token bucket, the usual one. Pure."""

from dataclasses import dataclass

REQUESTS_PER_S = 20.0
"""A person clicks five times a second at most; a page subscribes a few times when it loads."""
REQUESTS_BURST = 100.0
CURSORS_A_REQUEST = 250
"""Cursors that are as much work as a request: 10,000 of them, the most there may be, take 0.1 s."""
BIKES_A_REQUEST = 500
"""Bikes in an answer that count as a request: an answer about 10,000 has 4 MB."""


@dataclass(slots=True)
class Allowance:
    """What one client may still ask for; refilled at :data:`REQUESTS_PER_S`."""

    left: float = REQUESTS_BURST
    counted_s: float = 0.0

    def spend(self, now_s: float, cost: float = 1.0) -> bool:
        """Take a request out that is worth so many; False when not so many are left."""
        refill = (now_s - self.counted_s) * REQUESTS_PER_S
        self.left = min(REQUESTS_BURST, self.left + refill)
        self.counted_s = now_s
        if self.left < cost:
            return False
        self.left -= cost
        return True


def cost_of(event: str, argument: object, known: int) -> float:
    """Return how many requests an event counts as, by its work; at most a whole burst.

    ``known`` is the number of bikes that an answer to ``*`` is about.
    """
    if event != "subscribe" or not isinstance(argument, dict):
        return 1.0
    since, devices = argument.get("since"), argument.get("devices")
    cursors = len(since) if isinstance(since, dict) else 0
    bikes = len(devices) if isinstance(devices, list) else known if devices == "*" else 0
    cost = 1 + cursors / CURSORS_A_REQUEST + bikes / BIKES_A_REQUEST
    return min(cost, REQUESTS_BURST)
