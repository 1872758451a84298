"""The attacks, one module a kind; ``ATTACKS`` lists them all."""

from tests.hostile.attacks import api, bodies, heads, peers, polling, websockets
from tests.hostile.attacks.table import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack", "api", "bodies", "heads", "peers", "polling", "websockets"]
