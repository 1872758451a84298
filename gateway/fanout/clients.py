"""The state of one client: what it watches, and which readings it has been sent. Pure.

A client has no queue, only positions:

- As a member of a group it has one arrival number in the group's tail (:class:`Member`).
- In devices that its group does not serve it has a *backlog*: one position in each ring. A client
  without a group has one for each device it watches in full.
- In devices that it watches with a rate limit (a *throttle*), only the last reading it was sent
  is noted: it gets the newest one at a time and never a backlog.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from gateway.fanout.group import Member
from gateway.fanout.tail import Coverage
from shared.cursor import Cursor


class RingPosition(NamedTuple):
    """The client is sent the entry at ``index`` of the ring next; it has all up to ``cursor``."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls
    cursor: Cursor


class UnresolvedCursor(NamedTuple):
    """The client asked, at ``asked_s``, for all after ``cursor``, which was not found yet.

    It is looked up at each send, until it is found or given up with a gap. History may still be
    fetched into the ring, or the client claims readings that have not arrived.
    """

    cursor: Cursor
    asked_s: float


class AfterArrival:
    """The client has all that arrived up to ``Client.backlog_arrival``.

    The place in the ring is looked up when it is needed.
    """

    __slots__ = ()


AFTER_ARRIVAL = AfterArrival()
"""The only instance: a client of ``*`` that leaves its group has thousands of these positions."""

Position: TypeAlias = RingPosition | UnresolvedCursor | AfterArrival

NEVER = 1 << 62
"""An arrival number that is not reached."""


@dataclass(slots=True)
class Throttled:
    """A device that a client watches with a rate limit."""

    interval_s: float
    cursor: Cursor
    """The position of the reading that was sent last."""
    arrival: int = -1
    """The arrival number of that reading; -1 before the first."""
    due_s: float = 0.0
    """The next reading is sent at this time or later."""


@dataclass(slots=True)
class Sweep:
    """One pass over all devices of a backlog, in pieces.

    The client is sent the entries of each ring up to one arrival number, ``client.arrival``. After
    the pass it has that number in every device, and its group's tail has all later entries.
    """

    names: list[str]
    """The devices not passed yet, the next one last."""
    is_complete: bool = True
    """Whether the client has everything up to the number in each device that was passed."""
    is_waiting: bool = False
    """Whether the cursor of some device is still unresolved."""


@dataclass(slots=True)
class Scan:
    """One pass over the devices that a client watches with a rate limit, in pieces."""

    names: list[str]
    """The devices not looked at yet, the next one last."""
    arrival: int
    """The newest arrival number when the pass began."""
    next_s: float
    """When the next pass is due."""
    least_s: float
    """The next pass begins at least this long after this one, because of its cost."""
    is_all_sent: bool = True
    """Whether the interval of every device was over, so that no reading was held back."""


@dataclass(slots=True, eq=False)
class Client(Member):
    """One client: its subscription, its positions, and the statuses it is owed."""

    # --- subscription: written by ``SubscriptionTable`` and ``Membership.follow_everything``; by
    # ``Fanout.subscribe_automatically``: ``is_automatic``
    names: dict[str, float | None] = field(default_factory=dict)
    """Devices watched by name, each with its rate limit in Hz, or None for every reading."""
    everything: bool = False
    """Whether ``*`` is watched."""
    everything_rate_hz: float | None = None
    everything_since: Cursor | None = None
    """The cursor for devices that appear later (``since`` of ``*``)."""
    everything_from: int = 0
    """The arrival number at which ``*`` was subscribed."""
    is_automatic: bool = False
    """The gateway subscribed this client; that ends with the first ``subscribe`` of its own."""
    running_changes: int = 0
    """Requests that change the subscription now: the client is sent nothing until they end."""

    # --- positions in rings: written by ``Positions`` and ``BacklogSender``; by ``Membership``:
    # ``sweep``; ``DeviceAudience`` and ``SubscriptionTable`` drop cursors
    since: dict[str, Cursor] = field(default_factory=dict)
    """Cursors that the client gave for devices that are not known now."""
    evicted_at: dict[str, Cursor] = field(default_factory=dict)
    """Positions in devices that were evicted before the client had been sent everything."""
    ring_positions: dict[str, Position] = field(default_factory=dict)
    """Positions in devices that the group does not cover; during a sweep, in those that it covers,
    too. The next to be sent is first."""
    left_devices: Mapping[str, Position] | None = None
    """The devices of the group that the client left, until it is served; see ``Positions``."""
    backlog_arrival: int = NEVER
    """The client was sent everything up to this number in devices at ``AFTER_ARRIVAL``."""
    sweep: Sweep | None = None
    sweep_due_s: float = 0.0
    """When the next sweep may begin, after one that was not complete."""

    # --- throttle: written by ``ThrottleQueue``; by ``Positions``: ``throttled``
    throttled: dict[str, Throttled] = field(default_factory=dict)
    throttle_due_s: float | None = None
    """When the next scan is due; None without any rate limit."""
    is_throttle_due: bool = False
    scan: Scan | None = None
    """The scan that has begun and is not at its end."""
    scan_pause_s: float = 0.0
    """How long after the last scan the next one is due."""
    scanned_up_to: int = -1
    """A scan would find nothing that arrived up to this number; -1 if a reading was held back."""

    # --- statuses: written by ``StatusLog`` and ``SubscriptionTable``; by ``Membership`` and
    # ``Fanout``: ``statuses_first``
    statuses: dict[str, None] = field(default_factory=dict)
    """Devices whose status the client is owed, in order: an ordered set."""
    status_seen: int = 0
    """How many entries of the status log the client has seen."""
    statuses_first: bool = False
    """Set by ``Membership.follow_everything``: the client is a member before it was sent its
    statuses, so they come before any reading. All other clients join after their statuses."""

    def watches(self, device_id: str) -> bool:
        """Tell whether this client watches a device."""
        return self.everything or device_id in self.names

    def rate_of(self, device_id: str) -> float | None:
        """Return the rate limit for a device; that of its name goes before that of ``*``."""
        return self.names.get(device_id, self.everything_rate_hz)

    def wants_every_reading(self, device_id: str) -> bool:
        """Tell whether this client watches a device without a rate limit."""
        return self.watches(device_id) and self.rate_of(device_id) is None

    def is_covered_by_group(self, device_id: str) -> bool:
        """Tell whether the group covers a device; during a sweep the backlog serves it even so."""
        return self.group is not None and self.group.coverage.covers(device_id)

    def since_of(self, device_id: str) -> Cursor | None:
        """Return the cursor from which a device that appears now is sent."""
        default = None if device_id in self.names else self.everything_since
        return self.since.get(device_id) or self.evicted_at.get(device_id, default)

    def coverage(self) -> Coverage:
        """Return the devices of which this client is to be sent every reading."""
        full = frozenset(name for name, rate in self.names.items() if rate is None)
        everything = self.everything and self.everything_rate_hz is None
        throttled = frozenset(self.names) - full if everything else frozenset[str]()
        return Coverage(full, everything, throttled)

    def top_rate_hz(self) -> float | None:
        """Return the greatest rate limit of the subscription; None without any."""
        rates = [*self.names.values(), self.everything_rate_hz if self.everything else None]
        return max((rate for rate in rates if rate is not None), default=None)
