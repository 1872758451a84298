"""The fan-out: what each client is sent next. Pure.

How it works. The gateway queues no reading for a client. The ring of each device holds the last
readings as ready frames, and a client is a position. There are four streams for a client:

- *Live*: the clients that watch the same devices form a group (:mod:`gateway.fanout.group`) with
  one tail of new entries. Most are synced: :meth:`Fanout.send_live` sends all of them the same
  bytes. A lagging client is sent the tail by :meth:`Fanout.take` when it can take more.
- *Backlog*: a client that gave a cursor, or that fell out of its group's tail, is sent the rings,
  device by device (:mod:`gateway.fanout.backlog_sender`), until it can join its group.
- *Throttle*: of devices with a rate limit the client is sent the newest reading at each interval
  (:mod:`gateway.fanout.throttle`).
- *Statuses*: the client is sent ``device_status`` of each device that changed
  (:mod:`gateway.fanout.statuses`).

:mod:`gateway.fanout.membership` follows a ``subscribe`` from the request to the group.

Invariants:

- In each known device, a client is served by one of its group, its backlog or the throttle. During
  a sweep it is a member, but is sent the backlog before the tail.
- Readings of one device reach a client in order; each follows the one before it, or a ``gap`` tells
  which are missing. With a rate limit, readings are left out without a ``gap``.
- While its subscription changes, a client is sent nothing, and it is not synced: the change begins
  by making it lagging or by taking it out of its group, and :meth:`Fanout.take` ends at once. So
  its own ``arrival`` is its position (:meth:`Positions.cursor_in` reads it for the answer).
- Greenlets switch only in calls of ``pause``.
"""

from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from gateway.devices.devices import Devices
from gateway.domain import Now
from gateway.fanout.backlog import UNLIMITED, Outbound
from gateway.fanout.backlog_sender import BacklogSender
from gateway.fanout.clients import Client
from gateway.fanout.device_audience import DeviceAudience
from gateway.fanout.group import Handle, OpenMulticast
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.fanout.statuses import StatusLog
from gateway.fanout.subscription import Subscribe, Unsubscribe
from gateway.fanout.subscription_table import SubscriptionTable
from gateway.fanout.tail import BATCH_BYTES_MAX, Batch, Sent
from gateway.fanout.throttle import ThrottleQueue

SENT_AT_ONCE = 16
"""Synced clients that are sent to between two calls of ``pause``; at least one cohort."""
AUTOMATIC_RATE_HZ = 1.0
"""The rate limit of a client that the gateway subscribed (``SPOKE_AUTO_SUBSCRIBE``)."""

EMPTY = Batch(())


def do_nothing() -> None:
    """Return at once: the ``pause`` of work that is not done in pieces."""


