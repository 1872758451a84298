"""Reacts to changes of devices: new entries, statuses, first contact, losses. Pure.

:class:`~gateway.devices.devices.Devices` calls these methods at once, before it changes anything
else. They must not switch greenlets and must not change devices.
"""

from collections.abc import Mapping

from gateway.devices.devices import Device
from gateway.devices.ring import Entry
from gateway.domain import Now
from gateway.fanout.clients import Client
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.fanout.statuses import StatusLog
from gateway.fanout.subscription_table import SubscriptionTable


class DeviceAudience:
    """The audience of :class:`~gateway.devices.devices.Devices`."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        positions: Positions,
        membership: Membership,
        subscriptions: SubscriptionTable,
        statuses: StatusLog,
    ) -> None:
        self._clients = clients
        self._positions = positions
        self._membership = membership
        self._groups = membership.groups
        self._subscriptions = subscriptions
        self._statuses = statuses

    def append(self, device: Device, entry: Entry) -> None:
        """Append an entry to the tail of each group that covers its device."""
        self._groups.append(device.device_id, entry.arrival, entry.frame)

    def note_status(self, device_id: str) -> None:
        """Note that the clients that watch a device are owed its status."""
        self._statuses.note(device_id)

    def appear(self, device: Device, now: Now) -> None:
        """Set the position of each client that watches a device that appears now."""
        self._positions.add_device(device.device_id)
        for client in list(self._clients.values()):
            if client.watches(device.device_id):
                self._place_first(client, device, now)

    def _place_first(self, client: Client, device: Device, now: Now) -> None:
        device_id = device.device_id
        since = self._positions.former_cursor(client, device_id)
        client.since.pop(device_id, None)
        client.evicted_at.pop(device_id, None)
        if since is not None:
            self._membership.exclude_device(client, device_id)
            self._positions.place(client, device_id, since, now)
        # During a sweep the tail keeps these entries, too. But if the sweep stays incomplete, the
        # client leaves the group, and needs a position in each device (``Membership.end_sweep``).
        elif client.wants_every_reading(device_id) and (
            client.sweep is not None or not client.is_covered_by_group(device_id)
        ):
            self._positions.place_before_first(client, device)
        if not client.running_changes:  # a running request counts at its end
            self._subscriptions.recount(client)

    def before_forgetting(self, device: Device, arrival: int) -> int:
        """Give clients exact positions before a ring forgets lost entries up to a number.

        Returns the number up to which it may forget: members of a group may still need a position
        after any entry that the group's tail holds.
        """
        floors = [group.floor for group in self._groups.covering(device.device_id)]
        arrival = min([arrival, *floors])
        self._positions.before_forgetting(device, arrival)
        return arrival

    def is_watched(self, device_id: str) -> bool:
        return self._subscriptions.is_watched(device_id)

    def evict(self, device: Device) -> None:
        """Keep the cursors of clients in a device that gives way, and tell them it is offline."""
        self._membership.before_eviction(device)
        self._statuses.note(device.device_id)
        self._positions.evict(device)
