"""The sessions of a server, and which one ends when a newcomer finds the server full. Pure."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from gateway.transport.address_shares import AddressCounts


class Session(Protocol):
    """A session, as far as it matters here."""

    sid: str
    holder: str | None
    """The party that the session's client is of; a session of None never ends for another."""
    is_joined: bool
    """Whether the client was admitted to a namespace."""


S = TypeVar("S", bound=Session)


class Sessions(Generic[S]):
    """At most ``at_most`` sessions, shared out by holder; ``end`` closes one at once."""

    def __init__(self, at_most: int | None, end: Callable[[S], object]) -> None:
        self._at_most = at_most
        self._end = end
        self._count = 0
        self._shares = AddressCounts()
        self._by_holder: dict[str, dict[str, S]] = {}

    def add(self, session: S) -> None:
        """Count a new session."""
        self._count += 1
        if session.holder is not None:
            self._shares.add(session.holder)
            self._by_holder.setdefault(session.holder, {})[session.sid] = session

    def remove(self, session: S) -> None:
        """Count a session no more."""
        self._count -= 1
        if session.holder is not None:
            self._shares.remove(session.holder)
            del self._by_holder[session.holder][session.sid]
            if not self._by_holder[session.holder]:
                del self._by_holder[session.holder]

    def make_room(self, holder: str | None) -> bool:
        """Say whether another session of a holder has room, if need be by ending one.

        While there is room nobody's session ends. Then the holder that has most loses one to a
        holder that has fewer: its oldest that was not admitted anywhere, else its newest.
        """
        if self._at_most is None or self._count < self._at_most:
            return True
        largest = self._shares.to_evict_for(holder or "")
        if largest is None:
            return False
        sessions = self._by_holder[largest]
        waiting = (session for session in sessions.values() if not session.is_joined)
        self._end(next(waiting, None) or next(reversed(sessions.values())))
        return self._count < self._at_most
