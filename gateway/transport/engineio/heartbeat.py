"""Sends pings to all connections and waits for their pongs, with one timer (monotonic clock)."""

from typing import Protocol

from gateway.transport.event_loop.timers import Clock, Schedule


class HeartbeatClient(Protocol):
    """A connection, as far as its heartbeat goes."""

    closed: bool
    pong_due: float | None

    @property
    def listening(self) -> bool:
        """False while this process does not read what the client sends."""

    def send_ping(self) -> None:
        """Send a ping."""

    def expire(self) -> None:
        """End: the client is silent."""


class Heartbeat:
    """Engine.IO v4, "Heartbeat": a ping one interval after the last pong, a pong in time."""

    def __init__(self, clock: Clock, interval_s: float, timeout_s: float) -> None:
        self._pings: Schedule[HeartbeatClient] = clock.queue(interval_s, self._ping)
        self._pongs: Schedule[HeartbeatClient] = clock.queue(timeout_s, self._check)

    def start(self, client: HeartbeatClient) -> None:
        """Send the first ping one interval from now."""
        self._pings.add(client)

    def on_pong(self, client: HeartbeatClient) -> None:
        """Handle a pong; one without a ping changes nothing."""
        if client.pong_due is not None:
            client.pong_due = None
            self._pings.add(client)

    def is_overdue(self, client: HeartbeatClient, now: float) -> bool:
        """Say whether this client's pong is late, which the timer has not noticed yet."""
        return client.listening and client.pong_due is not None and client.pong_due <= now

    def _ping(self, client: HeartbeatClient, due: float) -> None:
        if not client.closed:
            client.send_ping()
            client.pong_due = self._pongs.add(client)

    def _check(self, client: HeartbeatClient, due: float) -> None:
        if client.closed or due != client.pong_due:
            return
        if client.listening:
            client.expire()
        else:  # its pong may be unread; another ping shows the client that this side is alive
            client.send_ping()
            client.pong_due = self._pongs.add(client)
