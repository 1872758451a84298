"""Positions in rings that clients and devices share, so that thousands of them stay cheap. Pure.

How it works. Clients at the head of a ring share one :class:`RingPosition`, which is replaced when
the ring grows. The devices of a request that have the same cursor share one
:class:`UnresolvedCursor`. All these positions are immutable.
"""

from gateway.devices.devices import Device
from gateway.domain import Now
from gateway.fanout.clients import RingPosition, UnresolvedCursor
from shared.cursor import START, Cursor


class SharedPositions:
    """Makes positions in rings; returns the one made last where it still fits."""

    def __init__(self) -> None:
        self._heads: dict[str, RingPosition] = {}
        """The position at the head of each ring, as it was returned last."""
        self._last_unresolved: UnresolvedCursor | None = None

    def at_head(self, device: Device) -> RingPosition:
        """Return the position after the newest entry of a ring."""
        end, head = device.ring.end_index, device.feed.head or START
        at = self._heads.get(device.device_id)
        if at is None or at.index != end or at.cursor != head:
            at = self._heads[device.device_id] = RingPosition(end, head)
        return at

    def after_arrival(self, device: Device, arrival: int) -> RingPosition:
        """Return the position of a client that has all that arrived up to a number."""
        ring = device.ring
        index = ring.index_arrived_after(arrival)
        if index == ring.end_index:
            return self.at_head(device)
        return RingPosition(index, ring.cursor_before(index) or device.feed.head or START)

    def unresolved(self, since: Cursor, now: Now) -> UnresolvedCursor:
        """Return the position for a cursor; devices that get the same cursor in a row share it."""
        last = self._last_unresolved
        if last is None or last.cursor is not since or last.asked_s != now.monotonic_s:
            last = self._last_unresolved = UnresolvedCursor(since, now.monotonic_s)
        return last

    def forget(self, device_id: str) -> None:
        """Forget the head of a ring that is given up."""
        self._heads.pop(device_id, None)
