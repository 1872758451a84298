"""Stopping well: nobody new, everybody gets what is due, transports are closed a few at a time.

A Socket.IO DISCONNECT would tell stock clients to stay away; a closed transport makes them come
back, to the next gateway or to this one when it is up again.
"""

import gevent
from gevent.pywsgi import WSGIServer
from loguru import logger

from gateway.app import Gateway

SPREAD_S = 3.0
"""Closing is spread over this, so that not everybody comes back in the same moment."""
STEP_S = 0.05
SPREAD_FROM = 100
"""Fewer clients than this may come back all at once."""


def say_goodbye(gateway: Gateway, server: WSGIServer) -> None:
    """Stop accepting, send what is due, close every transport; returns within 4 s."""
    gateway.is_draining = True
    logger.info("gateway_draining", clients=len(gateway.hub.connections))
    server.stop_accepting()
    gateway.hub.turn()
    spread_s = SPREAD_S if len(gateway.hub.connections) >= SPREAD_FROM else 0.0
    steps = max(1, round(spread_s / STEP_S))
    leaving = list(gateway.hub.connections.values())
    for step in range(steps):
        for connection in leaving[step::steps]:
            connection.close()
        gevent.sleep(STEP_S)
    server.stop(timeout=0.5)
