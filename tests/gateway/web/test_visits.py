"""Clients that come and go: counted, and logged within bounds."""

from typing import Any

from gateway.web.visits import LINES_A_MINUTE, Visits
from shared.log_limit import WINDOW_S

ADDRESS = "10.0.0.7"


def test_line_of_a_client_that_left() -> None:
    said: list[tuple[str, dict[str, object]]] = []
    visits = Visits(lambda event, **fields: said.append((event, fields)))
    visit = visits.come("polling", ADDRESS, 100.0)
    visits.leave(visit, "c1", "websocket", "ping_timeout", 112.34)
    fields = {
        "client": "c1",
        "reason": "ping_timeout",
        "address": ADDRESS,
        "transport": "websocket",
        "stayed_s": 12.3,
    }
    assert said == [("client_left", fields)]
    assert (visits.came, visits.left) == ({"polling": 1}, {"ping_timeout": 1})


def test_flood_of_one_reason_leaves_room_for_another() -> None:
    said: list[dict[str, Any]] = []
    visits = Visits(lambda _event, **fields: said.append(fields))

    def leave(reason: str, now_s: float) -> None:
        visit = visits.come("websocket", ADDRESS, now_s)
        visits.leave(visit, "c", "websocket", reason, now_s)

    for _ in range(3 * LINES_A_MINUTE):
        leave("transport_close", 0.0)
    assert len(said) == LINES_A_MINUTE
    leave("took_nothing", 1.0)
    assert said[-1]["reason"] == "took_nothing"
    leave("transport_close", WINDOW_S)
    assert said[-1]["lines_left_out"] == 2 * LINES_A_MINUTE
    assert visits.left["transport_close"] == 3 * LINES_A_MINUTE + 1
