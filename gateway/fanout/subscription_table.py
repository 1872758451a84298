"""Which client watches which devices: changes subscriptions and writes the answers. Pure.

Work for many devices is done in pieces, with a call of ``pause`` between them. During a pause other
clients may connect, leave and subscribe. The client whose subscription changes is sent nothing
until its answer is complete, so that the cursors in the answer are where it continues.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from gateway.devices.devices import Devices
from gateway.domain import Now
from gateway.fanout.clients import Client
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.fanout.subscription import CURSORS_MAX, NAMES_MAX, Subscribe, Unsubscribe
from gateway.fanout.subscription_budget import SubscriptionBudget
from gateway.fanout.throttle import ThrottleQueue
from shared.errors import TooManyDevices

PLACED_AT_ONCE = 250
"""Devices in which a position is set between two calls of ``pause``: a millisecond."""
ANSWERED_AT_ONCE = 100
"""Devices of an answer that are written between two calls of ``pause``: some 0.2 ms."""

Pause: TypeAlias = Callable[[], None]


@contextmanager
def _sending_paused(client: Client) -> Iterator[None]:
    client.running_changes += 1
    try:
        yield
    finally:
        client.running_changes -= 1


def _needs_no_positions(client: Client, request: Subscribe) -> bool:
    """Tell whether a request can be applied without positions in single devices.

    It must ask for every reading of ``*`` without cursors, and the client must either watch nothing
    yet or be a member for ``*`` without exceptions.
    """
    asks_for_all = request.everything and not request.since and request.max_rate_hz is None
    has_own = client.names or client.ring_positions or client.throttled
    is_plain = not (has_own or client.everything_rate_hz)
    is_member = client.group is not None
    return asks_for_all and is_plain and is_member == client.everything


class SubscriptionTable:
    """Changes the subscriptions of clients, within the limits for each and for all together."""

    def __init__(
        self,
        devices: Devices,
        clients: Mapping[str, Client],
        positions: Positions,
        membership: Membership,
        throttle: ThrottleQueue,
    ) -> None:
        self.budget = SubscriptionBudget()
        self._devices = devices
        self._clients = clients
        self._positions = positions
        self._membership = membership
        self._throttle = throttle
        self._watchers: Counter[str] = Counter()
        """How many clients watch a device by name."""

    def is_watched(self, device_id: str) -> bool:
        """Tell whether a client watches a device by name."""
        return device_id in self._watchers

    def subscribe(self, client: Client, request: Subscribe, now: Now, pause: Pause) -> str:
        """Add to a subscription; returns the ``devices`` of the answer as JSON."""
        self._check_size(client, request)
        self.budget.reserve(client, len(request.names) + len(request.since))
        with _sending_paused(client):
            covered = self.apply(client, request, now, pause)
            self.recount(client)
            return self._write_answer(client, covered, pause)

    def unsubscribe(self, client: Client, request: Unsubscribe, now: Now) -> None:
        """End the whole subscription (``*``), or that of single names."""
        with _sending_paused(client):
            if request.everything:
                self._end_everything(client)
            else:
                self._membership.leave_keeping_position(client)
                self._uncover(client, request.names, now)
            self._throttle.reschedule(client, now)
            self.recount(client)

    def forget(self, client: Client) -> None:
        """Drop the subscription of a client that left."""
        self._unwatch(client.names)
        self.budget.forget(client)

    def recount(self, client: Client) -> None:
        """Count the names and cursors of a client again."""
        if client.client_id in self._clients:  # it may have left in a pause
            self.budget.recount(client)

    def _check_size(self, client: Client, request: Subscribe) -> None:
        if len(client.names.keys() | set(request.names)) > NAMES_MAX:
            raise TooManyDevices(f"at most {NAMES_MAX} names a client; use '*' for all")
        if len(client.since.keys() | request.since.keys()) > CURSORS_MAX:
            raise TooManyDevices(f"at most {CURSORS_MAX} cursors a client: unsubscribe first")

    # --- begin ---------------------------------------------------------------------------

    def apply(self, client: Client, request: Subscribe, now: Now, pause: Pause) -> list[str]:
        """Apply a request, without a check of limits; returns the ids that its answer names."""
        if client.is_automatic:
            self._end_everything(client)
        if _needs_no_positions(client, request):
            self._membership.follow_everything(client)
            covered = [device.device_id for device in self._devices]
        else:
            self._membership.leave_keeping_position(client)
            covered = self._cover(client, request, now, pause)
        self._throttle.reschedule(client, now)
        client.statuses.update(dict.fromkeys(covered))
        return covered

    def _cover(self, client: Client, request: Subscribe, now: Now, pause: Pause) -> list[str]:
        """Set the positions of a client that has no group; returns the ids for the answer."""
        for name in request.names:
            if name not in client.names:
                self._watchers[name] += 1
            client.names[name] = request.max_rate_hz
        if request.everything:
            return self._cover_everything(client, request, now, pause)
        for name in request.names:
            self._positions.place(client, name, request.since.get(name), now)
        return list(request.names)

    def _cover_everything(
        self, client: Client, request: Subscribe, now: Now, pause: Pause
    ) -> list[str]:
        since = {name: cursor for name, cursor in request.since.items() if name != "*"}
        default = request.since.get("*")
        if not client.everything:
            client.everything_from = self._devices.arrival
        client.everything, client.everything_rate_hz = True, request.max_rate_hz
        client.everything_since = default or client.everything_since
        covered = [device.device_id for device in self._devices]
        covered += [name for name in since if self._devices.get(name) is None]
        for number, name in enumerate(covered):
            own = name in client.names
            self._positions.place(client, name, since.get(name, None if own else default), now)
            if number % PLACED_AT_ONCE == 0:
                pause()
        if not client.names:
            return covered
        # This request changes nothing for the devices that the client watches by name.
        return [name for name in covered if name in since or name not in client.names]

    # --- end -----------------------------------------------------------------------------

    def _uncover(self, client: Client, names: Iterable[str], now: Now) -> None:
        ended = [name for name in names if name in client.names]
        self._unwatch(ended)
        for name in ended:
            del client.names[name]
            if client.everything:
                self._positions.place(client, name, None, now)
            else:
                self._positions.forget(client, name)

    def _end_everything(self, client: Client) -> None:
        self._membership.leave(client)
        self._positions.clear_backlog(client)
        self._unwatch(client.names)
        client.names.clear()
        client.throttled.clear()
        client.since.clear()
        client.evicted_at.clear()
        client.statuses.clear()
        client.sweep = None
        client.everything = client.is_automatic = client.statuses_first = False
        client.everything_since = client.everything_rate_hz = None

    def _unwatch(self, names: Iterable[str]) -> None:
        for name in names:
            self._watchers[name] -= 1
            if not self._watchers[name]:
                del self._watchers[name]

    # --- answer --------------------------------------------------------------------------

    def _write_answer(self, client: Client, covered: list[str], pause: Pause) -> str:
        parts: list[str] = []
        for start in range(0, len(covered), ANSWERED_AT_ONCE):
            some = covered[start : start + ANSWERED_AT_ONCE]
            parts.append(",".join([self._answer(client, device_id) for device_id in some]))
            pause()
        return "{" + ",".join(parts) + "}"

    def _answer(self, client: Client, device_id: str) -> str:
        device = self._devices.get(device_id)
        cursor = self._positions.cursor_in(client, device_id)
        online = "true" if device is not None and device.feed.online else "false"
        latest = "null" if device is None else device.latest_json().decode()
        # Ids need no escapes in JSON: see shared.reading.DEVICE_ID.
        return f'"{device_id}":{{"online":{online},"cursor":"{cursor}","latest":{latest}}}'
