"""One limit for the names and cursors of all clients together, because they stay in memory. Pure.

Each client has its own limits (:mod:`gateway.fanout.subscription`), but there may be 10,000
clients.
"""

from gateway.fanout.clients import Client
from shared.errors import Unavailable

ENTRIES_MAX = 2_000_000
"""200 names or cursors of 10,000 clients."""
ENTRY_BYTES = 320
"""Memory of one: 190 bytes for a name, 262 for a cursor with a name of 21 letters (measured)."""


class SubscriptionBudget:
    """Counts the names that each client watches, and its cursors for devices that are not known."""

    def __init__(self, at_most: int = ENTRIES_MAX) -> None:
        self.total = 0
        self._at_most = at_most
        self._counts: dict[str, int] = {}

    def reserve(self, client: Client, more: int) -> None:
        """Count the entries of a request before it is applied.

        Raises :class:`~shared.errors.Unavailable` if all clients together would have too many.
        """
        if self.total + more > self._at_most:
            raise Unavailable("all clients together watch too many devices; ask again later")
        self._set(client, self._counts.get(client.client_id, 0) + more)

    def recount(self, client: Client) -> None:
        """Replace the count of a client by the entries it has now."""
        self._set(client, len(client.names) + len(client.since))

    def forget(self, client: Client) -> None:
        self._set(client, 0)

    def _set(self, client: Client, count: int) -> None:
        self.total += count - self._counts.get(client.client_id, 0)
        if count:
            self._counts[client.client_id] = count
        else:
            self._counts.pop(client.client_id, None)
