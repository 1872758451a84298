"""Which ``device_status`` each client is owed. Pure.

How it works. A change is one entry in a log that all clients share; a client holds the number of
entries it has seen. When the client can take more, the ids of its missed entries go into
``client.statuses``, each once, and the status is written as it is then: many changes of one device
cost a slow client one event.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from gateway.devices.devices import Devices, status_body
from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client
from gateway.packets import event_frame

STATUSES_AT_ONCE = 200
"""Statuses sent in one piece: they take 2 ms to encode if no client was sent them before."""
LOG_MAX = 4_096
"""Changes in the log; a client that missed more is sent the status of all its devices."""


class StatusLog:
    """The last changes of statuses, of all devices."""

    def __init__(self, devices: Devices) -> None:
        self.count = 0
        """How many changes there were; ``status_seen`` of a client that has seen all of them."""
        self.has_news = False
        """Whether a status changed since the fan-out cleared this."""
        self._devices = devices
        self._log: deque[str] = deque(maxlen=LOG_MAX)

    def note(self, device_id: str) -> None:
        """Note that the status of a device changed."""
        self._log.append(device_id)
        self.count += 1
        self.has_news = True

    def is_due(self, client: Client) -> bool:
        return bool(client.statuses) or client.status_seen < self.count

    def collect(self, client: Client) -> None:
        """Add the devices that changed since the last call to ``client.statuses``."""
        missed = self.count - client.status_seen
        if not missed:
            return
        client.status_seen = self.count
        changed: Iterable[str] = islice(self._log, max(0, len(self._log) - missed), None)
        if missed > len(self._log):
            known = (device.device_id for device in self._devices)
            evicted = self._devices.evicted.items()
            evicted_since = (name for name, (_, at) in evicted if at >= client.everything_from)
            changed = [*client.names, *evicted_since, *known]
        client.statuses.update(dict.fromkeys(name for name in changed if client.watches(name)))

    def send(self, client: Client, out: Outbound) -> None:
        """Send the present status of the devices in ``client.statuses``, and remove them there."""
        # One pass over a copy: each walk from the front of a dict passes the keys deleted there.
        for device_id in list(islice(client.statuses, STATUSES_AT_ONCE)):
            if out.is_full:
                return
            del client.statuses[device_id]
            out.add(self._frame(device_id))

    def _frame(self, device_id: str) -> bytes:
        """Return the status of a device as a frame, which is written once for all clients."""
        device = self._devices.get(device_id)
        feed = None if device is None else device.feed
        if device is None or feed is None or feed.head is None:
            return event_frame("device_status", self._body_without_reading(device_id))
        shown = (
            *(feed.position, feed.online, feed.ts_ms),
            *(feed.model, feed.interval_ms, feed.refused),
        )
        if device.status_values != shown:
            device.status_values = shown
            device.status_frame = event_frame("device_status", device.status_body())
        return device.status_frame

    def _body_without_reading(self, device_id: str) -> dict[str, object]:
        device = self._devices.get(device_id)
        body = status_body(device_id, None if device is None else device.feed)
        if device is None and device_id in self._devices.evicted:
            last = self._devices.evicted[device_id][0]
            body |= {"epoch": last.epoch, "last_seq": last.seq}
        return body
