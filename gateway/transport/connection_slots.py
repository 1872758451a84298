"""The places of a web server's connections, and which connection gives way to a newcomer. Pure."""

from collections.abc import Callable
from enum import Enum, auto

from gateway.transport.address_shares import Shares

LEAVING_MAX = 16
"""Connections that were asked to end and still have their descriptors."""


class State(Enum):
    """What a connection is doing."""

    HEAD = auto()
    """Its request is not complete."""
    BUSY = auto()
    """A request is being served."""
    RESTING = auto()
    """It waits for its client's next request."""
    LEAVING = auto()
    """It was asked to end."""


class Place:
    """One connection's place. ``leave`` ends the connection soon; it is called at most once."""

    __slots__ = ("_places", "holder", "leave", "state")

    def __init__(self, places: "Places", holder: str | None, leave: Callable[[], None]) -> None:
        self._places = places
        self.holder = holder
        self.leave = leave
        self.state = State.HEAD

    def change(self, state: State) -> None:
        """Note what the connection does now."""
        self._places.change(self, state)


class Places:
    """At most ``at_most`` connections; a holder of None is never asked to give way.

    ``on_resting`` is called when a connection begins to rest: it gives way to whoever enters then.
    """

    def __init__(self, at_most: int | None, on_resting: Callable[[], object]) -> None:
        self._at_most = at_most
        self._on_resting = on_resting
        self._shares = Shares()
        self._count = self._leaving = 0
        self._by_holder: dict[str, dict[State, dict[Place, None]]] = {}
        self._resting: dict[Place, None] = {}  # of all holders, the longest first

    @property
    def is_full(self) -> bool:
        """True when no place is free, nor about to be."""
        return self._at_most is not None and self._count - self._leaving >= self._at_most

    def held(self, holder: str | None) -> int:
        """Return how many places a holder has."""
        return 0 if holder is None else self._shares.count(holder)

    def enter(self, holder: str | None, leave: Callable[[], None]) -> Place | None:
        """Give a newcomer a place, if need be that of another connection; None when there is none.

        While there is room nobody gives way. Then the holder that has most places gives one to a
        newcomer whose holder has fewer: first that of an unfinished head, then that of a resting
        connection, then its newest. A connection that rests gives way to anybody.
        """
        if self.is_full and not self._make_room(holder):
            return None
        place = Place(self, holder, leave)
        self._count += 1
        if holder is not None:
            self._shares.add(holder)
            self._by_holder.setdefault(holder, {state: {} for state in State})
            self._by_holder[holder][State.HEAD][place] = None
        return place

    def change(self, place: Place, state: State) -> None:
        """Note what a connection does now."""
        if place.state is State.LEAVING:
            return
        self._drop(place)
        place.state = state
        if place.holder is not None:
            self._by_holder[place.holder][state][place] = None
        if state is State.RESTING:
            self._resting[place] = None
            self._on_resting()
        elif state is State.LEAVING:
            self._leaving += 1

    def end(self, place: Place) -> None:
        """Note that a connection has ended."""
        self._count -= 1
        self._leaving -= place.state is State.LEAVING
        self._drop(place)
        if place.holder is not None:
            self._shares.remove(place.holder)
            if not self._shares.count(place.holder):
                del self._by_holder[place.holder]

    def _drop(self, place: Place) -> None:
        self._resting.pop(place, None)
        if place.holder is not None:
            self._by_holder[place.holder][place.state].pop(place, None)

    def _make_room(self, newcomer: str | None) -> bool:
        if self._leaving >= LEAVING_MAX:
            return False
        victim = self._of_the_largest(newcomer) or next(iter(self._resting), None)
        if victim is None:
            return False
        self.change(victim, State.LEAVING)
        victim.leave()
        return True

    def _of_the_largest(self, newcomer: str | None) -> Place | None:
        largest = self._shares.should_yield(newcomer or "")
        if largest is None:
            return None
        places = self._by_holder[largest]
        for state in (State.HEAD, State.RESTING):
            if places[state]:
                return next(iter(places[state]))
        return next(reversed(places[State.BUSY]), None)
