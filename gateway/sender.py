"""Sends each client the frames that are due to it. Pure.

How it works

- Live first: each group sends the new entries of its tail to all synced clients at once. Then the
  clients that are not synced are served one by one, for :data:`SINGLE_SENDS_S` of a turn. The
  client that waits longest is first, and at least one is served in each turn.
- A client whose socket takes nothing is *blocked*: it is left out until its transport reports that
  the socket takes data again (:meth:`Sender.note_writable`). So a thousand stuck clients cost
  nothing.
- A polling client fetches its frames itself (:meth:`Sender.pull`); it is only woken.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.domain import Now
from gateway.fanout.fanout import Fanout
from gateway.fanout.tail import Sent

SINGLE_SENDS_S = 0.005
"""The time that sends to single clients, those that are not synced, may take of a turn."""


class ClientConnection(Protocol):
    """A client's connection, as far as the hub needs it.

    Implemented by ``gateway.transport.Connection``.
    """

    @property
    def transport(self) -> str:
        """``websocket`` or ``polling``."""

    @property
    def writable(self) -> bool:
        """Tell whether the socket takes more, so that nothing piles up in front of it."""

    def wake_poll(self) -> None:
        """Answer a poll that waits."""

    def send_frames(self, data: bytes) -> None:
        """Send ready WebSocket frames at once."""

    def close_transport(self) -> None:
        """Close the transport, so that a stock client connects again."""


class Sender:
    """Sends frames to clients; ``pause`` is called between two pieces of the work."""

    def __init__(
        self,
        fanout: Fanout,
        connections: Mapping[str, ClientConnection],
        clock: Callable[[], Now],
        pause: Callable[[], None],
    ) -> None:
        self.sent, self.pulled = Sent(), Sent()
        """What was sent to single WebSockets, and what polling clients fetched."""
        self._fanout = fanout
        self._connections = connections
        self._clock = clock
        self._pause = pause
        self._waiting: dict[str, None] = {}
        """Clients that more can be sent to at once, the one that waits longest first."""
        self._sent_full = False
        self._blocked: set[str] = set()

    @property
    def has_waiting(self) -> bool:
        """Tell whether a client can be sent more at once."""
        return bool(self._waiting)

    @property
    def has_full_send(self) -> bool:
        """Tell whether a full send is due, or was made since the last :meth:`send_due`."""
        return self._sent_full or self._fanout.has_full_send

    def send_due(self, now: Now) -> bool:
        """Send frames that are due; tell whether there is more that could be sent at once."""
        self._sent_full = False
        self._pause()
        lagging = self._fanout.send_live(self._pause)
        self._pause()
        candidates = dict.fromkeys([*self._waiting, *lagging, *self._fanout.due(now)])
        until_s = self._clock().monotonic_s + SINGLE_SENDS_S
        has_more = False
        for number, client_id in enumerate(it for it in candidates if it not in self._blocked):
            if client_id not in self._connections:
                self._waiting.pop(client_id, None)
            elif number == 0 or self._clock().monotonic_s < until_s:
                has_more |= self._send(client_id, self._connections[client_id], now)
            else:
                self._waiting.setdefault(client_id)
                has_more = True
        return has_more

    def send_full(self) -> None:
        """Send live entries now if a full send is due to some group, while messages are taken in.

        One message may bring hundreds of entries: a group must not fall behind its own tail.
        """
        if self._fanout.has_full_send:
            self._sent_full = True
            lagging = self._fanout.send_live(self._pause)
            self._waiting |= {it: None for it in lagging if it not in self._blocked}

    def _send(self, client_id: str, connection: ClientConnection, now: Now) -> bool:
        """Send one client a batch; tell whether more could be sent to it at once."""
        self._waiting.pop(client_id, None)
        if connection.transport == "polling":
            if self._fanout.has_due(client_id):
                connection.wake_poll()
            return False
        if not connection.writable:
            self._blocked.add(client_id)
            return False
        batch = self._fanout.take(client_id, now)
        if batch.frames:
            connection.send_frames(batch.joined)
            self.sent.add(len(batch.frames), len(batch.joined))
        if not self._fanout.has_due(client_id):
            return False
        self._waiting[client_id] = None
        return True

    def pull(self, client_id: str, *, room_bytes: int, room_frames: int) -> Sequence[bytes]:
        """Return the frames that are due to a polling client, as many as fit."""
        if client_id not in self._connections:
            return ()
        batch = self._fanout.take(
            client_id, self._clock(), room_bytes=room_bytes, room_frames=room_frames
        )
        frames = batch.frames
        if frames:
            self.pulled.add(len(frames), sum(map(len, frames)))
        return frames

    def note_writable(self, client_id: str) -> bool:
        """Note that a client took everything, or stopped polling; tell whether more is due."""
        self._blocked.discard(client_id)
        has_due = client_id in self._connections and self._fanout.has_due(client_id)
        if has_due:
            self._waiting.setdefault(client_id)
        return has_due

    def note_subscribed(self, client_id: str) -> None:
        """Serve a client in the next turn."""
        self._waiting.setdefault(client_id)

    def forget(self, client_id: str) -> None:
        """Forget a client that left."""
        self._waiting.pop(client_id, None)
        self._blocked.discard(client_id)
