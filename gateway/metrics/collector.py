"""Makes the samples of a gateway's metrics; ``docs/operations.md`` lists them for people."""

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol, TypeAlias, TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.domain import DropReason, FaultReason, GapReason
from gateway.hub import Hub
from gateway.metrics.measured import Measured
from gateway.stalls import StallWatch
from gateway.transport.limits.budget import Budget
from gateway.transport.limits.outbox_budget import OutboxBudget
from gateway.web.visits import REASONS, Visits

REFUSED = tuple(sorted({*FaultReason} - {FaultReason.CONFLICT}))
"""These reasons are there from the start, as 0. Others appear with their first message."""
DROPPED = (DropReason.HELD_FULL, DropReason.CROWDED_OUT, DropReason.UNASKED_ANSWER)
COUNTED_APART = {*DropReason, FaultReason.CONFLICT, "dropped_keys", "evicted"}
"""Counts of :class:`~gateway.devices.devices.Devices` that are no refusals."""
GAP_PREFIX = "gap_"
TRANSPORTS = ("polling", "websocket")

Values: TypeAlias = Mapping[Any, float] | float
Family = TypeVar("Family", CounterMetricFamily, GaugeMetricFamily)


class Redis(Protocol):
    """The connection to Redis, as far as the metrics need it."""

    @property
    def is_up(self) -> bool:
        """Tell whether Redis answers."""


@dataclass(slots=True)
class CountedParts:
    """The parts of a gateway that count. ``redis`` is None in a gateway that uses no Redis."""

    hub: Hub
    visits: Visits
    stalls: StallWatch
    outbox: OutboxBudget
    inbox: Budget[Any]
    redis: Redis | None = None


class GatewayCollector(Collector):
    """Makes the samples of one gateway; ``measured`` is set before each collection."""

    def __init__(self, parts: CountedParts) -> None:
        self.measured = Measured()
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering this collects nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        parts, measured = self._parts, self.measured
        yield _build()
        yield from _readings(parts.hub)
        yield from _gaps(parts.hub)
        yield from _devices(parts.hub, measured)
        yield from _upstream(parts.hub)
        yield from _deliveries(parts.hub)
        yield from _clients(parts.visits, measured)
        yield from _buffers(parts)
        yield from _loop(parts)
        if parts.redis is not None:
            yield _gauge("spoke_redis_up", "Whether Redis answers.", int(parts.redis.is_up))


def _build() -> Metric:
    about, labels = "The versions of Spoke and Python.", ("version", "python")
    family = GaugeMetricFamily("spoke_build_info", about, labels=labels)
    family.add_metric([__version__, platform.python_version()], 1)
    return family


def _readings(hub: Hub) -> Iterator[Metric]:
    devices, counts = hub.devices, hub.devices.counts
    taken = {"live": devices.readings, "backfill": devices.backfilled}
    yield _counter("spoke_readings", "Readings taken in.", taken, "source")
    about = "Messages that were refused because they were wrong, by reason."
    refused = dict.fromkeys(REFUSED, 0) | {
        reason: count
        for reason, count in counts.items()
        if reason not in COUNTED_APART and not reason.startswith(GAP_PREFIX)
    }
    yield _counter("spoke_messages_refused", about, refused, "reason")
    about = "Messages that were dropped though they were not wrong, by reason."
    dropped = {reason: counts[reason] for reason in DROPPED}
    yield _counter("spoke_messages_dropped", about, dropped, "reason")
    about = "Readings that came again, and were dropped."
    yield _counter("spoke_readings_repeated", about, counts[DropReason.DUPLICATE])
    about = "Readings that came with a number that another reading has."
    yield _counter("spoke_readings_conflicting", about, counts[FaultReason.CONFLICT])
    about = "Keys that were removed from readings because they were wrong or unknown."
    yield _counter("spoke_reading_keys_removed", about, counts["dropped_keys"])


def _gaps(hub: Hub) -> Iterator[Metric]:
    announced = {reason: hub.devices.counts[f"{GAP_PREFIX}{reason}"] for reason in GapReason}
    yield _counter("spoke_gaps", "Gaps in the readings of bikes, by reason.", announced, "reason")
    about = "Readings that these gaps lack, as far as that is known."
    lost = {reason: hub.devices.lost[reason] for reason in GapReason}
    yield _counter("spoke_readings_lost", about, lost, "reason")
    about = "Gaps told to single clients that were too far behind, by reason."
    told = {reason: hub.fanout.gaps[reason] for reason in GapReason}
    yield _counter("spoke_client_gaps", about, told, "reason")


