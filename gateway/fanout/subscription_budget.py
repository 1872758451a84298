"""The names and cursors that clients gave: they stay in memory, so all clients share a bound.

A client may have as many as its own limits say, and there may be ten thousand clients.
"""

from gateway.fanout.clients import Client
from shared.errors import Unavailable

ENTRIES_MAX = 2_000_000
"""200 names or cursors of 10,000 clients."""
ENTRY_BYTES = 320
"""What one takes: 190 for a name, 262 for a cursor with its name of 21 letters (measured)."""


class Entries:
    """Counts the names a client watches and its cursors of devices that are not known."""

    def __init__(self, at_most: int = ENTRIES_MAX) -> None:
        self.total = 0
        self._at_most = at_most
        self._counts: dict[str, int] = {}

    def reserve(self, client: Client, more: int) -> None:
        """Count what a client asks for, before it is entered. Raises Unavailable."""
        if self.total + more > self._at_most:
            raise Unavailable("all clients together watch too many devices; ask again later")
        self._set(client, self._counts.get(client.client_id, 0) + more)

    def recount(self, client: Client) -> None:
        """Count what a client has now."""
        self._set(client, len(client.names) + len(client.since))

    def forget(self, client: Client) -> None:
        """Count nothing of a client that left."""
        self._set(client, 0)

    def _set(self, client: Client, count: int) -> None:
        self.total += count - self._counts.get(client.client_id, 0)
        if count:
            self._counts[client.client_id] = count
        else:
            self._counts.pop(client.client_id, None)
