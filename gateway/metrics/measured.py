"""Measures what no counter has: a scrape looks at every device and every client for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.devices.devices import Device
from gateway.hub import Hub

AT_ONCE = 250
"""Devices or clients between two calls of ``pause``: a millisecond."""
MS_A_S = 1000

Item = TypeVar("Item")


@dataclass(slots=True)
class Measured:
    """The state of all devices and clients at one time."""

    online: int = 0
    offline: int = 0
    depths_s: list[float] = field(default_factory=list)
    """For each device: :func:`depth_s`."""
    transports: Counter[str] = field(default_factory=Counter)
    lagging: int = 0
    """Live clients that were not sent everything yet."""
    catching_up: int = 0
    """Clients that get history."""
    lag_s: float = 0.0
    """How long the client that lags most has been owed its next entry."""


def measure(hub: Hub, pause: Callable[[], object]) -> Measured:
    """Look at all devices and clients, some at a time."""
    found = Measured()
    for device in _in_pieces(hub.devices.in_order(), pause):
        found.online += device.feed.online
        found.offline += not device.feed.online
        found.depths_s.append(depth_s(device))
    now_s = hub.now().monotonic_s
    for client_id, connection in _in_pieces([*hub.connections.items()], pause):
        found.transports[connection.transport] += 1
        _note_lag(found, hub, client_id, now_s)
    return found


def depth_s(device: Device) -> float:
    """Return the time from the oldest reading of a ring to its newest, by the device's clock."""
    ring = device.ring
    newest = ring.newest_reading()
    if newest is None:
        return 0.0
    oldest = ring.first_index
    while ring.gap_at(oldest) is not None:
        oldest += 1
    return max(0, ring.time_at(newest) - ring.time_at(oldest)) / MS_A_S


def _note_lag(found: Measured, hub: Hub, client_id: str, now_s: float) -> None:
    client = hub.fanout.clients.get(client_id)
    if client is None:  # it left in a pause
        return
    if client_id in hub.fanout.catching_up:
        found.catching_up += 1
    elif client.group is not None and client.cohort is None and client.arrival < client.group.last:
        found.lagging += 1
        waiting = client.group.first_after(client.arrival)
        found.lag_s = max(found.lag_s, hub.arrival_times.age_s(waiting - 1, now_s))


def _in_pieces(items: Sequence[Item], pause: Callable[[], object]) -> Iterator[Item]:
    for start in range(0, len(items), AT_ONCE):
        yield from items[start : start + AT_ONCE]
        pause()
