"""Where clients continue in the rings of single devices: their backlogs. Pure.

How it works. A client that its group does not serve in a device has a position in that device's
ring. There may be 10,000 devices for each of thousands of clients, so positions are kept cheap:

- Clients and devices share position objects (:mod:`gateway.fanout.shared_positions`).
- A client that leaves its group gets ``AFTER_ARRIVAL`` in every device. Its index in a ring is
  looked up when the client is sent something, or right before the ring forgets an entry that the
  client was not sent: later the ring could no longer tell the index.
- Thousands of clients may leave a group at once. They only note the group's devices in
  ``client.left_devices``, which they share. A client gets a backlog of its own when it is served
  (:meth:`Positions.spread`). Until then, a position in ``client.ring_positions`` goes before
  ``left_devices``.

Invariant: no client has ``AFTER_ARRIVAL`` in a device whose ring has forgotten an entry that
arrived after ``client.backlog_arrival``.
"""

from collections.abc import Iterator, Mapping

from gateway.devices.devices import REMEMBERED_MAX, Device, Devices
from gateway.domain import Now
from gateway.fanout.clients import (
    AFTER_ARRIVAL,
    NEVER,
    AfterArrival,
    Client,
    Position,
    RingPosition,
    Throttled,
    UnresolvedCursor,
)
from gateway.fanout.shared_positions import SharedPositions
from gateway.fanout.tail import Coverage
from shared.cursor import START, Cursor

COPIED_AT_ONCE = 300
"""A client that leaves a group of so few devices gets a backlog of its own at once: 3 µs. Only a
longer backlog is swept (:data:`gateway.fanout.backlog_sender.DEVICES_AT_ONCE`)."""


