"""Who is owed which ``device_status``. Pure.

A change is one entry in a log that all clients share; a client holds the number of the last one
it saw. Nothing is queued for a client but the ids it is owed, each once.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from gateway.devices.devices import Devices, status_body
from gateway.fanout.backlog import Outbound
from gateway.fanout.clients import Client
from gateway.packets import event_frame

TOLD_AT_ONCE = 200
"""Statuses in one piece: those that nobody was told yet take 2 ms to encode."""
LOG_MAX = 4_096
"""Changes a client may lag behind before it is told all statuses anew."""


class StatusLog:
    """The latest changes of any device's status."""

    def __init__(self, devices: Devices) -> None:
        self.count = 0
        """How many changes there were; a client that saw them all has this number."""
        self.has_news = False
        """Whether a status changed since the fan-out asked last."""
        self._devices = devices
        self._log: deque[str] = deque(maxlen=LOG_MAX)

    def note(self, device_id: str) -> None:
        """Note that a status is another now."""
        self._log.append(device_id)
        self.count += 1
        self.has_news = True

    def is_due(self, client: Client) -> bool:
        """Tell whether a client is owed anything."""
        return bool(client.statuses) or client.status_seen < self.count

    def owe(self, client: Client) -> None:
        """Enter what changed since the client looked last among what it is owed."""
        missed = self.count - client.status_seen
        if not missed:
            return
        client.status_seen = self.count
        changed: Iterable[str] = islice(self._log, max(0, len(self._log) - missed), None)
        if missed > len(self._log):
            known = (device.device_id for device in self._devices)
            evicted = self._devices.evicted.items()
            gone = (name for name, (_, at) in evicted if at >= client.everything_from)
            changed = [*client.names, *gone, *known]
        client.statuses.update(dict.fromkeys(name for name in changed if client.covers(name)))

    def tell(self, client: Client, out: Outbound) -> None:
        """Send what a client is owed, as things are now."""
        # One walk for all: each walk from the front passes what was deleted there before.
        for device_id in list(islice(client.statuses, TOLD_AT_ONCE)):
            if out.is_full:
                return
            del client.statuses[device_id]
            out.add(self._frame(device_id))

    def _frame(self, device_id: str) -> bytes:
        """Write a status, once for all who are told the same of a device."""
        device = self._devices.get(device_id)
        feed = None if device is None else device.feed
        if device is None or feed is None or feed.head is None:
            return event_frame("device_status", self._unheard(device_id))
        told = (
            *(feed.position, feed.online, feed.ts_ms),
            *(feed.model, feed.interval_ms, feed.refused),
        )
        if device.status_told != told:
            device.status_told = told
            device.status_frame = event_frame("device_status", device.status_body())
        return device.status_frame

    def _unheard(self, device_id: str) -> dict[str, object]:
        device = self._devices.get(device_id)
        body = status_body(device_id, None if device is None else device.feed)
        if device is None and device_id in self._devices.evicted:
            last = self._devices.evicted[device_id][0]
            body |= {"epoch": last.epoch, "last_seq": last.seq}
        return body
