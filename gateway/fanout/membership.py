"""When a client joins its group, and when it leaves it. Pure.

How it works. A client that is a member of a group is one arrival number in the group's tail; a
client without a group has one position in each device's ring. The path of a ``subscribe``:

1. :meth:`Fanout.subscribe <gateway.fanout.fanout.Fanout.subscribe>` hands the request to
   :class:`~gateway.fanout.subscription_table.SubscriptionTable`, which checks the limits.
2. A request for all of ``*`` without cursors needs no positions: :meth:`follow_everything` makes
   the client a member at the newest arrival number.
3. After any other request :meth:`step_out` takes the client out of its group, and
   :meth:`Positions.place <gateway.fanout.positions.Positions.place>` sets one position in each
   device of the request.
4. :class:`~gateway.fanout.backlog_sender.BacklogSender` sends the backlog from there. With few
   devices, :meth:`rejoin` makes the client a member once it has everything. With many devices the
   heads move on faster than the client gets there, so :meth:`begin_sweep` makes it a member
   first: the tail then keeps what arrives while the rings are sent.
5. When the client has everything that the tail holds, :meth:`Group.step_in
   <gateway.fanout.groups.Group.step_in>` lets it share one number with others.

A member leaves when its subscription changes, and before its tail drops entries that it was not
sent yet (:meth:`expel`). If a device appears of which it needs history, it moves to a group that
leaves this device out (:meth:`step_aside`).
"""

from collections.abc import Mapping

from gateway.devices.devices import Device, Devices
from gateway.fanout.clients import Client, Position, Sweep
from gateway.fanout.groups import Group, Groups, OpenMulticast
from gateway.fanout.positions import Positions
from gateway.fanout.tail import Coverage

TAIL_MAX = 2_048
"""Entries that a group keeps at least, half a second of a large fleet. A client that lags further
is served from the rings, which costs as much as there are devices."""
TAIL_A_NAME = 256
"""The same for each device of a group that covers few devices by name: there may be many groups."""
PARTS_MAX = 64
"""Devices that a client's group may leave out; with more the client leaves the group."""


class Membership:
    """Moves clients into groups and out of them."""

    def __init__(
        self,
        devices: Devices,
        clients: Mapping[str, Client],
        positions: Positions,
        open_multicast: OpenMulticast,
    ) -> None:
        self.groups = Groups(self._tail_length, open_multicast, self.expel)
        self._devices = devices
        self._clients = clients
        self._positions = positions

    def _tail_length(self, coverage: Coverage) -> int:
        """Choose how many entries a group keeps: all of them must still be in the rings."""
        wanted = TAIL_MAX if coverage.everything else TAIL_A_NAME * len(coverage.names)
        return max(1, min(wanted, TAIL_MAX, (self._devices.limits.readings - 1) // 2))

    # --- join ----------------------------------------------------------------------------

    def follow_everything(self, client: Client) -> None:
        """Let a client follow ``*`` from now on, or from where it is as a member."""
        if not client.everything:
            client.everything, client.everything_from = True, self._devices.arrival
            self._enter(client, client.coverage())
        elif client.group is not None:
            client.group.step_aside(client)
        client.is_new = True  # the statuses go first

    def begin_sweep(self, client: Client) -> Sweep:
        """Make a client a member that is sent the rings up to the present arrival number next."""
        self._enter(client, client.coverage())
        client.sweep = Sweep([*client.behind])
        return client.sweep

    def rejoin(self, client: Client) -> None:
        """Make a client, which has everything that arrived so far, a member without a backlog."""
        self.leave(client)
        self._positions.end_behind(client)
        self._enter(client, client.coverage())
        if client.group is not None:
            client.group.step_in(client)

    def step_aside(self, client: Client, device_id: str) -> None:
        """Let the group of a client serve it in all devices but one."""
        group = client.group
        if group is None or not group.coverage.covers(device_id):
            return
        is_whole = client.sweep is None and len(client.behind) < PARTS_MAX
        if not is_whole or not group.is_level(client):
            self.step_out(client)
            return
        is_new = client.is_new
        self.leave(client)
        self._enter(client, group.coverage.without(device_id))
        if client.group is not None and not is_new:
            client.group.step_in(client)

    def _enter(self, client: Client, coverage: Coverage) -> None:
        """Make a client a member at the newest arrival number."""
        if coverage.names or coverage.everything:
            client.arrival = self._devices.arrival
            client.group = self.groups.join(client, coverage)

    # --- leave ---------------------------------------------------------------------------

    def leave(self, client: Client) -> None:
        """Take a client out of its group; it gets no positions for what it was sent."""
        group, client.group = client.group, None
        if group is not None:
            self.groups.leave(client, group)

    def step_out(self, client: Client) -> None:
        """Take a client out of its group, to one position in each device."""
        group = client.group
        if group is not None:
            self._move_out(client, self._positions.unplaced_in(group.coverage))

    def expel(self, group: Group, arrival: int) -> None:
        """Take clients below an arrival number out of a group: hundreds at once, 0.2 ms each."""
        below = [member for member in group.apart if member.arrival < arrival]
        unplaced = self._positions.unplaced_in(group.coverage) if below else {}
        for member in below:
            self._move_out(self._clients[member.client_id], unplaced)

    def _move_out(self, client: Client, unplaced: Mapping[str, Position]) -> None:
        client.is_new = False
        if client.sweep is not None:
            self._end_sweep(client, unplaced)
        else:
            self.leave(client)
            self._positions.unplace(client, unplaced)

    def break_off_sweep(self, client: Client) -> None:
        """Take a client out of the group that it entered for a sweep."""
        self._end_sweep(client, self._positions.unplaced_in(client.coverage()))

    def _end_sweep(self, client: Client, covered: Mapping[str, Position]) -> None:
        client.sweep = None
        self.leave(client)
        # The sweep left a position in each device but those that came since it began.
        self._positions.place_after(client, covered)

    def before_loss(self, device: Device, arrival: int) -> None:
        """Move clients out of tails whose entries of a device, up to a number, its ring drops."""
        for group in self.groups.covering(device.device_id):
            if arrival > group.floor:
                group.send_up_to(arrival)
                self.expel(group, arrival)
