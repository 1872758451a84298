"""Shut down gracefully: send each client its readings, then close transports a few at a time.

While the gateway drains, it still accepts connections and answers new clients with 503, so that
they try another gateway. If it did not accept them, they would hang until the process ends. A
listening socket that another process shares is left to that process.

The gateway closes transports and sends no Socket.IO DISCONNECT: after a DISCONNECT stock clients
stay away, after a closed transport they reconnect, to another gateway or to this one later.
"""

import gevent
from gevent.pywsgi import WSGIServer
from loguru import logger

from gateway.app import Gateway

SPREAD_S = 2.5
"""Closing is spread over this time, so that not all clients reconnect in the same moment."""
STEP_S = 0.05
SPREAD_FROM = 100
"""Fewer clients than this may reconnect all at once."""


def drain(gateway: Gateway, server: WSGIServer, *, accepts: bool = True) -> None:
    """Refuse new clients, send due readings, close every transport; return within 4 s.

    Without ``accepts`` another process accepts the new clients.
    """
    gateway.is_draining = True
    if not accepts:
        server.stop_accepting()
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
        gevent.sleep(max(0.0, STEP_S - late_s))  # on a busy machine the whole takes no longer
    server.stop(timeout=0.5)
