"""What a feed wants to happen: plain values that :mod:`gateway.devices.devices` carries out."""

from typing import NamedTuple, TypeAlias

from gateway.domain import Gap
from gateway.feed.backfill import Stretch
from gateway.feed.retransmission import Purpose
from shared.cursor import Cursor
from shared.reading import Reading


class Take(NamedTuple):
    """Append this reading: it is the next one."""

    reading: Reading


class Announce(NamedTuple):
    """Append this gap: what it spans will not come."""

    gap: Gap


class Prepend(NamedTuple):
    """Put this history in front of everything held."""

    stretch: Stretch


class Empty(NamedTuple):
    """Throw away everything held and go on after ``front``."""

    front: Cursor


class Start(NamedTuple):
    """First contact: nothing before ``front`` is missing."""

    front: Cursor


class Ask(NamedTuple):
    """Ask the device for readings after ``after`` (None: from the oldest it holds)."""

    purpose: Purpose
    after: Cursor | None
    limit: int


class Seen(NamedTuple):
    """Drop this reading, which was there before; the ring knows whether it said the same."""

    reading: Reading


class Count(NamedTuple):
    """Something was dropped; ``reason`` names the counter, ``cursor`` a position that was wrong."""

    reason: str
    cursor: Cursor | None = None


class Changed(NamedTuple):
    """``online``, ``epoch``, ``model``, ``interval_ms`` or ``refused`` changed."""


Effect: TypeAlias = Take | Announce | Prepend | Empty | Start | Ask | Seen | Count | Changed
Effects: TypeAlias = list[Effect]
