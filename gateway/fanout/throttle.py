"""Sends the newest reading of each device at most at a given rate. Pure.

How it works. A client with rate limits is scanned: a scan looks at each device that the client
watches with a limit, and sends the newest reading if its interval is over and it was not sent. A
heap holds when the next scan of each client is due: when the first interval ends, but not before
the cost of the last scan is spread (:data:`SCAN_PER_DEVICE_S`). If nothing arrived since a scan
that held nothing back, the next one is skipped, as most devices are silent most of the time.
"""

import heapq
from collections.abc import Iterator, Mapping

from gateway.devices.devices import Device, Devices
from gateway.domain import Now
from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client, Scan, Throttled
from shared.cursor import START

SCAN_MIN_S, SCAN_MAX_S = 0.01, 0.25
"""The shortest and the longest time from one scan of a client to the next."""
SCAN_FOR_NEW_S = 0.05
"""A device without a new reading is due again after this time, or its interval if that is longer.
"""
SCANNED_AT_ONCE = 300
"""Devices of one piece of a scan: one or two milliseconds."""
SCAN_PER_DEVICE_S = 0.000_1
"""The next scan begins at least this long after the last one for each device: with 1,000 devices a
client is scanned 10 times a second."""


class ThrottleQueue:
    """When the next scan of each client is due."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._queue: list[tuple[float, str]] = []  # a heap; may hold outdated times of a client

    def __bool__(self) -> bool:
        return bool(self._queue)

    def reschedule(self, client: Client, now: Now) -> None:
        """Make a scan due now after a change of the subscription, or none without a limit."""
        client.throttle_due_s, client.is_throttle_due, client.scanned_up_to = None, False, -1
        client.scan = None
        if client.top_rate_hz() is not None:
            self._scan_at(client, now.monotonic_s)

    def due(self, now: Now) -> Iterator[str]:
        """Yield the clients whose next scan is due, and mark them so."""
        while self._queue and self._queue[0][0] <= now.monotonic_s:
            due_s, client_id = heapq.heappop(self._queue)
            client = self._clients.get(client_id)
            if client is not None and client.throttle_due_s == due_s:
                client.is_throttle_due = True
                # In case the client cannot take anything until then; a finished scan replaces this.
                self._scan_at(client, now.monotonic_s + SCAN_MAX_S)
                yield client_id

    def send_newest(self, client: Client, devices: Devices, out: Outbound, now: Now) -> None:
        """Send the newest reading of each device whose interval is over.

        One call looks at no more than :data:`SCANNED_AT_ONCE` devices; if there are more, the
        client stays due.
        """
        if not client.is_throttle_due:
            return
        if client.scan is None:
            if client.scanned_up_to == devices.arrival:
                client.is_throttle_due = False
                self._scan_at(client, now.monotonic_s + client.scan_pause_s)
                return
            client.scan = _begin_scan(client, devices, now)
        scan = client.scan
        for _ in range(min(SCANNED_AT_ONCE, len(scan.names))):
            if out.is_full:
                return
            _send_if_due(client, devices.get(scan.names.pop()), out, now)
        if not scan.names:
            self._end_scan(client, scan, now)

    def _end_scan(self, client: Client, scan: Scan, now: Now) -> None:
        client.scan, client.is_throttle_due = None, False
        client.scanned_up_to = scan.arrival if scan.is_all_sent else -1
        client.scan_pause_s = max(scan.next_s - now.monotonic_s, SCAN_MIN_S, scan.least_s)
        self._scan_at(client, now.monotonic_s + client.scan_pause_s)

    def _scan_at(self, client: Client, due_s: float) -> None:
        client.throttle_due_s = due_s
        heapq.heappush(self._queue, (due_s, client.client_id))


def _begin_scan(client: Client, devices: Devices, now: Now) -> Scan:
    names = [device.device_id for device in _throttled_devices(client, devices)]
    names.reverse()
    least_s = SCAN_PER_DEVICE_S * len(names)
    return Scan(names, devices.arrival, now.monotonic_s + SCAN_MAX_S, least_s)


def _send_if_due(client: Client, device: Device | None, out: Outbound, now: Now) -> None:
    scan = client.scan
    if device is None or scan is None:  # it was evicted since the scan began
        return
    throttled = _throttle_of(client, device.device_id)
    due_s = throttled.due_s
    if due_s > now.monotonic_s:
        scan.is_all_sent = False
    elif _take_newest(throttled, device, out):
        due_s = throttled.due_s = now.monotonic_s + throttled.interval_s
    else:
        due_s = now.monotonic_s + max(throttled.interval_s, SCAN_FOR_NEW_S)
    scan.next_s = min(scan.next_s, due_s)


def _throttled_devices(client: Client, devices: Devices) -> Iterator[Device]:
    if client.everything and client.everything_rate_hz is not None:
        yield from (d for d in devices if client.rate_of(d.device_id) is not None)
        return
    for name, rate_hz in client.names.items():
        device = devices.get(name)
        if rate_hz is not None and device is not None:
            yield device


def _throttle_of(client: Client, device_id: str) -> Throttled:
    throttled = client.throttled.get(device_id)
    if throttled is None:
        rate_hz = client.rate_of(device_id)
        assert rate_hz is not None
        throttled = Throttled(1 / rate_hz, client.since_of(device_id) or START)
        client.throttled[device_id] = throttled
    return throttled


def _take_newest(throttled: Throttled, device: Device, out: Outbound) -> bool:
    """Send the newest reading unless the client has it; returns whether it was sent."""
    index = device.ring.newest_reading()
    if index is None or device.ring.arrival_at(index) <= throttled.arrival:
        return False
    cursor = device.ring.cursor_before(index + 1) or START
    is_known = throttled.arrival < 0 and cursor <= throttled.cursor
    throttled.arrival = device.ring.arrival_at(index)
    if not is_known:
        throttled.cursor = cursor  # lower than before if the device went back an epoch
        out.add(device.ring.frame_at(index))
    return not is_known
