"""What the fan-out does when something happens to a device. Pure.

:class:`~gateway.devices.devices.Devices` calls these methods right when it happens and before the
next thing does. They must not switch greenlets, and must not change devices.
"""

from collections.abc import Mapping

from gateway.devices.devices import Device
from gateway.devices.ring import Entry
from gateway.fanout.clients import Client
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.fanout.statuses import StatusLog
from gateway.fanout.subscription_table import SubscriptionTable
from gateway.feed.effects import Now


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
        """Append an entry to the tail of every group that covers its device."""
        self._groups.append(device.device_id, entry.arrival, entry.frame)

    def note_status(self, device_id: str) -> None:
        """Note that every client that watches a device is owed its status."""
        self._statuses.note(device_id)

    def appear(self, device: Device, now: Now) -> None:
        """Place every client that watches a device that is heard for the first time."""
        self._positions.add_device(device.device_id)
        for client in list(self._clients.values()):
            if client.covers(device.device_id):
                self._place_first(client, device, now)

    def _place_first(self, client: Client, device: Device, now: Now) -> None:
        device_id = device.device_id
        since = self._positions.since_before(client, device_id)
        client.since.pop(device_id, None)
        client.left.pop(device_id, None)
        if since is not None:
            self._membership.step_aside(client, device_id)
            self._positions.place(client, device_id, since, now)
        elif client.wants_all(device_id) and not client.is_live_in(device_id):
            self._positions.place_in_new(client, device)
        if not client.holds:  # else it is counted when its request is entered
            self._subscriptions.recount(client)

    def before_loss(self, device: Device, arrival: int) -> None:
        """Give clients positions before a ring drops entries that tails hold as well."""
        self._membership.before_loss(device, arrival)
        self._positions.place_before_loss(device, arrival)

    def before_aging(self, device: Device, arrival: int) -> None:
        """Look up positions before a full ring drops its oldest entry, which no tail holds."""
        self._positions.place_before_loss(device, arrival)

    def is_watched(self, device_id: str) -> bool:
        """Tell whether a client watches a device by name."""
        return self._subscriptions.is_watched(device_id)

    def evict(self, device: Device) -> None:
        """Keep the positions in a device that is evicted, and announce that it is offline."""
        self._statuses.note(device.device_id)
        self._positions.evict(device)
