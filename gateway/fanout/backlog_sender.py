"""Sends clients their backlog: the entries of each ring after their position. Pure.

How it works. With at most :data:`DEVICES_AT_ONCE` devices, each call sends from every ring in turn,
until every position is at the head of its ring; the client then joins its group.

With more devices this may never end: while one call serves some, others get new entries. A *sweep*
ends it. The client joins its group at the newest arrival number N. From then on the tail keeps
all later entries for it. Each call passes some devices and sends the entries of their rings up to
N. After the last device the client has everything up to N and continues in the tail. If a cursor
is still unresolved (history is being fetched), or the tail has to be cut before the sweep ends,
the client leaves the group, keeps its exact positions, and sweeps again later.
"""

from gateway.devices.devices import Device, Devices
from gateway.domain import Now
from gateway.fanout.backlog import Outbound, advance, is_ahead, is_inside_gap, resolve
from gateway.fanout.clients import Client, Position, RingPosition, Sweep, UnresolvedCursor
from gateway.fanout.membership import Membership
from gateway.fanout.positions import COPIED_AT_ONCE, Positions

DEVICES_AT_ONCE = COPIED_AT_ONCE
"""Devices that one call sends from, in a few milliseconds; a longer backlog is swept."""
SWEEP_RETRY_S = 0.1
"""After a sweep that left a cursor unresolved, the next one begins this much later."""


class BacklogSender:
    """Advances the positions of clients, and lets them join their group at the end."""

    def __init__(self, devices: Devices, positions: Positions, membership: Membership) -> None:
        self.wanted: set[str] = set()
        """Devices whose head is before the cursor of a client: the hub asks them for their
        newest reading."""
        self._devices = devices
        self._positions = positions
        self._membership = membership

    def has_due(self, client: Client, now: Now) -> bool:
        """Tell whether :meth:`send` would send a client something."""
        positions = client.ring_positions
        if client.left_devices is not None:
            # These are more than ``COPIED_AT_ONCE`` devices, so a sweep sends them.
            return now.monotonic_s >= client.sweep_due_s
        if not positions:
            return False
        if len(positions) > DEVICES_AT_ONCE:
            return client.sweep is not None or now.monotonic_s >= client.sweep_due_s
        not_at_head = self._positions.not_at_head(client)
        return any(self._can_send_from(positions[name], name, now) for name in not_at_head)

    def _can_send_from(self, position: Position, device_id: str, now: Now) -> bool:
        """Tell whether a position is in the ring, or can be found there now."""
        device = self._devices.get(device_id)
        if device is None or not isinstance(position, UnresolvedCursor):
            return isinstance(position, RingPosition)
        found, _gap = resolve(position, device, now, was_evicted=False)
        return isinstance(found, RingPosition)

    def send(self, client: Client, out: Outbound, now: Now) -> None:
        """Send the next entries of a backlog; a client that has everything joins its group."""
        self._positions.spread(client)
        is_long = client.group is None and len(client.ring_positions) > DEVICES_AT_ONCE
        if client.sweep is not None or is_long:
            self._sweep(client, out, now)
            return
        positions = self._positions
        for device_id in list(positions.not_at_head(client)):
            if out.is_full:
                return
            position, device = positions.look_up(client, device_id), self._devices.get(device_id)
            # The device moves to the end of the backlog: the next call begins with the others.
            del client.ring_positions[device_id]
            if device is not None and position is not None:
                client.ring_positions[device_id] = self._advance(position, device, out, now)
        if client.statuses or next(positions.not_at_head(client), None) is not None:
            return
        if client.group is None or client.group.send_rest(client):
            self._membership.join_at_end(client)

    def _sweep(self, client: Client, out: Outbound, now: Now) -> None:
        """Pass the next devices of a sweep; begins one if it is time."""
        sweep = client.sweep
        if sweep is None:
            if now.monotonic_s < client.sweep_due_s:
                return
            sweep = self._membership.begin_sweep(client)
        for _ in range(min(DEVICES_AT_ONCE, len(sweep.names))):
            if out.is_full:
                return
            self._sweep_device(client, sweep, out, now)
        if sweep.names or client.statuses:
            return
        if sweep.is_complete:
            client.sweep = None
            self._positions.clear_backlog(client)
        else:
            self._membership.end_sweep(client)
            rest_s = SWEEP_RETRY_S if sweep.is_waiting else 0.0
            client.sweep_due_s = now.monotonic_s + rest_s

    def _sweep_device(self, client: Client, sweep: Sweep, out: Outbound, now: Now) -> None:
        """Send the entries of one ring up to the client's arrival number."""
        device_id = sweep.names[-1]
        device, position = self._devices.get(device_id), self._positions.look_up(client, device_id)
        if device is None or position is None:  # it was evicted after the sweep began
            sweep.names.pop()
            return
        stop = device.ring.index_arrived_after(client.arrival)
        position = self._advance(position, device, out, now, stop)
        client.ring_positions[device_id] = position
        if isinstance(position, RingPosition) and position.index < stop:
            return  # there is no room for more: the next call continues with this device
        sweep.is_waiting |= isinstance(position, UnresolvedCursor)
        # An index after ``stop``: the client has entries of this ring that the tail would repeat.
        # A cursor inside a gap: the tail has the whole gap, and the client needs the rest of it.
        sweep.is_complete &= (
            isinstance(position, RingPosition)
            and position.index == stop
            and not is_inside_gap(position, device)
        )
        sweep.names.pop()

    def _advance(
        self,
        position: RingPosition | UnresolvedCursor,
        device: Device,
        out: Outbound,
        now: Now,
        stop: int | None = None,
    ) -> RingPosition | UnresolvedCursor:
        """Send entries from a position on while there is room; returns the new position."""
        if isinstance(position, UnresolvedCursor):
            was_evicted = self._devices.was_evicted(device.device_id, position.cursor)
            if is_ahead(position, device):
                self.wanted.add(device.device_id)
            position, gap = resolve(position, device, now, was_evicted=was_evicted)
            if gap is not None:
                out.announce(gap)
        if not isinstance(position, RingPosition):
            return position
        position = advance(position, device, out, stop)
        head = self._positions.shared.at_head(device)
        return head if position == head else position
