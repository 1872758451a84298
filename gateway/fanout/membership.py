"""When a client joins its group, and when it leaves it. Pure.

How it works. This is the path of a ``subscribe``, from the request to a synced client:

1. :meth:`Fanout.subscribe <gateway.fanout.fanout.Fanout.subscribe>` passes the request to
   :class:`~gateway.fanout.subscription_table.SubscriptionTable`, which checks the limits.
2. A request for all of ``*`` without cursors needs no positions in single devices:
   :meth:`follow_everything` adds the client to the group at the newest arrival number. Go to 5.
3. For any other request, :meth:`leave_keeping_position` takes the client out of its group, and
   :meth:`Positions.place <gateway.fanout.positions.Positions.place>` sets a position in each
   device of the request. A device that the gateway does not know yet gets its position when it
   appears (:mod:`gateway.fanout.device_audience`). A device with a rate limit gets none, and needs
   no group: :mod:`gateway.fanout.throttle` sends its newest reading.
4. :meth:`Fanout.take <gateway.fanout.fanout.Fanout.take>` has
   :class:`~gateway.fanout.backlog_sender.BacklogSender` send the backlog. With few devices,
   :meth:`join_at_end` adds the client to the group once it has everything. With many devices,
   :meth:`begin_sweep` adds it first, so that the tail keeps new entries while the rings are sent.
5. The client is a lagging member. With a WebSocket it becomes a synced one as soon as it has
   everything in the tail: at once in :meth:`join_at_end`, otherwise after a later ``Fanout.take``.
   A client that polls is never synced: it fetches the entries of the tail with its polls.

A member leaves its group in these cases:

- It disconnects, or its subscription changes. (A plain ``*`` that comes again only unsyncs it.)
- The tail is about to drop entries that the member was not sent, or a device gives way:
  :meth:`move_out_below` gives it positions in the rings instead.
- A device appears for which the member gave a cursor: :meth:`exclude_device` moves it to a group
  that does not cover this device.
- It has caught up in the devices that its group does not cover: :meth:`join_at_end` moves it to the
  group that covers everything it watches.
- A sweep ends, and the client does not have exactly what arrived up to its number in some device:
  :meth:`end_sweep` leaves it its positions, and its backlog goes on.
"""

from collections.abc import Mapping

from gateway.devices.devices import Device, Devices
from gateway.fanout.clients import Client, Position, Sweep
from gateway.fanout.group import Group, OpenMulticast
from gateway.fanout.groups import Groups
from gateway.fanout.positions import Positions
from gateway.fanout.tail import Coverage

TAIL_LENGTH_MAX = 2_048
"""The greatest ``length`` of a tail, which holds this to twice this many entries: half a second of
a large fleet. A client that lags further is served from the rings, at a cost that grows with the
number of devices."""
TAIL_PER_NAME = 256
"""The ``length`` a device, of a group that covers devices by name: there may be many groups."""
EXCLUDED_MAX = 64
"""A client may be behind in this many devices that its group excludes; with more it leaves."""


class Membership:
    """Adds clients to groups and takes them out."""

    def __init__(
        self,
        devices: Devices,
        clients: Mapping[str, Client],
        positions: Positions,
        open_multicast: OpenMulticast,
    ) -> None:
        self.groups = Groups(self._tail_length, open_multicast, self.move_out_below)
        self._devices = devices
        self._clients = clients
        self._positions = positions

    def _tail_length(self, coverage: Coverage) -> int:
        """Choose how many entries a group keeps: all of them must still be in the rings."""
        wanted = TAIL_LENGTH_MAX if coverage.everything else TAIL_PER_NAME * len(coverage.names)
        return max(1, min(wanted, TAIL_LENGTH_MAX, (self._devices.limits.readings - 1) // 2))

    # --- join ----------------------------------------------------------------------------

    def follow_everything(self, client: Client) -> None:
        """Add a client of ``*`` at the newest arrival number; a member keeps its number."""
        if not client.everything:
            client.everything, client.everything_from = True, self._devices.arrival
            self._enter(client, client.coverage())
        elif client.group is not None:
            # A synced member's own ``arrival`` is stale; ``Positions.cursor_in`` reads it next.
            client.group.unsync(client)
        client.statuses_first = True

    def begin_sweep(self, client: Client) -> Sweep:
        """Add a client that has a backlog, at an arrival number up to which the rings are sent.

        From now on the tail keeps all later entries for the client.
        """
        self._enter(client, client.coverage())
        client.sweep = Sweep([*client.ring_positions])
        return client.sweep

    def join_at_end(self, client: Client) -> None:
        """Add a client that was sent everything.

        It joins for the first time after a ``subscribe``, or again after it lagged, or moves here
        from a group that left devices out.
        """
        self.leave(client)
        self._positions.clear_backlog(client)
        self._enter(client, client.coverage())
        if client.group is not None:
            client.group.try_sync(client)

    def exclude_device(self, client: Client, device_id: str) -> None:
        """Move a member to a group that covers one device less."""
        group = client.group
        if group is None or not group.coverage.covers(device_id):
            return
        can_exclude = client.sweep is None and len(client.ring_positions) < EXCLUDED_MAX
        if not can_exclude or not group.send_rest(client):
            self.leave_keeping_position(client)
            return
        # The client has everything in the tail, so it may enter the other group at the newest
        # arrival number.
        self.leave(client)
        self._enter(client, group.coverage.without(device_id))
        if client.group is not None and not client.statuses_first:
            client.group.try_sync(client)

    def _enter(self, client: Client, coverage: Coverage) -> None:
        """Add a client to the group of a coverage, at the newest arrival number."""
        if coverage.names or coverage.everything:
            client.arrival = self._devices.arrival
            client.group = self.groups.join(client, coverage)

    # --- leave ---------------------------------------------------------------------------

    def leave(self, client: Client) -> None:
        """Take a client out of its group; it gets no positions in devices."""
        group, client.group = client.group, None
        if group is not None:
            self.groups.leave(client, group)

    def leave_keeping_position(self, client: Client) -> None:
        """Take a client out of its group; it gets a position in each device instead."""
        group = client.group
        if group is not None:
            self._move_out(client, self._positions.after_arrival_in(group.coverage))
        self._positions.spread(client)

    def move_out_below(self, group: Group, arrival: int) -> None:
        """Take clients below an arrival number out of a group.

        They get positions in the rings. This may be thousands of clients at once, at 5 µs each.
        """
        below = group.members_below(arrival)
        positions = self._positions.after_arrival_in(group.coverage) if below else {}
        for member in below:
            self._move_out(self._clients[member.client_id], positions)

    def _move_out(self, client: Client, positions: Mapping[str, Position]) -> None:
        client.statuses_first = False
        if client.sweep is not None:
            self.end_sweep(client)
        else:
            self.leave(client)
            self._positions.set_after_arrival(client, positions)

    def end_sweep(self, client: Client) -> None:
        """Take a client out of the group that :meth:`begin_sweep` added it to.

        Its backlog has its position in each device, also in those that appeared during the sweep.
        """
        client.sweep = None
        self.leave(client)

    def before_eviction(self, device: Device) -> None:
        """Send synced clients the last entries of a device that gives way; move others out.

        Later nothing could tell the position of a client in the ring. Of most devices that give
        way, all clients have everything: they have been silent for long.
        """
        arrival = device.ring.last_arrival
        for group in self.groups.covering(device.device_id):
            if arrival > group.floor:
                group.send_cohorts_below(arrival)
                self.move_out_below(group, arrival)
