"""The metrics of a device for Prometheus, on a port of 127.0.0.1 (``SPOKE_METRICS_PORT``).

A thread of prometheus-client serves them. It only reads counters that the publisher keeps anyway.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from device.publisher import Publisher
from shared.errors import SettingsError

ADDRESS = "127.0.0.1"
"""Strangers cannot open the server's threads without end: it is not reachable for them."""


class DeviceCollector(Collector):
    """Makes the samples of one device."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering this collects nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        publisher, bikes = self._publisher, self._publisher.bikes
        yield GaugeMetricFamily(
            "spoke_device_bikes", "Bikes that this device publishes.", len(bikes)
        )
        about = "Readings that were numbered and published."
        readings = sum(bike.readings for bike in bikes)
        yield CounterMetricFamily("spoke_device_readings", about, readings)
        about = "Values that were left out because a source made a fault."
        faults = sum(bike.faults.total() for bike in bikes)
        yield CounterMetricFamily("spoke_device_values_left_out", about, faults)
        about = "Time that readings were moved because the device was late."
        yield CounterMetricFamily("spoke_device_moved_seconds", about, publisher.moved_s)
        replay = publisher.replay
        about = "Questions for past readings that were answered."
        yield CounterMetricFamily("spoke_device_answers", about, replay.answers)
        about = "Questions for past readings that wait for an answer."
        yield GaugeMetricFamily("spoke_device_questions", about, replay.questions.waiting)
        about = "Questions that were read and dropped because too many waited."
        dropped = sum(link.intake.dropped for link in replay.links)
        yield CounterMetricFamily("spoke_device_intake_dropped", about, dropped)
        about = "Subscriptions to bikes that this device does not have."
        ignored = publisher.subscriptions.ignored
        yield CounterMetricFamily("spoke_device_subscriptions_ignored", about, ignored)


@contextmanager
def serve_metrics(publisher: Publisher, port: int | None) -> Iterator[None]:
    """Serve the metrics until the end of the block; raises SettingsError if the port is in use."""
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(DeviceCollector(publisher))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        raise SettingsError(
            f"SPOKE_METRICS_PORT: the device cannot listen on {ADDRESS} port {port}:"
            f" {error.strerror}; choose another port"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