class Positions:
    """Sets, looks up and drops the positions of clients in single devices."""

    def __init__(self, devices: Devices, clients: Mapping[str, Client]) -> None:
        self.with_backlog: set[str] = set()
        """The ids of the clients that have a backlog."""
        self.shared = SharedPositions()
        self._devices = devices
        self._clients = clients
        self._after_arrival: dict[str, Position] = {}
        """One for each known device, made once: the positions of a client that leaves ``*``."""
        self._least_backlog_arrival = NEVER
        """No client has ``AFTER_ARRIVAL`` with a lower number."""

    # --- set -----------------------------------------------------------------------------

    def place(self, client: Client, device_id: str, since: Cursor | None, now: Now) -> None:
        """Set the position of a client in one device.

        It is ``since`` if given, else the client's present position, else the head of the ring.
        The cursor of a device that is not known is kept in ``client.since``.
        """
        device = self._devices.get(device_id)
        if device is None or device.feed.head is None:
            if since is not None:
                client.since[device_id] = since
            return
        rate_hz = client.rate_of(device_id)
        if rate_hz is None:
            self._place_unthrottled(client, device, since, now)
        else:
            self._place_throttled(client, device_id, since, 1 / rate_hz)

    def _place_unthrottled(
        self, client: Client, device: Device, since: Cursor | None, now: Now
    ) -> None:
        throttled = client.throttled.pop(device.device_id, None)
        if since is None and throttled is not None and throttled.cursor > START:
            since = throttled.cursor
        if since is not None:
            client.ring_positions[device.device_id] = self.shared.unresolved(since, now)
        elif device.device_id not in client.ring_positions:
            client.ring_positions[device.device_id] = self.shared.at_head(device)
        self.with_backlog.add(client.client_id)

    def _place_throttled(
        self, client: Client, device_id: str, since: Cursor | None, interval_s: float
    ) -> None:
        former = self.look_up(client, device_id)
        client.ring_positions.pop(device_id, None)
        throttled = client.throttled.get(device_id)
        if since is None and former is not None:
            since = former.cursor
        if throttled is None or since is not None:
            client.throttled[device_id] = Throttled(interval_s, since or START)
        elif throttled.interval_s != interval_s:
            throttled.interval_s, throttled.due_s = interval_s, 0.0  # the new interval starts now

    def place_before_first(self, client: Client, device: Device) -> None:
        """Set the position before the first entry of a device that appears now."""
        client.ring_positions[device.device_id] = RingPosition(
            device.ring.end_index, device.ring.front or START
        )
        self.with_backlog.add(client.client_id)

    def after_arrival_in(self, coverage: Coverage) -> Mapping[str, Position]:
        """Return ``AFTER_ARRIVAL`` for each known device of a coverage."""
        everything = self._after_arrival
        if not coverage.everything:
            return {name: AFTER_ARRIVAL for name in coverage.names if name in everything}
        if not coverage.excluded:
            return everything
        return {name: AFTER_ARRIVAL for name in everything if coverage.covers(name)}

    def set_after_arrival(self, client: Client, positions: Mapping[str, Position]) -> None:
        """Give a client that left its group the positions of :meth:`after_arrival_in`.

        With 10,000 devices, a backlog of its own takes 0.2 ms, and all indexes 20 to 50 ms.
        """
        client.backlog_arrival = client.arrival
        client.left_devices = positions
        self.with_backlog.add(client.client_id)
        self._least_backlog_arrival = min(self._least_backlog_arrival, client.backlog_arrival)
        if len(positions) <= COPIED_AT_ONCE:
            self.spread(client)

    def spread(self, client: Client) -> None:
        """Give a client that left a group a backlog of its own, with the devices still known."""
        left, client.left_devices = client.left_devices, None
        if left is not None:
            known = self._after_arrival
            still = left if left is known else {name: left[name] for name in left if name in known}
            client.ring_positions = {**still, **client.ring_positions}

    # --- look up -------------------------------------------------------------------------

    def look_up(self, client: Client, device_id: str) -> RingPosition | UnresolvedCursor | None:
        """Return the position of a client in a device; ``AFTER_ARRIVAL`` becomes an index."""
        position = self._held(client, device_id)
        if not isinstance(position, AfterArrival):
            return position
        device = self._devices.get(device_id)
        return None if device is None else self._look_up_arrival(client, device)

    def _held(self, client: Client, device_id: str) -> Position | None:
        """Return a position as it is held, perhaps ``AFTER_ARRIVAL``."""
        position, left = client.ring_positions.get(device_id), client.left_devices
        if position is None and left is not None and device_id in self._after_arrival:
            return left.get(device_id)
        return position

    def _look_up_arrival(self, client: Client, device: Device) -> RingPosition:
        position = self.shared.after_arrival(device, client.backlog_arrival)
        client.ring_positions[device.device_id] = position
        return position

    def not_at_head(self, client: Client) -> Iterator[str]:
        """Yield the devices of a backlog in which the client has not been sent everything."""
        get = self._devices.get
        for device_id in client.ring_positions:
            device, at = get(device_id), self.look_up(client, device_id)
            if (
                device is None
                or not isinstance(at, RingPosition)
                or at.index != device.ring.end_index
            ):
                yield device_id

    def cursor_in(self, client: Client, device_id: str) -> Cursor:
        """Return the cursor up to which a client was sent the readings of a device."""
        position = self.look_up(client, device_id)
        if position is not None:
            return position.cursor
        throttled = client.throttled.get(device_id)
        if throttled is not None and throttled.cursor > START:
            return throttled.cursor
        device = self._devices.get(device_id)
        head = None if device is None else device.feed.head
        if device is not None and head is not None and client.is_covered_by_group(device_id):
            # Its subscription changes, so the member is lagging and ``arrival`` is not stale.
            return self.shared.after_arrival(device, client.arrival).cursor
        return self.former_cursor(client, device_id) or head or START

    def former_cursor(self, client: Client, device_id: str) -> Cursor | None:
        """Return the cursor a client has in a device that is unknown, or appears now.

        It is the cursor that the client gave or, if the client watched the device when it was
        evicted, the last position of the device. Such a client watches ``*``: a device that is
        watched by name is not evicted.
        """
        gone = self._devices.evicted.get(device_id)
        was_there = gone is not None and client.everything and client.everything_from <= gone[1]
        has_own = device_id in client.since or device_id in client.evicted_at
        if gone is not None and was_there and not has_own:
            return gone[0]
        return client.since_of(device_id)

    # --- drop ----------------------------------------------------------------------------

    def before_forgetting(self, device: Device, arrival: int) -> None:
        """Replace ``AFTER_ARRIVAL`` before a ring forgets its entries up to an arrival number."""
        if arrival <= self._least_backlog_arrival:
            return
        clients = [self._clients[client_id] for client_id in self.with_backlog]
        for client in clients:
            is_after_arrival = self._held(client, device.device_id) is AFTER_ARRIVAL
            if is_after_arrival and client.backlog_arrival < arrival:
                self._look_up_arrival(client, device)
        self._least_backlog_arrival = min(
            (client.backlog_arrival for client in clients), default=NEVER
        )

    def forget(self, client: Client, device_id: str) -> None:
        """Drop the position, the cursors and the owed status of a client in one device."""
        client.ring_positions.pop(device_id, None)
        client.throttled.pop(device_id, None)
        client.since.pop(device_id, None)
        client.evicted_at.pop(device_id, None)
        client.statuses.pop(device_id, None)

    def clear_backlog(self, client: Client) -> None:
        """Drop all positions of a client in rings."""
        self.with_backlog.discard(client.client_id)
        client.ring_positions.clear()
        client.left_devices, client.backlog_arrival = None, NEVER

    def add_device(self, device_id: str) -> None:
        """Note a device that appears now."""
        self._after_arrival[device_id] = AFTER_ARRIVAL

    def evict(self, device: Device) -> None:
        """Turn the positions in a device that is evicted into cursors in ``client.evicted_at``."""
        for client_id in self.with_backlog:
            client = self._clients[client_id]
            position = self._held(client, device.device_id)
            client.ring_positions.pop(device.device_id, None)
            if isinstance(position, AfterArrival):
                position = self.shared.after_arrival(device, client.backlog_arrival)
            if position is not None and len(client.evicted_at) < REMEMBERED_MAX:
                client.evicted_at[device.device_id] = position.cursor
        self.shared.forget(device.device_id)
        self._after_arrival.pop(device.device_id, None)
        for client in self._clients.values():
            client.throttled.pop(device.device_id, None)
