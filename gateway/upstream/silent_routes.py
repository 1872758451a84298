"""Notices when a replay does not answer any more, and when it answers again. Pure.

How it works. A route that was asked has time until the same question is asked again. From then on
it counts as unanswered, until any answer or refusal comes by it. After :data:`SILENT_AFTER_S`
without one it is silent, and that is noted once. A lost message alone makes no route silent:
answers to other questions come meanwhile.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from gateway.upstream.replay_routes import Route

SILENT_AFTER_S = 0.9
"""A question is asked again after 0.5 s, so a silent route missed two questions."""


class RouteChange(NamedTuple):
    """A route fell silent, or answers again; ``silent_s`` is since its first missed question."""

    route: Route
    answers: bool
    silent_s: float


class SilentRoutes:
    """The routes that owe an answer, at most ``routes_max``, the latest."""

    def __init__(self, routes_max: int) -> None:
        self.changes: list[RouteChange] = []
        """Routes that fell silent or answer again, until the Receiver takes them."""
        self._routes_max = routes_max
        self._owing_since_s: OrderedDict[Route, float] = OrderedDict()
        self._silent: set[Route] = set()

    def __len__(self) -> int:
        """Return the number of silent routes."""
        return len(self._silent)

    def missed(self, routes: Iterable[Route], asked_s: float, now_s: float) -> None:
        """Note that routes did not answer a question, which was asked at ``asked_s``."""
        for route in routes:
            since_s = self._owing_since_s.setdefault(route, asked_s)
            if now_s - since_s >= SILENT_AFTER_S and route not in self._silent:
                self._silent.add(route)
                self.changes.append(RouteChange(route, False, now_s - since_s))
        while len(self._owing_since_s) > self._routes_max:
            self._silent.discard(self._owing_since_s.popitem(last=False)[0])

    def forget(self, routes: Iterable[Route]) -> None:
        """Forget routes that will never answer, because their peer is gone."""
        for route in routes:
            self._owing_since_s.pop(route, None)
            self._silent.discard(route)

    def answered(self, route: Route, now_s: float) -> None:
        """Note an answer or a refusal that came by a route."""
        since_s = self._owing_since_s.pop(route, None)
        if since_s is not None and route in self._silent:
            self._silent.discard(route)
            self.changes.append(RouteChange(route, True, now_s - since_s))
