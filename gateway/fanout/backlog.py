"""Catch-up: what a client that is not at the head of a device's ring is sent next.

Pure functions from a position and a ring to frames and the position after them. What is waited for
is noted in the device's feed, so that it is fetched first.
"""

from dataclasses import dataclass, field

from gateway.devices.devices import Device
from gateway.domain import Gap, GapReason, Now
from gateway.fanout.clients import At, Waiting
from gateway.packets import event_frame
from shared.cursor import START, Cursor

UNKNOWN_CURSOR_S = 30.0
"""How long a client that claims to be ahead is believed when no replay can tell."""

ANY_NUMBER = 1 << 30


@dataclass(slots=True)
class Outbound:
    """Frames for one send, filled until ``room_bytes`` or ``room_frames`` are used up."""

    room_bytes: int
    room_frames: int = ANY_NUMBER
    frames: list[bytes] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Tell whether the rest has to wait for the next send."""
        return self.room_bytes <= 0 or len(self.frames) >= self.room_frames

    def add(self, frame: bytes) -> None:
        """Put a frame behind the others; the last one may use more room than there is."""
        self.frames.append(frame)
        self.room_bytes -= len(frame)


def resolve(
    waiting: Waiting, device: Device, now: Now, *, was_evicted: bool
) -> tuple[At | Waiting, Gap | None]:
    """Find where a client that comes with a cursor stands, and what it has to be told first."""
    since, head, front = waiting.cursor, device.feed.head, device.ring.front
    if head is None or front is None:
        return waiting, None
    if since > head:
        return _resolve_ahead(waiting, device, front, now)
    if since >= front:
        return At(device.ring.index_after(since), since), None
    if may_find_history(waiting, device, now):
        return waiting, None
    if since == START and front.seq == 0:
        return At(device.ring.index_after(front), front), None  # all that is held is all there was
    return _from_front(
        device, since, front, GapReason.EVICTED if was_evicted else GapReason.EXPIRED
    )


def is_ahead(waiting: Waiting, device: Device) -> bool:
    """Tell whether a client claims readings that nobody here has seen."""
    head = device.feed.head
    return head is not None and waiting.cursor > head


def may_find_history(waiting: Waiting, device: Device, now: Now) -> bool:
    """Tell whether what a client waits for may still appear in front of the ring, and want it."""
    has_room = len(device.ring) < device.ring.capacity
    return has_room and device.feed.want_backfill(waiting.cursor, waiting.since_s, now)


def advance(position: At, device: Device, out: Outbound, stop: int | None = None) -> At:
    """Send on from a position while there is room; a client that fell out is told so first.

    ``stop`` is the index of the first entry that is not sent; without it all of the ring is.
    """
    ring = device.ring
    position = _over_the_lost(position, device, out)
    position = _into_a_gap(position, device, out)
    index = position.index
    end = ring.end if stop is None else stop
    while index < end and not out.is_full:
        out.add(ring.frame_at(index))
        index += 1
    if index == position.index:
        return position
    return At(index, ring.cursor_at(index) or position.cursor)


def _resolve_ahead(
    waiting: Waiting, device: Device, front: Cursor, now: Now
) -> tuple[At | Waiting, Gap | None]:
    feed = device.feed
    told = feed.newest_s >= waiting.since_s
    denied = told and (feed.newest is None or feed.newest < waiting.cursor)
    if denied or now.monotonic_s - waiting.since_s >= UNKNOWN_CURSOR_S:
        return _from_front(device, waiting.cursor, front, GapReason.UNKNOWN_CURSOR)
    return waiting, None


def _from_front(device: Device, since: Cursor, front: Cursor, reason: GapReason) -> tuple[At, Gap]:
    gap = Gap(device.device_id, since, Cursor(front.epoch, front.seq + 1), reason)
    return At(device.ring.index_after(front), front), gap


def _over_the_lost(position: At, device: Device, out: Outbound) -> At:
    """Announce what was lost at the front of the ring since the client stood there."""
    ring = device.ring
    if ring.emptied_at is not None and position.index < ring.emptied_at:
        reset = ring.gap_at(ring.emptied_at)
        if reset is not None:
            return _tell(
                Gap(device.device_id, position.cursor, reset.before, reset.reason),
                ring.emptied_at + 1,
                out,
            )
    if position.index >= ring.first:
        return position
    middle = ring.first + len(ring) // 2
    resume = ring.cursor_at(middle) or position.cursor
    before = Cursor(resume.epoch, resume.seq + 1)
    return _tell(Gap(device.device_id, position.cursor, before, GapReason.OVERRUN), middle, out)


def _into_a_gap(position: At, device: Device, out: Outbound) -> At:
    """Announce the rest of a gap to a client that stands inside of it."""
    gap = device.ring.gap_at(position.index)
    if gap is None or gap.after is None or position.cursor <= gap.after:
        return position
    rest = Gap(device.device_id, position.cursor, gap.before, gap.reason)
    return _tell(rest, position.index + 1, out)


def _tell(gap: Gap, index: int, out: Outbound) -> At:
    out.add(event_frame("gap", gap.body()))
    return At(index, gap.end)
