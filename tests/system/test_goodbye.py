"""Stopping with many clients: they leave over some seconds, and who comes meanwhile is told no."""

import signal
from typing import Any
from urllib.request import Request, urlopen

from gateway.shutdown import SPREAD_FROM
from tests.system.pair import HTTP_WAIT_S, Pair
from tests.timing import scaled_s

POLLING = "/socket.io/?EIO=4&transport=polling"
CONNECT = b"40"


def test_a_stopping_gateway_answers_503_to_who_comes_new(pair: Pair) -> None:
    gateway = pair.start_gateway()
    for _ in range(SPREAD_FROM):
        join_by_polling(pair)
    gateway.process.send_signal(signal.SIGTERM)
    gateway.wait_for_line("gateway_draining")
    readiness = pair.get("/readyz")
    assert (readiness.status, readiness.json["draining"]) == (503, True)
    handshake = pair.get(POLLING)
    assert (handshake.status, handshake.json["code"]) == (503, "unavailable")
    assert gateway.wait() == 0


def join_by_polling(pair: Pair) -> None:
    """Open a session and enter the default namespace; the session is then left alone."""
    sid: Any = pair.get(POLLING).text.split('"')[3]
    request = Request(f"{pair.url}{POLLING}&sid={sid}", data=CONNECT, method="POST")
    with urlopen(request, timeout=scaled_s(HTTP_WAIT_S)) as response:
        assert response.read() == b"ok"
