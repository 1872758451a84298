"""The methods of ``socketio.Server`` that native threads may call, and the pace of senders."""

from typing import Any

import socketio

from gateway.transport.event_loop.wakeup import ThreadCalls, from_any_thread
from gateway.transport.server.engine_server import EngineServer


class ThreadedServer(socketio.Server):  # type: ignore[misc]  # socketio has no types
    """A ``socketio.Server`` on an ``EngineServer``, for calls from any thread.

    From a native thread each of these methods returns at once; the event loop makes the call.
    """

    eio: EngineServer

    @property
    def threads(self) -> ThreadCalls:
        """Where calls of native threads wait for the event loop."""
        return self.eio.threads

    @from_any_thread
    def emit(self, event: str, data: Any = None, *args: Any, **options: Any) -> None:
        """Emit as the stock server does, but slow down while much waits for the client.

        An ``emit`` to one client waits until the client has taken some of its unsent bytes. An
        ``emit`` to many clients lets the event loop turn.
        """
        super().emit(event, data, *args, **options)
        if self.eio.is_crowded:
            to = options.get("to") or options.get("room") or (args[0] if args else None)
            self.eio.pace(self._one_client(to, options.get("namespace") or "/"))

    def _one_client(self, to: object, namespace: str) -> str | None:
        found = self.manager.eio_sid_from_sid(to, namespace) if isinstance(to, str) else None
        return found if isinstance(found, str) else None

    @from_any_thread
    def disconnect(self, sid: str, *args: Any, **options: Any) -> None:
        """Disconnect a client, as the stock server does."""
        super().disconnect(sid, *args, **options)

    @from_any_thread
    def enter_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        """Let a client into a room, as the stock server does."""
        super().enter_room(sid, room, namespace)

    @from_any_thread
    def leave_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        """Take a client out of a room, as the stock server does."""
        super().leave_room(sid, room, namespace)

    @from_any_thread
    def close_room(self, room: str, namespace: str | None = None) -> None:
        """Close a room, as the stock server does."""
        super().close_room(room, namespace)
