"""The route ``/metrics``: for this machine only, unless ``SPOKE_METRICS`` says otherwise."""

import time
from collections.abc import Callable

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from gateway.metrics.collector import CountedParts, GatewayCollector
from gateway.metrics.measured import measure
from gateway.transport.event_loop.timeslice import give_way
from gateway.transport.limits.client_address import TrustedProxies
from shared.errors import Forbidden

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH_S = 0.5
"""Scrapes within this time get the same answer: strangers cannot make the gateway measure more."""
WHY_FORBIDDEN = (
    "metrics are served to this machine only: ask from here without a proxy, or set"
    " SPOKE_METRICS=yes to serve them to everybody (a proxy can then restrict them)"
)


def create_metrics(parts: CountedParts, proxies: TrustedProxies, *, everybody: bool) -> Blueprint:
    """Create the route; with ``everybody`` it answers clients on other machines, too."""
    metrics = Blueprint("metrics", __name__)
    scrape = Scrape(parts)

    @metrics.get("/metrics")
    def answer() -> Response:
        if not everybody and not proxies.is_from_here(request.environ):
            raise Forbidden(WHY_FORBIDDEN)
        return Response(scrape.write(give_way), content_type=CONTENT_TYPE)

    return metrics


class Scrape:
    """The registry of one gateway, and its last answer."""

    def __init__(self, parts: CountedParts, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._collector = GatewayCollector(parts)
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        ProcessCollector(registry=self._registry)
        self._answer = b""
        self._made_s = float("-inf")

    def write(self, pause: Callable[[], object]) -> bytes:
        """Return all metrics as text; ``pause`` is called between two pieces of the work."""
        if not self._answer or self._clock() - self._made_s >= FRESH_S:
            self._made_s = self._clock()  # before the pauses, in which others may ask
            self._collector.measured = measure(self._parts.hub, pause)
            self._answer = generate_latest(self._registry)
        return self._answer
