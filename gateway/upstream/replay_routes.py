"""Which replay endpoint answers for which device. Pure.

A device's endpoint is the first that answers for it without ``unknown_device``. It is remembered
until it says so or falls silent; until then, all that may know the device are asked at once.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

CLAIM_S = 30.0
"""Bikes that connect out say every 10 s whom they serve; after three times unsaid it is over."""
CLAIMS_A_DEVICE_MAX = 3
"""A bike that reconnects is a new peer: its old claims stand beside the new one for a while."""


class Route(NamedTuple):
    """A way to a replay: the endpoint we connect to, or a peer that connected to ours."""

    endpoint: str
    peer: bytes = b""
    """The peer's name on the endpoint's ROUTER; empty where we connect."""


class ReplayRoutes:
    """The endpoints of the settings, the peers that offer replay, and who answered last.

    Bounded by ``devices_max`` devices for each; the device not heard of for longest gives way.
    """

    def __init__(self, endpoints: Sequence[str], devices_max: int) -> None:
        self._fixed = tuple(Route(endpoint) for endpoint in endpoints)
        self._devices_max = devices_max
        self._claims: OrderedDict[str, OrderedDict[Route, float]] = OrderedDict()
        self._remembered: OrderedDict[str, Route] = OrderedDict()

    def claim(self, route: Route, device_ids: Sequence[str], now_s: float) -> tuple[str, ...]:
        """Note that a peer serves these devices; returns those it did not serve before."""
        served = device_ids[: self._devices_max]
        return tuple(device_id for device_id in served if self._claim(route, device_id, now_s))

    def candidates(self, device_id: str, now_s: float) -> list[Route]:
        """List every route that may know the device: peers, the latest first, then endpoints."""
        claims = self._claims.get(device_id, OrderedDict())
        current = [route for route, until_s in reversed(claims.items()) if until_s > now_s]
        return [*current, *self._fixed]

    def routes_for(self, device_id: str, now_s: float) -> list[Route]:
        """List whom to ask: the one remembered, else all that may know the device."""
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
        """Ask everybody again: the route was silent, or does not know the device."""
        self._remembered.pop(device_id, None)

    def _claim(self, route: Route, device_id: str, now_s: float) -> bool:
        """Note one claim, as the latest; tell whether it is new."""
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
