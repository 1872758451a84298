"""Effects: plain values that a feed returns and :mod:`gateway.devices.devices` carries out."""

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
    """Append this gap: the readings in it will not come."""

    gap: Gap


class Prepend(NamedTuple):
    """Put these readings from before first contact in front of the ring."""

    stretch: Stretch


class Empty(NamedTuple):
    """Empty the ring and continue after ``front``."""

    front: Cursor


class FirstContact(NamedTuple):
    """Note first contact: the ring begins after ``front``.

    Readings before ``front`` are not announced as a gap; a backfill may put them in front.
    """

    front: Cursor


class Ask(NamedTuple):
    """Ask the device for readings after ``after`` (None: from the oldest it holds)."""

    purpose: Purpose
    after: Cursor | None
    limit: int


class Seen(NamedTuple):
    """Drop this reading, whose position is settled.

    The ring has or had a reading there, or a gap covers the position.
    """

    reading: Reading


class Count(NamedTuple):
    """Count a dropped message; ``reason`` names the counter, ``cursor`` a wrong position."""

    reason: str
    cursor: Cursor | None = None


class Changed(NamedTuple):
    """Send the status: ``online``, ``epoch``, ``model``, ``interval_ms`` or ``refused`` changed."""


Effect: TypeAlias = Take | Announce | Prepend | Empty | FirstContact | Ask | Seen | Count | Changed
Effects: TypeAlias = list[Effect]
