"""Counts the clients that come and go, and logs why each of them left. Pure."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.log_limit import LineBudget

LINES_A_MINUTE = 30
"""Log lines of one reason: strangers may come and go at any rate."""
REASONS = (
    "broke_a_rule",
    "client_disconnect",
    "held_most",
    "ping_timeout",
    "sent_away",
    "server_disconnect",
    "took_nothing",
    "transport_close",
    "transport_error",
)
"""Why clients leave; :mod:`gateway.transport.connection.connection_lifecycle` has them in words."""


class Visit(NamedTuple):
    """A client that is here: the address it came from, and when it came."""

    address: str
    since_s: float


@dataclass(slots=True)
class Visits:
    """What is known of clients that came and left; ``say(event, **fields)`` logs a line."""

    say: Callable[..., object]
    came: Counter[str] = field(default_factory=Counter)
    """Clients that connected, by the transport that they began with."""
    refused: int = 0
    """Clients that were not let in."""
    left: Counter[str] = field(default_factory=Counter)
    """Clients that left, by reason."""
    _lines: LineBudget = field(default_factory=lambda: LineBudget(LINES_A_MINUTE))

    def come(self, transport: str, address: str, now_s: float) -> Visit:
        """Count a client that connects."""
        self.came[transport] += 1
        return Visit(address, now_s)

    def leave(
        self, visit: Visit, client_id: str, transport: str, reason: str, now_s: float
    ) -> None:
        """Count a client that left, and log it unless too many left for the same reason."""
        self.left[reason] += 1
        unlogged = self._lines.admit(reason, now_s)
        if unlogged is None:
            return
        self.say(
            "client_left",
            client=client_id,
            reason=reason,
            address=visit.address,
            transport=transport,
            stayed_s=round(now_s - visit.since_s, 1),
            **unlogged,
        )