class Fanout:
    """All clients, their subscriptions and positions.

    The Sender calls :meth:`send_live` for the synced clients, then :meth:`due` for the others, and
    :meth:`take` for each of these whose connection can take more.
    """

    def __init__(self, devices: Devices, open_multicast: OpenMulticast) -> None:
        self.clients: dict[str, Client] = {}
        self.gaps: Counter[str] = Counter()
        """Gaps that single clients were told, because they were too far behind, by reason."""
        self._devices = devices
        self._now = Now(0.0, 0)
        self._statuses = StatusLog(devices)
        self._throttle = ThrottleQueue(self.clients)
        self._positions = Positions(devices, self.clients)
        self._membership = Membership(devices, self.clients, self._positions, open_multicast)
        self._groups = self._membership.groups
        self._backlog_sender = BacklogSender(devices, self._positions, self._membership)
        self._subscriptions = SubscriptionTable(
            devices, self.clients, self._positions, self._membership, self._throttle
        )
        devices.audience = DeviceAudience(
            self.clients, self._positions, self._membership, self._subscriptions, self._statuses
        )

    # --- clients and their subscriptions -------------------------------------------------

    def add(self, client_id: str, connection: Handle) -> None:
        """Add a client that watches nothing yet; ``connection`` is passed on to multicasts."""
        self.clients[client_id] = Client(client_id, connection, status_seen=self._statuses.count)

    def remove(self, client_id: str) -> None:
        client = self.clients.pop(client_id, None)
        if client is not None:
            self._membership.leave(client)
            self._positions.with_backlog.discard(client_id)
            self._subscriptions.forget(client)

    def subscribe_automatically(self, client_id: str, now: Now) -> None:
        """Subscribe a client to ``*`` at 1 Hz, unless it has subscribed, until it does."""
        client = self.clients[client_id]
        if client.names or client.everything:
            return
        request = Subscribe((), True, {}, AUTOMATIC_RATE_HZ)
        self._subscriptions.apply(client, request, now, do_nothing)
        client.is_automatic = True

    def subscribe(
        self, client_id: str, request: Subscribe, now: Now, pause: Callable[[], None] = do_nothing
    ) -> str:
        """Add to a subscription; returns the ``devices`` of the answer as JSON.

        Raises :class:`~shared.errors.TooManyDevices` if the client would watch too much, or
        :class:`~shared.errors.Unavailable` if all clients together would, before anything changes.
        ``pause`` is called between two pieces of the work.
        """
        return self._subscriptions.subscribe(self.clients[client_id], request, now, pause)

    def unsubscribe(self, client_id: str, request: Unsubscribe, now: Now) -> None:
        """End the whole subscription (``*``), or that of single names."""
        self._subscriptions.unsubscribe(self.clients[client_id], request, now)

    @property
    def catching_up(self) -> AbstractSet[str]:
        """The ids of the clients that are sent their backlog."""
        return self._positions.with_backlog

    @property
    def sent(self) -> Sent:
        """How much was sent to synced clients."""
        return self._groups.sent

    # --- send ----------------------------------------------------------------------------

    def take_wanted(self) -> set[str]:
        """Take the ids of devices that must be asked for their newest position."""
        wanted, self._backlog_sender.wanted = self._backlog_sender.wanted, set()
        return wanted

    def send_live(self, pause: Callable[[], None] = do_nothing) -> list[str]:
        """Send new entries to all synced clients; returns the ids of the lagging ones.

        ``pause`` is called between two pieces; in it clients may connect, leave and subscribe.
        """
        dirty = self._groups.take_dirty()
        # All frames are joined before any is sent: a send empties the processor's caches.
        for group in dirty:
            group.join_unsent()
        sent = 0
        for group in dirty:
            for cohort in [*group.cohorts]:  # copied: cohorts may end in a pause
                group.send_unsent(cohort)
                sent += cohort.size
                if sent >= SENT_AT_ONCE:
                    sent = 0
                    pause()
        return [client.client_id for group in dirty if group.lagging for client in group.lagging]

    @property
    def has_full_send(self) -> bool:
        """Tell whether a full send is due to synced clients, so that waiting gains nothing."""
        return self._groups.has_full_send

    def due(self, now: Now) -> list[str]:
        """Return the ids of the clients that :meth:`take` may have something for.

        Clients to which only entries of a tail are due are left out: see :meth:`send_live`.
        """
        self._now = now
        everybody = list(self.clients) if self._statuses.has_news else []
        self._statuses.has_news = False
        return [*everybody, *self._positions.with_backlog, *self._throttle.due(now)]

    @property
    def is_unsettled(self) -> bool:
        """Tell whether something may become due although no device sends anything."""
        return bool(
            self._positions.with_backlog
            or self._statuses.has_news
            or self._throttle
            or self._groups.has_dirty
        )

    def has_due(self, client_id: str) -> bool:
        """Tell whether :meth:`take` would return frames for a client."""
        client = self.clients[client_id]
        if client.running_changes:
            return False
        if client.is_throttle_due or self._statuses.is_due(client):
            return True
        group = client.group
        if group is not None and client.cohort is None and client.arrival < group.last:
            return True
        return self._backlog_sender.has_due(client, self._now)

    def take(
        self,
        client_id: str,
        now: Now,
        *,
        room_bytes: int = BATCH_BYTES_MAX,
        room_frames: int = UNLIMITED,
    ) -> Batch:
        """Return the frames that are due to a client and fit, and advance its position.

        Only clients that poll give ``room_frames``. Any other lagging member that then has
        everything becomes synced. The last frame may be larger than the room that is left.
        """
        client = self.clients[client_id]
        self._now = now
        if client.running_changes:
            return EMPTY
        batch = self._take_shared(client, room_bytes, room_frames)
        if batch is None:
            batch = self._take_mixed(client, now, Outbound(room_bytes, room_frames))
        polls = room_frames != UNLIMITED  # such a client is never synced
        may_sync = client.sweep is None and not client.statuses_first and not polls
        if client.group is not None and may_sync:
            client.group.try_sync(client)
        return batch

    def _take_shared(self, client: Client, room_bytes: int, room_frames: int) -> Batch | None:
        """Return the next batch of the tail, which clients with the same number share.

        Returns None if something else is due to the client as well, or there is no room for it.
        """
        group = client.group
        if group is None or client.cohort is not None or room_bytes < BATCH_BYTES_MAX:
            return None
        has_more = client.ring_positions or client.statuses_first or client.is_throttle_due
        if has_more or client.sweep is not None or self._statuses.is_due(client):
            return None
        if group.count_after(client.arrival) > room_frames:
            return None
        batch, client.arrival = group.batch_after(client.arrival)
        return batch

    def _take_mixed(self, client: Client, now: Now, out: Outbound) -> Batch:
        """Collect frames of all streams.

        Readings of the tail go before statuses: a device's last reading goes before its status
        offline. Only right after a ``subscribe`` the statuses go first.
        """
        self._statuses.collect(client)
        if not client.statuses_first:
            self._send_tail(client, out)
        self._statuses.send(client, out)
        if client.statuses_first and not client.statuses:
            client.statuses_first = False
            self._send_tail(client, out)
        self._throttle.send_newest(client, self._devices, out, now)
        if client.client_id in self._positions.with_backlog:
            self._backlog_sender.send(client, out, now)
        if out.gaps:
            self.gaps.update(out.gaps)
        return Batch(out.frames) if out.frames else EMPTY

    def _send_tail(self, client: Client, out: Outbound) -> None:
        """Send the next entries of the tail to a lagging client."""
        group = client.group
        if group is None or client.cohort is not None or client.sweep is not None:
            return
        for arrival, frame in group.entries_after(client.arrival):
            if out.is_full:
                return
            out.add(frame)
            client.arrival = arrival
