"""Which replay endpoint answers for which device. Pure.

How it works: at first all routes that may know a device are asked at once. The first one that
answers without ``unknown_device`` is remembered, and asked alone. It is forgotten when it refuses
with ``unknown_device`` or does not answer; then all are asked again. A route is an endpoint of the
settings, or a peer that connected to the gateway and claims to serve the device.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

CLAIM_S = 30.0
"""A peer repeats its claim every 10 s; after three missing repetitions the claim is over."""
CLAIMS_A_DEVICE_MAX = 3
"""A bike that reconnects is a new peer: its old claims last on beside the new one for a while."""
OFFER_WAIT_S = 5.0
"""A bike that connects has one connection for readings and one for the replay. After a restart of
the gateway either comes first; the other one comes within some 2 s."""


class Route(NamedTuple):
    """A way to a replay: an endpoint that the gateway connects to, or a peer that connected."""

    endpoint: str
    peer: bytes = b""
    """The peer's name on the endpoint's ROUTER; empty if the gateway connects."""


class ReplayRoutes:
    """The endpoints of the settings, the peers' claims, and the remembered routes.

    Claims and remembered routes are kept for ``devices_max`` devices each, the latest.
    ``takes_offers``: bikes connect to the gateway for the replay, too.
    """

    def __init__(
        self, endpoints: Sequence[str], devices_max: int, *, takes_offers: bool = False
    ) -> None:
        self._takes_offers = takes_offers
        self._without: OrderedDict[str, float] = OrderedDict()  # since when there is no route
        self._fixed = tuple(Route(endpoint) for endpoint in endpoints)
        self._devices_max = devices_max
        self._claims: OrderedDict[str, OrderedDict[Route, float]] = OrderedDict()
        self._remembered: OrderedDict[str, Route] = OrderedDict()

    def claim(self, route: Route, device_ids: Sequence[str], now_s: float) -> tuple[str, ...]:
        """Note that a peer serves these devices; returns those it did not serve before."""
        served = device_ids[: self._devices_max]
        return tuple(device_id for device_id in served if self._claim(route, device_id, now_s))

    def earlier_peers(self, device_id: str, route: Route) -> list[Route]:
        """Return the peers that served the device before ``route`` did."""
        return [other for other in self._claims.get(device_id, ()) if other != route]

    def candidates(self, device_id: str, now_s: float) -> list[Route]:
        """Return every route that may know the device: peers, the latest first, then endpoints."""
        claims = self._claims.get(device_id, OrderedDict())
        current = [route for route, until_s in reversed(claims.items()) if until_s > now_s]
        return [*current, *self._fixed]

    def may_be_offered(self, device_id: str, now_s: float) -> bool:
        """Tell whether a peer may yet connect that serves a device without any route."""
        if not self._takes_offers:
            return False
        since_s = self._without.setdefault(device_id, now_s)
        if len(self._without) > self._devices_max:
            self._without.popitem(last=False)
        return now_s < since_s + OFFER_WAIT_S

    def routes_for(self, device_id: str, now_s: float) -> list[Route]:
        """Return the routes to ask: the remembered one, or else all that may know the device."""
        candidates = self.candidates(device_id, now_s)
        remembered = self._remembered.get(device_id)
        return candidates if remembered not in candidates else [remembered]

    def remember(self, device_id: str, route: Route) -> None:
        """Note which route answered for the device."""
        self._remembered[device_id] = route
        self._remembered.move_to_end(device_id)
        if len(self._remembered) > self._devices_max:
            self._remembered.popitem(last=False)

    def forget(self, device_id: str) -> None:
        """Forget the remembered route, which was silent or does not know the device."""
        self._remembered.pop(device_id, None)

    def _claim(self, route: Route, device_id: str, now_s: float) -> bool:
        """Note one claim, as the latest; tell whether it is new."""
        self._without.pop(device_id, None)
        claims = self._claims.setdefault(device_id, OrderedDict())
        self._claims.move_to_end(device_id)
        is_new = claims.get(route, now_s) <= now_s
        claims[route] = now_s + CLAIM_S
        claims.move_to_end(route)
        if len(claims) > CLAIMS_A_DEVICE_MAX:
            claims.popitem(last=False)
        if len(self._claims) > self._devices_max:
            self._claims.popitem(last=False)
        return is_new
