"""The deadlines of all sessions of an Engine.IO server, on one clock."""

from collections.abc import Callable
from typing import Any

from gateway.transport.engineio.heartbeat import Heartbeat
from gateway.transport.engineio.upgrade import Probe
from gateway.transport.event_loop.timers import Clock, Schedule
from gateway.transport.http.web_handler import IDLE_TIMEOUT_S
from gateway.transport.polling.polling_link import RestingConnection
from gateway.transport.websocket.websocket_link import WebSocketLink

# The reference server's value: a probe becomes an upgrade within this.
UPGRADE_TIMEOUT_S = 10.0
# A client answers a Close frame, or fetches its last packets, within this.
CLOSE_TIMEOUT_S = 5.0
# A client's disconnect handler waits this long for an earlier handler of the client that does not
# return: that one may loop until the disconnect handler tells it to stop.
DISCONNECT_WAIT_S = 1.0


class SessionTimers:
    """Each attribute but ``clock`` is one kind of deadline."""

    def __init__(
        self,
        ping_interval_s: float,
        ping_timeout_s: float,
        upgrade_timeout_s: float,
        close_timeout_s: float,
        end_linger: Callable[[Any], None],
    ) -> None:
        self.clock = clock = Clock()
        self.heart = Heartbeat(clock, ping_interval_s, ping_timeout_s)
        self.upgrades: Schedule[Probe] = clock.queue(
            upgrade_timeout_s, lambda probe, due: probe.expire()
        )
        self.closings: Schedule[WebSocketLink] = clock.queue(
            close_timeout_s, lambda link, due: link.abort()
        )
        """WebSockets whose client has not answered the Close frame."""
        self.lingers: Schedule[Any] = clock.queue(
            close_timeout_s, lambda connection, due: end_linger(connection)
        )
        """Closed connections whose client has not fetched its last packets."""
        self.overdue: Schedule[Callable[[], None]] = clock.queue(
            DISCONNECT_WAIT_S, lambda call, due: call()
        )
        """Calls that are made when their turn did not come in time."""
        self.rests: Schedule[RestingConnection] = clock.queue(
            IDLE_TIMEOUT_S, lambda connection, due: connection.check()
        )
