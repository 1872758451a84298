"""The newest reading of a device at most so often, for clients that asked for a rate. Pure."""

import heapq
from collections.abc import Iterator, Mapping

from gateway.devices.devices import Device, Devices
from gateway.domain import Now
from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client, Look, Rated
from shared.cursor import START

LOOK_MIN_S, LOOK_MAX_S = 0.01, 0.25
"""Newest readings are looked for no more often and no less often than this."""
LOOK_FOR_NEW_S = 0.05
"""Where nothing new was found, newest readings are not looked for more often than this."""
LOOK_DEVICES = 300
"""Devices looked at in one piece: one or two milliseconds."""
LOOK_A_DEVICE_S = 0.000_1
"""And not more often than so long for each device: who watches 1,000 gets 10 a second of each."""


class RateQueue:
    """When to look for newest readings of which client next."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._queue: list[tuple[float, str]] = []  # a heap; may hold times that are over

    def __bool__(self) -> bool:
        return bool(self._queue)

    def settle(self, client: Client, now: Now) -> None:
        """Look at once for a client that has a rate now, never again for one that has none."""
        client.rate_due_s, client.is_rate_due, client.rated_up_to = None, False, -1
        client.look = None
        if client.top_rate_hz() is not None:
            self._look_at(client, now.monotonic_s)

    def due(self, now: Now) -> Iterator[str]:
        """Name the clients whose time has come."""
        while self._queue and self._queue[0][0] <= now.monotonic_s:
            due_s, client_id = heapq.heappop(self._queue)
            client = self._clients.get(client_id)
            if client is not None and client.rate_due_s == due_s:
                client.is_rate_due = True
                self._look_at(client, now.monotonic_s + LOOK_MAX_S)
                yield client_id

    def send_newest(self, client: Client, devices: Devices, out: Outbound, now: Now) -> None:
        """Send the newest reading of each device that is watched at a rate and is due.

        At most :data:`LOOK_DEVICES` are looked at in one call; then the client stays due.
        """
        if not client.is_rate_due:
            return
        if client.look is None:
            if client.rated_up_to == devices.arrival:  # most devices are silent most of the time
                client.is_rate_due = False
                self._look_at(client, now.monotonic_s + client.rate_pause_s)
                return
            client.look = _begin_look(client, devices, now)
        look = client.look
        for _ in range(min(LOOK_DEVICES, len(look.names))):
            if out.is_full:
                return
            _look_for_newest(client, devices.get(look.names.pop()), out, now)
        if not look.names:
            self._end_look(client, look, now)

    def _end_look(self, client: Client, look: Look, now: Now) -> None:
        client.look, client.is_rate_due = None, False
        client.rated_up_to = look.arrival if look.is_all_sent else -1
        client.rate_pause_s = max(look.next_s - now.monotonic_s, LOOK_MIN_S, look.least_s)
        self._look_at(client, now.monotonic_s + client.rate_pause_s)

    def _look_at(self, client: Client, due_s: float) -> None:
        client.rate_due_s = due_s
        heapq.heappush(self._queue, (due_s, client.client_id))


def _begin_look(client: Client, devices: Devices, now: Now) -> Look:
    names = [device.device_id for device in _rated_devices(client, devices)]
    names.reverse()
    least_s = LOOK_A_DEVICE_S * len(names)
    return Look(names, devices.arrival, now.monotonic_s + LOOK_MAX_S, least_s)


def _look_for_newest(client: Client, device: Device | None, out: Outbound, now: Now) -> None:
    look = client.look
    if device is None or look is None:  # it gave way meanwhile
        return
    rated = _rated(client, device.device_id)
    due_s = rated.due_s
    if due_s > now.monotonic_s:
        look.is_all_sent = False
    elif _take_newest(rated, device, out):
        due_s = rated.due_s = now.monotonic_s + rated.interval_s
    else:
        due_s = now.monotonic_s + max(rated.interval_s, LOOK_FOR_NEW_S)
    look.next_s = min(look.next_s, due_s)


def _rated_devices(client: Client, devices: Devices) -> Iterator[Device]:
    if client.everything and client.everything_rate_hz is not None:
        yield from (d for d in devices if client.rate_of(d.device_id) is not None)
        return
    for name, rate_hz in client.names.items():
        device = devices.get(name)
        if rate_hz is not None and device is not None:
            yield device


def _rated(client: Client, device_id: str) -> Rated:
    rated = client.rated.get(device_id)
    if rated is None:
        rate_hz = client.rate_of(device_id)
        assert rate_hz is not None
        rated = Rated(1 / rate_hz, client.since_of(device_id) or START)
        client.rated[device_id] = rated
    return rated


def _take_newest(rated: Rated, device: Device, out: Outbound) -> bool:
    """Send the newest reading unless the client has it; tell whether it was sent."""
    index = device.ring.newest_reading()
    if index is None or device.ring.arrival_at(index) <= rated.arrival:
        return False
    cursor = device.ring.cursor_at(index + 1) or START
    is_known = rated.arrival < 0 and cursor <= rated.cursor
    rated.arrival = device.ring.arrival_at(index)
    if not is_known:
        rated.cursor = cursor  # a lower one after "epoch_back"
        out.add(device.ring.frame_at(index))
    return not is_known
