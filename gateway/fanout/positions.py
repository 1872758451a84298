"""Positions of clients that are sent devices one by one, from the rings. Pure.

A client that its group does not serve in a device has a position in that device's ring. There are
up to 10,000 devices for each of thousands of clients, so equal positions are one shared object,
and a position is only looked up in the ring when the client is sent something or the ring is about
to drop the entry.
"""

from collections.abc import Iterable, Iterator, Mapping

from gateway.devices.devices import REMEMBERED_MAX, Device, Devices
from gateway.fanout.clients import (
    NEVER,
    UNPLACED,
    At,
    Client,
    Position,
    Rated,
    Unplaced,
    Waiting,
)
from gateway.fanout.tail import Coverage
from gateway.feed.effects import Now
from shared.cursor import START, Cursor


class Positions:
    """Sets, finds and drops the positions of clients in single devices."""

    def __init__(self, devices: Devices, clients: Mapping[str, Client]) -> None:
        self.behind: set[str] = set()
        """The ids of the clients that have such positions."""
        self._devices = devices
        self._clients = clients
        self._unplaced: dict[str, Position] = {}  # all devices that were heard, made once
        self._least_after = NEVER  # no client is unplaced after a lower arrival number
        self._heads: dict[str, At] = {}  # the position at the head of each device, made once
        self._last_waiting: Waiting | None = None

    # --- set -----------------------------------------------------------------------------

    def place(self, client: Client, device_id: str, since: Cursor | None, now: Now) -> None:
        """Set the position of a client in one device.

        It is ``since`` if given, else the client's present position, else the head of the ring.
        """
        device = self._devices.get(device_id)
        if device is None or device.feed.head is None:
            if since is not None:
                client.since[device_id] = since
            return
        rate_hz = client.rate_of(device_id)
        if rate_hz is None:
            self._place_in_full(client, device, since, now)
        else:
            self._place_at_rate(client, device_id, since, 1 / rate_hz)

    def _place_in_full(
        self, client: Client, device: Device, since: Cursor | None, now: Now
    ) -> None:
        rated = client.rated.pop(device.device_id, None)
        if since is None and rated is not None and rated.cursor > START:
            since = rated.cursor
        if since is not None:
            client.behind[device.device_id] = self._waiting_since(since, now)
        elif device.device_id not in client.behind:
            client.behind[device.device_id] = self.at_head(device)
        self.behind.add(client.client_id)

    def _waiting_since(self, since: Cursor, now: Now) -> Waiting:
        """Return a position for a cursor; devices that get the same cursor in a row share it."""
        last = self._last_waiting
        if last is None or last.cursor is not since or last.since_s != now.monotonic_s:
            last = self._last_waiting = Waiting(since, now.monotonic_s)
        return last

    def _place_at_rate(
        self, client: Client, device_id: str, since: Cursor | None, interval_s: float
    ) -> None:
        before = self.placed(client, device_id)
        client.behind.pop(device_id, None)
        rated = client.rated.get(device_id)
        if since is None and before is not None:
            since = before.cursor
        if rated is None or since is not None:
            client.rated[device_id] = Rated(interval_s, since or START)
        elif rated.interval_s != interval_s:
            rated.interval_s, rated.due_s = interval_s, 0.0  # the new interval starts now

    def place_in_new(self, client: Client, device: Device) -> None:
        """Set the position before the first entry of a device that is heard for the first time."""
        client.behind[device.device_id] = At(device.ring.end, device.ring.front or START)
        self.behind.add(client.client_id)

    def unplaced_in(self, coverage: Coverage) -> Mapping[str, Position]:
        """Return a position that is not looked up yet for each known device of a coverage."""
        everything = self._unplaced
        if not coverage.everything:
            return {name: UNPLACED for name in coverage.names if name in everything}
        if not coverage.excluded:
            return everything
        return {name: UNPLACED for name in everything if coverage.covers(name)}

    def unplace(self, client: Client, unplaced: Mapping[str, Position]) -> None:
        """Give a client that left its group the positions of :meth:`unplaced_in`.

        The ring is asked later: to look up all positions at once takes 20 to 50 ms with 10,000
        devices.
        """
        client.after = client.arrival
        client.behind = {**unplaced, **client.behind}
        self.behind.add(client.client_id)
        self._least_after = min(self._least_after, client.after)

    def place_after(self, client: Client, device_ids: Iterable[str]) -> None:
        """Set the position at ``client.arrival`` in each of some devices that has none."""
        self.behind.add(client.client_id)
        for device_id in device_ids:
            if device_id not in client.behind:
                device = self._devices.get(device_id)
                if device is not None:
                    client.behind[device_id] = self._position_at(device, client.arrival)

    # --- find ----------------------------------------------------------------------------

    def placed(self, client: Client, device_id: str) -> At | Waiting | None:
        """Return the position of a client in a device; looks it up in the ring if need be."""
        position = client.behind.get(device_id)
        if not isinstance(position, Unplaced):
            return position
        device = self._devices.get(device_id)
        return None if device is None else self._place_unplaced(client, device)

    def _place_unplaced(self, client: Client, device: Device) -> At:
        at = client.behind[device.device_id] = self._position_at(device, client.after)
        return at

    def _position_at(self, device: Device, arrival: int) -> At:
        ring = device.ring
        index = ring.index_arrived_after(arrival)
        if index == ring.end:
            return self.at_head(device)
        return At(index, ring.cursor_at(index) or device.feed.head or START)

    def at_head(self, device: Device) -> At:
        """Return the position behind the newest entry of a ring, shared by all clients there."""
        end, head = device.ring.end, device.feed.head or START
        at = self._heads.get(device.device_id)
        if at is None or at.index != end or at.cursor != head:
            at = self._heads[device.device_id] = At(end, head)
        return at

    def not_at_head(self, client: Client) -> Iterator[str]:
        """Name the devices in which a client has not been sent everything."""
        get = self._devices.get
        for device_id in client.behind:
            device, at = get(device_id), self.placed(client, device_id)
            if device is None or not isinstance(at, At) or at.index != device.ring.end:
                yield device_id

    def cursor_in(self, client: Client, device_id: str) -> Cursor:
        """Return the cursor up to which a client was sent a device."""
        position = self.placed(client, device_id)
        if position is not None:
            return position.cursor
        rated = client.rated.get(device_id)
        if rated is not None and rated.cursor > START:
            return rated.cursor
        device = self._devices.get(device_id)
        head = None if device is None else device.feed.head
        if device is not None and head is not None and client.is_live_in(device_id):
            return self._position_at(device, client.arrival).cursor
        return self.since_before(client, device_id) or head or START

    def since_before(self, client: Client, device_id: str) -> Cursor | None:
        """Return the cursor a client has in a device that is not known, or is heard again.

        Only a client of ``*`` can have watched a device when it was evicted: a device that is
        watched by name is not evicted.
        """
        gone = self._devices.evicted.get(device_id)
        was_there = gone is not None and client.everything and client.everything_from <= gone[1]
        has_own = device_id in client.since or device_id in client.left
        if gone is not None and was_there and not has_own:
            return gone[0]
        return client.since_of(device_id)

    # --- drop ----------------------------------------------------------------------------

    def place_before_loss(self, device: Device, arrival: int) -> None:
        """Look up positions in a ring before it drops its entries up to an arrival number."""
        if arrival <= self._least_after:
            return
        behind = [self._clients[client_id] for client_id in self.behind]
        for client in behind:
            is_unplaced = client.behind.get(device.device_id) is UNPLACED
            if is_unplaced and client.after < arrival:
                self._place_unplaced(client, device)
        self._least_after = min((client.after for client in behind), default=NEVER)

    def forget(self, client: Client, device_id: str) -> None:
        """Drop all that is kept of a client about one device."""
        client.behind.pop(device_id, None)
        client.rated.pop(device_id, None)
        client.since.pop(device_id, None)
        client.left.pop(device_id, None)
        client.statuses.pop(device_id, None)

    def end_behind(self, client: Client) -> None:
        """Drop all positions of a client in rings."""
        self.behind.discard(client.client_id)
        client.behind.clear()
        client.after = NEVER

    def add_device(self, device_id: str) -> None:
        """Note a device that is heard for the first time."""
        self._unplaced[device_id] = UNPLACED

    def evict(self, device: Device) -> None:
        """Keep the cursors of clients that have a position in a device that is evicted."""
        for client_id in self.behind:
            client = self._clients[client_id]
            position = client.behind.pop(device.device_id, None)
            if isinstance(position, Unplaced):
                position = self._position_at(device, client.after)
            if position is not None and len(client.left) < REMEMBERED_MAX:
                client.left[device.device_id] = position.cursor
        self._heads.pop(device.device_id, None)
        self._unplaced.pop(device.device_id, None)
        for client in self._clients.values():
            client.rated.pop(device.device_id, None)
