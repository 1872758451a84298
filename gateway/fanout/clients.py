"""What is known of one browser: what it watches and where it stands.

Nothing of a stream is kept here, only positions. A client is *live* (one arrival number in the
tail of its group) or *behind* (one position a device, until all are at the head). One that is live
may be behind in few devices, which its group leaves out.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from gateway.fanout.groups import Member
from gateway.fanout.tail import Coverage
from shared.cursor import Cursor


class At(NamedTuple):
    """Stands before the entry at ``index`` of the ring, after the position ``cursor``."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls
    cursor: Cursor


class Waiting(NamedTuple):
    """Wants what follows ``cursor``, which the ring cannot tell yet; asked at ``since_s``."""

    cursor: Cursor
    since_s: float


class Unplaced:
    """Stands after all that arrived up to ``Client.after``; the ring tells where that is."""

    __slots__ = ()


UNPLACED = Unplaced()
"""Shared: a client of ``*`` has thousands of them when it falls behind."""

Position: TypeAlias = At | Waiting | Unplaced

NEVER = 1 << 62
"""An arrival number that is not reached."""


@dataclass(slots=True)
class Rated:
    """The newest reading of one device at most so often: what was sent last, and when next."""

    interval_s: float
    cursor: Cursor
    arrival: int = -1
    due_s: float = 0.0


@dataclass(slots=True)
class Sweep:
    """One pass over all devices in which a client is behind, in pieces.

    The client is sent what each ring holds up to one arrival number, its own. When the pass is
    over it stands at that number in every device, and the tail of its group has what follows.
    """

    names: list[str]
    """The devices still to be passed, the next one last."""
    is_whole: bool = True
    """Whether the client stands at the number in each device that was passed."""
    is_waiting: bool = False
    """Whether a ring cannot tell yet where the client stands in it."""


@dataclass(slots=True)
class Look:
    """One pass over the devices a client watches at a rate, in pieces."""

    names: list[str]
    """The devices still to be looked at, the next one last."""
    arrival: int
    next_s: float
    """When the next pass is due."""
    least_s: float
    """How long the next pass waits at least, because of what this one costs."""
    is_all_sent: bool = True


@dataclass(slots=True, eq=False)
class Client(Member):
    """One connection; ``names`` and ``everything_rate_hz`` are its subscription."""

    names: dict[str, float | None] = field(default_factory=dict)
    everything: bool = False
    everything_rate_hz: float | None = None
    everything_since: Cursor | None = None
    everything_from: int = 0
    """The arrival number at which ``*`` was subscribed."""
    since: dict[str, Cursor] = field(default_factory=dict)
    """Positions in devices that are not known now, as the client gave them."""
    left: dict[str, Cursor] = field(default_factory=dict)
    """Positions in devices that gave way before all of them was sent."""
    behind: dict[str, Position] = field(default_factory=dict)
    after: int = NEVER
    """The arrival number it was sent last of all devices in which it is unplaced."""
    rated: dict[str, Rated] = field(default_factory=dict)
    rate_due_s: float | None = None
    """When to look for newest readings next; None without any rate."""
    is_rate_due: bool = False
    look: Look | None = None
    rate_pause_s: float = 0.0
    """How long the last look at newest readings said the next one can wait."""
    rated_up_to: int = -1
    """The arrival number up to which there is nothing to look for; -1 when something is held back.
    """
    statuses: dict[str, None] = field(default_factory=dict)
    """Devices whose status is owed, in order: an ordered set."""
    status_seen: int = 0
    sweep: Sweep | None = None
    sweep_due_s: float = 0.0
    """When the next sweep may begin, after one that was not whole."""
    is_new: bool = False
    """Its group serves it, but statuses that it has to be told first are still owed."""
    holds: int = 0
    """Answers to ``subscribe`` that are being made: until they are sent, nothing else is."""
    is_automatic: bool = False
    """Subscribed by the server; ends with the first ``subscribe`` of its own."""

    def covers(self, device_id: str) -> bool:
        """Tell whether this client is to be sent anything of a device."""
        return self.everything or device_id in self.names

    def rate_of(self, device_id: str) -> float | None:
        """Give the rate for a device; a name's own goes before that of ``*``."""
        return self.names.get(device_id, self.everything_rate_hz)

    def wants_all(self, device_id: str) -> bool:
        """Tell whether every reading of a device is to be sent."""
        return self.covers(device_id) and self.rate_of(device_id) is None

    def is_live_in(self, device_id: str) -> bool:
        """Tell whether its group serves a device."""
        return self.group is not None and self.group.coverage.covers(device_id)

    def since_of(self, device_id: str) -> Cursor | None:
        """Give the position a device that appears now is to be followed from."""
        default = None if device_id in self.names else self.everything_since
        return self.since.get(device_id) or self.left.get(device_id, default)

    def coverage(self) -> Coverage:
        """Name the devices of which every reading is wanted."""
        full = frozenset(name for name, rate in self.names.items() if rate is None)
        everything = self.everything and self.everything_rate_hz is None
        rated = frozenset(self.names) - full if everything else frozenset[str]()
        return Coverage(full, everything, rated)

    def top_rate_hz(self) -> float | None:
        """Give the greatest rate anything is to be sent at; None when nothing is."""
        rates = [*self.names.values(), self.everything_rate_hz if self.everything else None]
        return max((rate for rate in rates if rate is not None), default=None)
