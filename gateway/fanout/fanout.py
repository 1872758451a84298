"""Who gets what next: every subscription, and the frames that are due to each client.

Pure. The devices tell it what happened (it is their audience); the shell asks who has something
due, and takes as many bytes for a client as its connection accepts. Nothing is queued here.
"""

from collections.abc import Callable

from gateway.devices.devices import Devices
from gateway.fanout.backlog import ANY_NUMBER, Outbound
from gateway.fanout.backlog_sender import BacklogSender
from gateway.fanout.clients import Client
from gateway.fanout.device_audience import DeviceAudience
from gateway.fanout.groups import Handle, OpenMulticast
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.fanout.statuses import StatusLog
from gateway.fanout.subscription import Subscribe, Unsubscribe
from gateway.fanout.subscription_table import SubscriptionTable
from gateway.fanout.tail import BATCH_BYTES_MAX, Batch
from gateway.fanout.throttle import RateQueue
from gateway.feed.effects import Now

SENT_AT_ONCE = 16
"""Clients in step that are sent to between two calls of ``pause``, or one cohort."""
AUTOMATIC_RATE_HZ = 1.0
"""What a client gets that only connects and listens, with ``SPOKE_AUTO_SUBSCRIBE``."""

EMPTY = Batch(())


def do_nothing() -> None:
    """Go on at once: the pause of work that nobody has to wait for."""


