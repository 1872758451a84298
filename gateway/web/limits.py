"""The rate limit of events: one quota, a token bucket, for each connection. Pure."""

from dataclasses import dataclass

REQUESTS_PER_S = 20.0
"""A person clicks at most five times a second; a page subscribes a few times when it loads."""
REQUESTS_BURST = 100.0
CURSORS_A_REQUEST = 250
"""So many cursors cost one token. A request has at most 10,000 of them, which take 0.1 s."""
BIKES_A_REQUEST = 500
"""So many bikes in an answer cost one token. An answer about 10,000 bikes has 4 MB."""


@dataclass(slots=True)
class EventQuota:
    """The events that one connection has left; refilled at :data:`REQUESTS_PER_S`."""

    left: float = REQUESTS_BURST
    counted_s: float = 0.0

    def spend(self, now_s: float, cost: float = 1.0) -> bool:
        """Take ``cost`` tokens; return False, and take none, when fewer are left."""
        refill = (now_s - self.counted_s) * REQUESTS_PER_S
        self.left = min(REQUESTS_BURST, self.left + refill)
        self.counted_s = now_s
        if self.left < cost:
            return False
        self.left -= cost
        return True


def cost_of(event: str, argument: object, known: int) -> float:
    """Return the cost of an event in tokens, by the work it causes; at most a whole burst.

    ``known`` is the number of bikes that the gateway knows: an answer to ``*`` lists them all.
    """
    if event != "subscribe" or not isinstance(argument, dict):
        return 1.0
    since, devices = argument.get("since"), argument.get("devices")
    cursors = len(since) if isinstance(since, dict) else 0
    bikes = len(devices) if isinstance(devices, list) else known if devices == "*" else 0
    cost = 1 + cursors / CURSORS_A_REQUEST + bikes / BIKES_A_REQUEST
    return min(cost, REQUESTS_BURST)
