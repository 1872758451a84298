"""Stopping well: everybody gets what is due, transports are closed a few at a time.

Who comes meanwhile is answered 503 and goes elsewhere: not accepted, it would hang until the end.

A Socket.IO DISCONNECT would tell stock clients to stay away; a closed transport makes them come
back, to the next gateway or to this one when it is up again.
"""

import gevent
from gevent.pywsgi import WSGIServer
from loguru import logger

from gateway.app import Gateway

SPREAD_S = 2.5
"""Closing is spread over this, so that not everybody comes back in the same moment."""
STEP_S = 0.05
SPREAD_FROM = 100
"""Fewer clients than this may come back all at once."""


def say_goodbye(gateway: Gateway, server: WSGIServer) -> None:
    """Refuse the new, send what is due, close every transport; returns within 4 s."""
    gateway.is_draining = True
    logger.info("gateway_draining", clients=len(gateway.hub.connections))
    gateway.hub.turn()
    spread_s = SPREAD_S if len(gateway.hub.connections) >= SPREAD_FROM else 0.0
    steps = max(1, round(spread_s / STEP_S))
    leaving = list(gateway.hub.connections.values())
    began_s = gateway.hub.now().monotonic_s
    for step in range(steps):
        for connection in leaving[step::steps]:
            connection.close_transport()
        late_s = gateway.hub.now().monotonic_s - (began_s + step * STEP_S)
        gevent.sleep(max(0.0, STEP_S - late_s))  # a busy machine makes it no longer
    server.stop(timeout=0.5)
