"""Which client watches which devices: changes subscriptions, and writes the answers. Pure.

Work about many devices is done in pieces, with a call of ``pause`` after each. Clients may come,
go and change in a pause, but the client whose subscription changes is sent nothing meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from gateway.devices.devices import Devices
from gateway.fanout.clients import Client
from gateway.fanout.membership import Membership
from gateway.fanout.positions import Positions
from gateway.fanout.subscription import NAMES_MAX, SINCE_MAX, Subscribe, Unsubscribe
from gateway.fanout.subscription_budget import Entries
from gateway.fanout.throttle import RateQueue
from gateway.feed.effects import Now
from shared.errors import TooManyDevices

PLACED_AT_ONCE = 250
"""Devices in which a client is placed between two calls of ``pause``: a millisecond."""
ANSWERED_AT_ONCE = 100
"""Devices of an answer that are written between two calls of ``pause``: some 0.2 ms."""

Pause: TypeAlias = Callable[[], None]


@contextmanager
def _held(client: Client) -> Iterator[None]:
    """Send a client nothing while its subscription changes, in pieces."""
    client.holds += 1
    try:
        yield
    finally:
        client.holds -= 1


def _keeps_its_place(client: Client, request: Subscribe) -> bool:
    """Tell whether a client asks for all of ``*``, and needs no positions in single devices.

    It needs none if it is already a member for all of ``*``, or watches nothing yet.
    """
    asks_for_all = request.everything and not request.since and request.max_rate_hz is None
    is_plain = not (client.names or client.behind or client.rated or client.everything_rate_hz)
    has_place = client.group is not None if client.everything else client.group is None
    return asks_for_all and is_plain and has_place


class SubscriptionTable:
    """Changes the subscriptions of clients, within the limits for one and for all."""

    def __init__(
        self,
        devices: Devices,
        clients: Mapping[str, Client],
        positions: Positions,
        membership: Membership,
        rates: RateQueue,
    ) -> None:
        self.budget = Entries()
        self._devices = devices
        self._clients = clients
        self._positions = positions
        self._membership = membership
        self._rates = rates
        self._watchers: Counter[str] = Counter()  # clients that watch a device by name

    def is_watched(self, device_id: str) -> bool:
        """Tell whether a client watches a device by name."""
        return device_id in self._watchers

    def subscribe(self, client: Client, request: Subscribe, now: Now, pause: Pause) -> str:
        """Add a request to a subscription; returns the ``devices`` of the answer as JSON."""
        self._check_size(client, request)
        self.budget.reserve(client, len(request.names) + len(request.since))
        with _held(client):
            covered = self.enter(client, request, now, pause)
            self.recount(client)
            return self._write_answer(client, covered, pause)

    def unsubscribe(self, client: Client, request: Unsubscribe, now: Now) -> None:
        """Take from a subscription; ``*`` ends everything, a name its own entry."""
        with _held(client):
            if request.everything:
                self._end_everything(client)
            else:
                self._membership.step_out(client)
                self._uncover(client, request.names, now)
            self._rates.settle(client, now)
            self.recount(client)

    def forget(self, client: Client) -> None:
        """Forget the subscription of a client that left."""
        self._unwatch(client.names)
        self.budget.forget(client)

    def recount(self, client: Client) -> None:
        """Count the names and cursors of a client anew."""
        if client.client_id in self._clients:  # it may have left in a pause
            self.budget.recount(client)

    def _check_size(self, client: Client, request: Subscribe) -> None:
        if len(client.names.keys() | set(request.names)) > NAMES_MAX:
            raise TooManyDevices(f"at most {NAMES_MAX} names a client; use '*' for all")
        if len(client.since.keys() | request.since.keys()) > SINCE_MAX + NAMES_MAX:
            raise TooManyDevices(f"at most {SINCE_MAX} cursors a client")

    # --- begin ---------------------------------------------------------------------------

    def enter(self, client: Client, request: Subscribe, now: Now, pause: Pause) -> list[str]:
        """Enter a request without a check; returns the ids that its answer is about."""
        if client.is_automatic:
            self._end_everything(client)
        if _keeps_its_place(client, request):
            self._membership.follow_everything(client)
            covered = [device.device_id for device in self._devices]
        else:
            self._membership.step_out(client)
            covered = self._cover(client, request, now, pause)
        self._rates.settle(client, now)
        client.statuses.update(dict.fromkeys(covered))
        return covered

    def _cover(self, client: Client, request: Subscribe, now: Now, pause: Pause) -> list[str]:
        """Enter a request of a client without a group; returns the ids that it is about."""
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
        self._positions.end_behind(client)
        self._unwatch(client.names)
        client.names.clear()
        client.rated.clear()
        client.since.clear()
        client.left.clear()
        client.statuses.clear()
        client.sweep = None
        client.everything = client.is_automatic = client.is_new = False
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
        """Write the part of an answer that is about one device."""
        device = self._devices.get(device_id)
        cursor = self._positions.cursor_in(client, device_id)
        online = "true" if device is not None and device.feed.online else "false"
        latest = "null" if device is None else device.latest_json().decode()
        # An id needs no escapes, see shared.reading.DEVICE_ID.
        return f'"{device_id}":{{"online":{online},"cursor":"{cursor}","latest":{latest}}}'
