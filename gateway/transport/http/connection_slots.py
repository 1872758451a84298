"""The slots of a web server's connections, and which connection closes for a newcomer.

How it works. Each connection has a slot with a state. While slots are free, no connection closes.
When all are in use and a newcomer asks for one, ``ConnectionSlots`` closes one connection:

1. The address with most connections loses one, if the newcomer's address has fewer even with the
   new one. The order is: the oldest connection with an incomplete head, then the one that is idle
   longest, then the newest one whose request is being served.
2. Otherwise the connection that is idle longest closes, whatever its address. A browser reopens an
   idle connection by itself.
3. Otherwise the newcomer has to wait.

So one address cannot keep others out, and two addresses with equal counts do not evict each other.

A closing connection keeps its slot until ``end`` is called, because it still has its descriptor.
Its slot counts as free for newcomers. ``CLOSING_MAX`` bounds how many descriptors that may add.
"""

from collections import defaultdict
from collections.abc import Callable
from enum import IntEnum, auto

from gateway.transport.limits.address_shares import AddressCounts

CLOSING_MAX = 16
"""Connections that were asked to close and still have their descriptors."""


class State(IntEnum):
    """The state of a connection. It is a number because a hash of any other enum is slow."""

    READING_HEAD = auto()
    """Its request is not complete."""
    BUSY = auto()
    """A request is being served."""
    IDLE = auto()
    """It waits for its client's next request."""
    CLOSING = auto()
    """It was asked to close. This state is final."""


class Slot:
    """One connection's slot. ``close`` ends the connection soon; it is called at most once."""

    __slots__ = ("_slots", "close", "holder", "state")

    def __init__(
        self, slots: "ConnectionSlots", holder: str | None, close: Callable[[], None]
    ) -> None:
        self._slots = slots
        self.holder = holder
        self.close = close
        self.state = State.READING_HEAD

    def change(self, state: State) -> None:
        """Note what the connection does now."""
        self._slots.change(self, state)


class ConnectionSlots:
    """At most ``max_connections`` slots, shared among client addresses.

    A slot's holder is the address its client is counted by. Connections without a holder are never
    closed for a newcomer. ``on_idle`` is called when a connection becomes idle: a newcomer that
    waits may now enter and close it.
    """

    def __init__(self, max_connections: int | None, on_idle: Callable[[], object]) -> None:
        self._max_connections = max_connections
        self._on_idle = on_idle
        self._counts = AddressCounts()
        self._count = self._closing = 0
        # The dictionaries without values are sets that keep their order.
        self._by_holder: defaultdict[str, dict[State, dict[Slot, None]]] = defaultdict(
            lambda: {state: {} for state in State}
        )
        self._idle: dict[Slot, None] = {}  # with or without a holder, longest idle first

    @property
    def is_full(self) -> bool:
        """True when no slot is free, nor about to be."""
        limit = self._max_connections
        return limit is not None and self._count - self._closing >= limit

    def count(self, holder: str | None) -> int:
        """Return how many slots a holder has."""
        return 0 if holder is None else self._counts.count(holder)

    def enter(self, holder: str | None, close: Callable[[], None]) -> Slot | None:
        """Give a newcomer a slot, if need be by closing another connection.

        Returns None when no connection may be closed for it.
        """
        if self.is_full and not self._make_room(holder):
            return None
        slot = Slot(self, holder, close)
        self._count += 1
        if holder is not None:
            self._counts.add(holder)
            self._by_holder[holder][slot.state][slot] = None
        return slot

    def change(self, slot: Slot, state: State) -> None:
        """Note what a connection does now."""
        if slot.state is State.CLOSING:
            return
        self._forget(slot)
        slot.state = state
        if slot.holder is not None:
            self._by_holder[slot.holder][state][slot] = None
        if state is State.IDLE:
            self._idle[slot] = None
            self._on_idle()
        elif state is State.CLOSING:
            self._closing += 1

    def end(self, slot: Slot) -> None:
        """Note that a connection has ended."""
        self._count -= 1
        self._closing -= slot.state is State.CLOSING
        self._forget(slot)
        if slot.holder is not None:
            self._counts.remove(slot.holder)
            if not self._counts.count(slot.holder):
                del self._by_holder[slot.holder]

    def _forget(self, slot: Slot) -> None:
        self._idle.pop(slot, None)
        if slot.holder is not None:
            self._by_holder[slot.holder][slot.state].pop(slot, None)

    def _make_room(self, newcomer: str | None) -> bool:
        if self._closing >= CLOSING_MAX:
            return False
        victim = self._victim_of_largest(newcomer) or next(iter(self._idle), None)
        if victim is None:
            return False
        self.change(victim, State.CLOSING)
        victim.close()
        return True

    def _victim_of_largest(self, newcomer: str | None) -> Slot | None:
        largest = self._counts.to_evict_for(newcomer or "")
        if largest is None:
            return None
        slots = self._by_holder[largest]
        for state in (State.READING_HEAD, State.IDLE):
            if slots[state]:
                return next(iter(slots[state]))
        return next(reversed(slots[State.BUSY]), None)
