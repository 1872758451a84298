"""How many sessions a server may have, and which one ends for a new client when it is full.

While there is room, no session ends. Then the party with most sessions loses one to a party
with fewer: its oldest that was not admitted to a namespace, else its newest.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from gateway.transport.limits.address_shares import AddressCounts


class Session(Protocol):
    """A session, as far as the limit is concerned."""

    sid: str
    holder: str | None
    """The party that the session's client belongs to; a session of None never ends for another."""
    is_joined: bool
    """Whether the client was admitted to a namespace."""


S = TypeVar("S", bound=Session)


class SessionLimit(Generic[S]):
    """At most ``at_most`` sessions, shared fairly among holders; ``end`` closes one at once."""

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
        """Count a session no longer."""
        self._count -= 1
        if session.holder is not None:
            self._shares.remove(session.holder)
            del self._by_holder[session.holder][session.sid]
            if not self._by_holder[session.holder]:
                del self._by_holder[session.holder]

    def has_room_for(self, holder: str | None) -> bool:
        """Say whether a holder may open a session, if need be in place of another's session."""
        return self._has_free or self._shares.to_evict_for(holder or "") is not None

    def make_room_for(self, holder: str | None) -> bool:
        """Make room for a session, if need be by ending one of another holder; False if it fails.

        Call this only for a client that gets its session next: another client may lose one.
        """
        if self._has_free:
            return True
        largest = self._shares.to_evict_for(holder or "")
        if largest is None:
            return False
        sessions = self._by_holder[largest]
        waiting = (session for session in sessions.values() if not session.is_joined)
        self._end(next(waiting, None) or next(reversed(sessions.values())))
        return self._has_free

    @property
    def _has_free(self) -> bool:
        return self._at_most is None or self._count < self._at_most
