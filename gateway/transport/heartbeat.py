"""Pings of all connections and the wait for their pongs, from one timer on the monotonic clock."""

from typing import Protocol

from gateway.transport.timers import Clock, Schedule


class Beating(Protocol):
    """What has a heartbeat."""

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
        self._pings: Schedule[Beating] = clock.queue(interval_s, self._ping)
        self._pongs: Schedule[Beating] = clock.queue(timeout_s, self._check)

    def start(self, client: Beating) -> None:
        """Send the first ping one interval from now."""
        self._pings.add(client)

    def on_pong(self, client: Beating) -> None:
        """Take a pong; one that nobody waits for changes nothing."""
        if client.pong_due is not None:
            client.pong_due = None
            self._pings.add(client)

    def is_overdue(self, client: Beating, now: float) -> bool:
        """Say whether the timer is about to find this client silent."""
        return client.listening and client.pong_due is not None and client.pong_due <= now

    def _ping(self, client: Beating, due: float) -> None:
        if not client.closed:
            client.send_ping()
            client.pong_due = self._pongs.add(client)

    def _check(self, client: Beating, due: float) -> None:
        if client.closed or due != client.pong_due:
            return
        if client.listening:
            client.expire()
        else:  # its pong may wait where we do not look; a ping shows each side that the other lives
            client.send_ping()
            client.pong_due = self._pongs.add(client)