class Fanout:
    """Every client's subscription and position; see the module."""

    def __init__(self, devices: Devices, open_multicast: OpenMulticast) -> None:
        self.clients: dict[str, Client] = {}
        self._devices = devices
        self._now_s = 0.0
        self._statuses = StatusLog(devices)
        self._rates = RateQueue(self.clients)
        self._positions = Positions(devices, self.clients)
        self._membership = Membership(devices, self.clients, self._positions, open_multicast)
        self._groups = self._membership.groups
        self._backlog = BacklogSender(devices, self._positions, self._membership)
        self._subscriptions = SubscriptionTable(
            devices, self.clients, self._positions, self._membership, self._rates
        )
        devices.audience = DeviceAudience(
            self.clients, self._positions, self._membership, self._subscriptions, self._statuses
        )

    # --- clients and their subscriptions -------------------------------------------------

    def add(self, client_id: str, connection: Handle) -> None:
        """Admit a client that watches nothing yet; multicasts know it by its connection."""
        self.clients[client_id] = Client(client_id, connection, status_seen=self._statuses.count)

    def remove(self, client_id: str) -> None:
        """Forget a client."""
        client = self.clients.pop(client_id, None)
        if client is not None:
            self._membership.leave(client)
            self._positions.behind.discard(client_id)
            self._subscriptions.forget(client)

    def subscribe_automatically(self, client_id: str, now: Now) -> None:
        """Give a client everything at 1 Hz until it subscribes by itself; it may have already."""
        client = self.clients[client_id]
        if client.names or client.everything:
            return
        request = Subscribe((), True, {}, AUTOMATIC_RATE_HZ)
        self._subscriptions.enter(client, request, now, do_nothing)
        client.is_automatic = True

    def subscribe(
        self, client_id: str, request: Subscribe, now: Now, pause: Callable[[], None] = do_nothing
    ) -> str:
        """Add to a subscription; returns the ``devices`` of the answer as JSON.

        All or nothing: raises :class:`~shared.errors.TooManyDevices` before anything is changed, or
        :class:`~shared.errors.Unavailable` when all clients have too much. The positions
        are settled at once. The answer is then written in pieces, with a call of ``pause`` after
        each; the client is sent nothing meanwhile, so that the answer tells where it stands.
        """
        return self._subscriptions.subscribe(self.clients[client_id], request, now, pause)

    def unsubscribe(
        self,
        client_id: str,
        request: Unsubscribe,
        now: Now,
        pause: Callable[[], None] = do_nothing,
    ) -> None:
        """Take from a subscription; ``*`` ends everything, a name its own entry."""
        self._subscriptions.unsubscribe(self.clients[client_id], request, now)

    # --- what is due ---------------------------------------------------------------------

    def take_wanted(self) -> set[str]:
        """Take the devices whose newest reading must be asked for."""
        wanted, self._backlog.wanted = self._backlog.wanted, set()
        return wanted

    def send_live(self, pause: Callable[[], None] = do_nothing) -> list[str]:
        """Send all who are in step with others what is new; names those who are left to be sent.

        ``pause`` is called between two pieces. Clients may come, go and change in it.
        """
        dirty = self._groups.take_dirty()
        # All is joined before any is sent: the kernel's work empties the processor's caches.
        for group in dirty:
            group.join_unsent()
        sent = 0
        for group in dirty:
            for cohort in [*group.cohorts]:
                group.send_on(cohort)
                sent += cohort.size
                if sent >= SENT_AT_ONCE:
                    sent = 0
                    pause()
        return [client.client_id for group in dirty if group.apart for client in group.apart]

    @property
    def is_full(self) -> bool:
        """Tell whether so much is due to those in step that they should be sent to now."""
        return self._groups.are_full

    def due(self, now: Now) -> list[str]:
        """Name the clients that may have something due, but for those that are only live."""
        self._now_s = now.monotonic_s
        everybody = list(self.clients) if self._statuses.has_news else []
        self._statuses.has_news = False
        return [*everybody, *self._positions.behind, *self._rates.due(now)]

    @property
    def is_unsettled(self) -> bool:
        """Tell whether something may become due without anything happening."""
        is_behind = bool(self._positions.behind)
        return is_behind or self._statuses.has_news or bool(self._rates) or self._groups.are_dirty

    def has_due(self, client_id: str) -> bool:
        """Tell whether a client, once writable, would be sent something."""
        client = self.clients[client_id]
        if client.holds:
            return False
        if client.is_rate_due or self._statuses.is_due(client):
            return True
        group = client.group
        if group is not None and client.cohort is None and client.arrival < group.last:
            return True
        return self._backlog.has_due(client, self._now_s)

    def take(
        self,
        client_id: str,
        now: Now,
        room_bytes: int = BATCH_BYTES_MAX,
        room_frames: int = ANY_NUMBER,
    ) -> Batch:
        """Give what is due to a client, as much as there is room for, and move its position."""
        client = self.clients[client_id]
        self._now_s = now.monotonic_s
        if client.holds:
            return EMPTY
        plain = not (
            client.behind or client.is_new or client.is_rate_due or self._statuses.is_due(client)
        )
        roomy = room_bytes >= BATCH_BYTES_MAX and room_frames == ANY_NUMBER
        group = client.group
        if group is not None and client.cohort is None and plain and roomy:
            batch, client.arrival = group.batch_after(client.arrival)
        else:
            batch = self._take_mixed(client, now, Outbound(room_bytes, room_frames))
        if client.group is not None and client.sweep is None and not client.is_new:
            client.group.step_in(client)
        return batch

    def _take_mixed(self, client: Client, now: Now, out: Outbound) -> Batch:
        self._statuses.owe(client)
        if not client.is_new:
            self._send_tail(client, out)
        self._statuses.tell(client, out)
        if client.is_new and not client.statuses:
            client.is_new = False
            self._send_tail(client, out)
        self._rates.send_newest(client, self._devices, out, now)
        if client.client_id in self._positions.behind:
            self._backlog.send(client, out, now)
        return Batch(out.frames) if out.frames else EMPTY

    def _send_tail(self, client: Client, out: Outbound) -> None:
        """Send the next entries of the tail to a client that is apart from the others."""
        group = client.group
        if group is None or client.cohort is not None or client.sweep is not None:
            return
        for arrival, frame in group.entries_after(client.arrival):
            if out.is_full:
                return
            out.add(frame)
            client.arrival = arrival
