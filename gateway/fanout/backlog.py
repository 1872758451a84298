"""The backlog of a client in one device: from a position and a ring to frames. Pure.

How it works. A position goes through two functions:

1. :func:`resolve` turns a cursor that a client gave into an index of the ring:

   - The ring holds the next reading: the client continues there.
   - The cursor is older than the ring: it stays unresolved while history may still be fetched.
     After that the client is told a gap up to the front of the ring and starts there.
   - The cursor is ahead of the ring's head: it stays unresolved until the reading arrives. If the
     device denies the reading, or :data:`UNKNOWN_CURSOR_S` pass without an answer, the client is
     told a gap and starts at the front of the ring.

2. :func:`advance` sends entries from the index on. If the ring has dropped the entry at the index
   meanwhile, the client is told a gap first and continues from the middle of the ring: from the
   front it would soon be overrun again.

Invariant: a client is sent either the entry that follows its cursor, or a gap that begins at its
cursor.
"""

from dataclasses import dataclass, field

from gateway.devices.devices import Device
from gateway.domain import Gap, GapReason, Now
from gateway.fanout.clients import RingPosition, UnresolvedCursor
from gateway.packets import event_frame
from shared.cursor import START, Cursor

UNKNOWN_CURSOR_S = 30.0
"""How long a cursor ahead of the head is believed while no device answers."""

UNLIMITED = 1 << 30
"""A number of frames that is not reached."""


@dataclass(slots=True)
class Outbound:
    """Frames for one send, until ``room_bytes`` or ``room_frames`` are used up."""

    room_bytes: int
    room_frames: int = UNLIMITED
    frames: list[bytes] = field(default_factory=list)
    gaps: list[GapReason] = field(default_factory=list)
    """The reason of each gap among the frames that was made for this client."""

    @property
    def is_full(self) -> bool:
        return self.room_bytes <= 0 or len(self.frames) >= self.room_frames

    def add(self, frame: bytes) -> None:
        """Append a frame; the last one may be larger than the room that is left."""
        self.frames.append(frame)
        self.room_bytes -= len(frame)

    def announce(self, gap: Gap) -> None:
        """Append a gap that only this client gets."""
        self.gaps.append(gap.reason)
        self.add(event_frame("gap", gap.body()))


def resolve(
    unresolved: UnresolvedCursor, device: Device, now: Now, *, was_evicted: bool
) -> tuple[RingPosition | UnresolvedCursor, Gap | None]:
    """Look a cursor up in the ring; returns the position, and a gap to be announced first.

    ``was_evicted`` says that the readings after the cursor were lost when the device was evicted.
    """
    since, head, front = unresolved.cursor, device.feed.head, device.ring.front
    if head is None or front is None:
        return unresolved, None
    if since > head:
        return _resolve_ahead(unresolved, device, front, now)
    if since >= front:
        return RingPosition(device.ring.index_after(since), since), None
    if may_find_history(unresolved, device, now):
        return unresolved, None
    if since == START and front.seq == 0:
        # Nothing is missing: the ring holds the epoch from its first reading.
        return RingPosition(device.ring.index_after(front), front), None
    return _from_front(
        device, since, front, GapReason.EVICTED if was_evicted else GapReason.EXPIRED
    )


def is_ahead(unresolved: UnresolvedCursor, device: Device) -> bool:
    """Tell whether a client claims readings that the gateway has not received."""
    head = device.feed.head
    return head is not None and unresolved.cursor > head


def may_find_history(unresolved: UnresolvedCursor, device: Device, now: Now) -> bool:
    """Tell whether history may still be added in front of the ring; asks the feed to fetch it."""
    has_room = len(device.ring) < device.ring.capacity
    return has_room and device.feed.want_backfill(unresolved.cursor, unresolved.asked_s, now)


def advance(
    position: RingPosition, device: Device, out: Outbound, stop: int | None = None
) -> RingPosition:
    """Send entries from a position on while there is room, after a gap for those that are lost.

    ``stop`` is the index of the first entry that is not sent, by default the end of the ring.
    """
    ring = device.ring
    if stop is not None and position.index >= stop:
        return position
    position = _skip_lost(position, device, out)
    position = _skip_rest_of_gap(position, device, out)
    index = position.index
    end = ring.end_index if stop is None else stop
    while index < end and not out.is_full:
        out.add(ring.frame_at(index))
        index += 1
    if index == position.index:
        return position
    return RingPosition(index, ring.cursor_before(index) or position.cursor)


def _resolve_ahead(
    unresolved: UnresolvedCursor, device: Device, front: Cursor, now: Now
) -> tuple[RingPosition | UnresolvedCursor, Gap | None]:
    feed = device.feed
    # Only an answer to a question asked since then can deny the cursor.
    is_answered = feed.newest_s >= unresolved.asked_s
    is_denied = is_answered and (feed.newest is None or feed.newest < unresolved.cursor)
    if is_denied or now.monotonic_s - unresolved.asked_s >= UNKNOWN_CURSOR_S:
        return _from_front(device, unresolved.cursor, front, GapReason.UNKNOWN_CURSOR)
    return unresolved, None


def _from_front(
    device: Device, since: Cursor, front: Cursor, reason: GapReason
) -> tuple[RingPosition, Gap]:
    gap = Gap(device.device_id, since, Cursor(front.epoch, front.seq + 1), reason)
    return RingPosition(device.ring.index_after(front), front), gap


def _skip_lost(position: RingPosition, device: Device, out: Outbound) -> RingPosition:
    """Announce the entries that the ring dropped after the client's position."""
    ring = device.ring
    if ring.emptied_at is not None and position.index < ring.emptied_at:
        # The ring was emptied, and began anew with a gap that tells the reason.
        reset = ring.gap_at(ring.emptied_at)
        if reset is not None:
            gap = Gap(device.device_id, position.cursor, reset.before, reset.reason)
            return _announce(gap, ring.emptied_at + 1, out)
    if position.index >= ring.first_index:
        return position
    middle = ring.first_index + len(ring) // 2
    resume = ring.cursor_before(middle) or position.cursor
    before = Cursor(resume.epoch, resume.seq + 1)
    return _announce(Gap(device.device_id, position.cursor, before, GapReason.OVERRUN), middle, out)


def is_inside_gap(position: RingPosition, device: Device) -> bool:
    """Tell whether the next entry is a gap that begins before the client's cursor."""
    gap = device.ring.gap_at(position.index)
    return gap is not None and gap.after is not None and position.cursor > gap.after


def _skip_rest_of_gap(position: RingPosition, device: Device, out: Outbound) -> RingPosition:
    """Announce the rest of a gap of the ring to a client whose cursor is inside it."""
    gap = device.ring.gap_at(position.index)
    if gap is None or not is_inside_gap(position, device):
        return position
    rest = Gap(device.device_id, position.cursor, gap.before, gap.reason)
    return _announce(rest, position.index + 1, out)


def _announce(gap: Gap, index: int, out: Outbound) -> RingPosition:
    out.announce(gap)
    return RingPosition(index, gap.end)