def _devices(hub: Hub, measured: Measured) -> Iterator[Metric]:
    states = {"online": measured.online, "offline": measured.offline}
    yield _gauge("spoke_devices", "Known bikes.", states, "state")
    yield _gauge("spoke_devices_limit", "The most bikes.", hub.devices.limits.devices)
    about = "Bikes that were forgotten to make room for others."
    yield _counter("spoke_devices_evicted", about, hub.devices.counts["evicted"])
    about = "The time that the rings of all bikes reach back: the least, the median, the most."
    depths = measured.depths_s or [0.0]
    depth = {"min": min(depths), "median": median(depths), "max": max(depths)}
    yield _gauge("spoke_ring_depth_seconds", about, depth, "statistic")


def _upstream(hub: Hub) -> Iterator[Metric]:
    subscriber, dropped = hub.receiver.subscriber, {"live": 0, "replay": 0}
    if subscriber is not None:
        dropped |= subscriber.dropped
    about = "Messages that were read and dropped because too many waited, by kind of link."
    yield _counter("spoke_intake_dropped", about, dropped, "link")
    about = "Requests for readings that no bike took."
    yield _counter("spoke_requests_unsent", about, subscriber.unsent if subscriber else 0)
    about = "Replays of bikes that were asked and do not answer."
    yield _gauge("spoke_replays_silent", about, hub.receiver.silent_replays)


def _deliveries(hub: Hub) -> Iterator[Metric]:
    live, single, pulled = hub.fanout.sent, hub.sender.sent, hub.sender.pulled
    frames = {"websocket": live.frames + single.frames, "polling": pulled.frames}
    sizes = {"websocket": live.size_bytes + single.size_bytes, "polling": pulled.size_bytes}
    about = "Readings, gaps and statuses handed to the connections of clients."
    yield _counter("spoke_deliveries", about, frames, "transport")
    yield _counter("spoke_delivered_bytes", "The bytes of these.", sizes, "transport")


def _clients(visits: Visits, measured: Measured) -> Iterator[Metric]:
    transports = {name: measured.transports[name] for name in TRANSPORTS}
    yield _gauge("spoke_clients", "Connected clients.", transports, "transport")
    about = "Clients that were not sent everything yet: live ones, and those that get history."
    behind = {"lagging": measured.lagging, "catching_up": measured.catching_up}
    yield _gauge("spoke_clients_behind", about, behind, "how")
    about = "How long the live client that lags most has been owed its next reading."
    yield _gauge("spoke_client_lag_seconds", about, measured.lag_s)
    came = {name: visits.came[name] for name in TRANSPORTS}
    yield _counter("spoke_connects", "Clients that connected.", came, "transport")
    about = "Clients that were not let in: too many requests, or a wrong login."
    yield _counter("spoke_connects_refused", about, visits.refused)
    left = dict.fromkeys(REASONS, 0) | visits.left
    yield _counter("spoke_disconnects", "Clients that left, by reason.", left, "reason")


def _buffers(parts: CountedParts) -> Iterator[Metric]:
    devices, outbox, inbox = parts.hub.devices, parts.outbox, parts.inbox
    yield _gauge("spoke_ring_bytes", "Memory of all rings.", devices.size_bytes)
    yield _gauge("spoke_ring_limit_bytes", "The limit of that.", devices.limits.total_bytes)
    yield _gauge("spoke_outbox_bytes", "Memory of what clients have not taken.", outbox.total)
    yield _gauge("spoke_outbox_limit_bytes", "The limit of that.", outbox.max_bytes)
    yield _gauge("spoke_inbox_bytes", "Memory of what clients sent and waits.", inbox.total)
    yield _gauge("spoke_inbox_limit_bytes", "The limit of that.", inbox.max_bytes)


def _loop(parts: CountedParts) -> Iterator[Metric]:
    hub, stalls = parts.hub, parts.stalls
    about = "Turns of the hub: readings are taken in, timeouts judged, clients sent to."
    yield SummaryMetricFamily("spoke_turn_seconds", about, hub.turns, hub.turning_s)
    about = "Turns of the event loop, in which all work of the gateway is done."
    yield SummaryMetricFamily("spoke_loop_turn_seconds", about, stalls.turns, stalls.turning_s)
    about = "The longest turn of the event loop since the start."
    yield _gauge("spoke_loop_longest_turn_seconds", about, stalls.longest_s)


def _counter(name: str, about: str, value: Values, label: str = "") -> CounterMetricFamily:
    return _family(CounterMetricFamily, name, about, value, label)


def _gauge(name: str, about: str, value: Values, label: str = "") -> GaugeMetricFamily:
    return _family(GaugeMetricFamily, name, about, value, label)


def _family(kind: type[Family], name: str, about: str, value: Values, label: str) -> Family:
    """Make a metric with one value, or with one for each value of a label."""
    family = kind(name, about, labels=[label] if label else [])
    values = value if isinstance(value, Mapping) else {"": value}
    for key, one in values.items():
        family.add_metric([key] if label else [], one)
    return family
