"""Replays that do not answer any more, and that answer again."""

from gateway.upstream.replay_routes import Route
from gateway.upstream.silent_routes import SILENT_AFTER_S, RouteChange, SilentRoutes

FIRST, SECOND = Route("tcp://first:5557"), Route("tcp://*:5558", b"bike")


def test_silence_is_noted_once_and_its_end_too() -> None:
    routes = SilentRoutes(10)
    routes.missed([FIRST], 0.0, 0.5)
    assert (routes.changes, len(routes)) == ([], 0)
    for now_s in (SILENT_AFTER_S + 0.1, 5.0, 20.0):
        routes.missed([FIRST], now_s - 0.5, now_s)
    assert routes.changes == [RouteChange(FIRST, False, SILENT_AFTER_S + 0.1)]
    routes.answered(FIRST, 21.0)
    assert routes.changes[1:] == [RouteChange(FIRST, True, 21.0)]
    assert len(routes) == 0


def test_route_that_answers_in_between_is_not_silent() -> None:
    routes = SilentRoutes(10)
    for now_s in range(1, 10):
        routes.missed([FIRST, SECOND], now_s - 0.5, now_s)
        routes.answered(FIRST, now_s + 0.1)
    assert [change.route for change in routes.changes] == [SECOND]


def test_routes_are_bounded() -> None:
    routes = SilentRoutes(10)
    for number in range(1_000):
        routes.missed([Route("tcp://*:5558", b"%d" % number)], 0.0, 10.0)
    assert len(routes) == 10
