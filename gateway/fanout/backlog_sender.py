"""Sends clients their backlog: what the rings hold after their positions. Pure.

With few devices, each call sends on in all of them in turn, until every position is at the head of
its ring. With more than :data:`STEPS_MAX`, a *sweep* passes the devices in pieces; see
:class:`~gateway.fanout.clients.Sweep`.
"""

from gateway.devices.devices import Device, Devices
from gateway.fanout.backlog import Outbound, advance, is_ahead, resolve
from gateway.fanout.clients import At, Client, Sweep, Waiting
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.feed.effects import Now
from gateway.packets import event_frame

STEPS_MAX = 300
"""Devices that one call sends on in: a few milliseconds."""
SWEEP_AGAIN_S = 0.1
"""Where a client waits for history in some device, its next sweep begins after this time."""


class BacklogSender:
    """Moves the positions of clients on, and has them rejoin their group at the end."""

    def __init__(self, devices: Devices, positions: Positions, membership: Membership) -> None:
        self.wanted: set[str] = set()
        """Devices whose newest reading must be asked for: a client claims to be ahead of them."""
        self._devices = devices
        self._positions = positions
        self._membership = membership

    def has_due(self, client: Client, now_s: float) -> bool:
        """Tell whether a client would be sent something of its backlog."""
        behind = client.behind
        if not behind:
            return False
        if len(behind) > STEPS_MAX:
            return client.sweep is not None or now_s >= client.sweep_due_s
        return any(isinstance(behind[name], At) for name in self._positions.not_at_head(client))

    def send(self, client: Client, out: Outbound, now: Now) -> None:
        """Send on in every device, in turn; a client that has everything rejoins its group."""
        if client.sweep is not None or (client.group is None and len(client.behind) > STEPS_MAX):
            self._sweep_on(client, out, now)
            return
        positions = self._positions
        for device_id in list(positions.not_at_head(client)):
            if out.is_full:
                return
            position, device = positions.placed(client, device_id), self._devices.get(device_id)
            # The device moves to the end: the next call begins with the others.
            del client.behind[device_id]
            if device is not None and position is not None:
                client.behind[device_id] = self._go_on(position, device, out, now)
        if client.statuses or next(positions.not_at_head(client), None) is not None:
            return
        if client.group is None or client.group.is_level(client):
            self._membership.rejoin(client)

    def _sweep_on(self, client: Client, out: Outbound, now: Now) -> None:
        """Send on in the next devices of a sweep."""
        sweep = client.sweep
        if sweep is None:
            if now.monotonic_s < client.sweep_due_s:
                return
            sweep = self._membership.begin_sweep(client)
        for _ in range(min(STEPS_MAX, len(sweep.names))):
            if out.is_full:
                return
            self._pass(client, sweep, out, now)
        if sweep.names or client.statuses:
            return
        if sweep.is_whole:
            client.sweep = None
            self._positions.end_behind(client)
        else:
            self._membership.break_off_sweep(client)
            rest_s = SWEEP_AGAIN_S if sweep.is_waiting else 0.0
            client.sweep_due_s = now.monotonic_s + rest_s

    def _pass(self, client: Client, sweep: Sweep, out: Outbound, now: Now) -> None:
        """Send what one ring holds up to the client's arrival number."""
        device_id = sweep.names[-1]
        device, position = self._devices.get(device_id), self._positions.placed(client, device_id)
        if device is None or position is None:  # evicted since the sweep began
            sweep.names.pop()
            return
        stop = device.ring.index_arrived_after(client.arrival)
        at = client.behind[device_id] = self._go_on(position, device, out, now, stop)
        if isinstance(at, At) and at.index < stop:
            return  # there is no room for more
        sweep.is_waiting |= isinstance(at, Waiting)
        sweep.is_whole &= isinstance(at, At) and at.index == stop
        sweep.names.pop()

    def _go_on(
        self,
        position: At | Waiting,
        device: Device,
        out: Outbound,
        now: Now,
        stop: int | None = None,
    ) -> At | Waiting:
        """Send on from a position while there is room; returns the position after that."""
        if isinstance(position, Waiting):
            was_evicted = self._devices.was_evicted(device.device_id, position.cursor)
            if is_ahead(position, device):
                self.wanted.add(device.device_id)
            position, gap = resolve(position, device, now, was_evicted=was_evicted)
            if gap is not None:
                out.add(event_frame("gap", gap.body()))
        if not isinstance(position, At):
            return position
        position, head = advance(position, device, out, stop), self._positions.at_head(device)
        return head if position == head else position
