"""Compare a cursor with the position of a device, and find its oldest reading held. Pure."""

from gateway.devices.devices import Device
from gateway.domain import GapReason
from shared.cursor import START, Cursor


def may_come(device: Device, since: Cursor) -> bool:
    """Tell whether a device that is before ``since`` may still reach it."""
    head = device.feed.head
    return head is None or (since > head and not _has_gone_back(device, since))


def reset_reason(device: Device, since: Cursor) -> GapReason | None:
    """Return why the device was never at ``since``, or left it; None up to the head."""
    head = device.feed.head
    if head is None or since <= head:
        return None
    has_gone_back = _has_gone_back(device, since)
    return GapReason.EPOCH_BACK if has_gone_back else GapReason.UNKNOWN_CURSOR


def _has_gone_back(device: Device, since: Cursor) -> bool:
    """Tell whether the device returned to an older epoch from ``since``."""
    ring = device.ring
    gap = None if ring.emptied_at is None else ring.gap_at(ring.emptied_at)
    return gap is not None and gap.after is not None and since <= gap.after


def held_from(device: Device) -> Cursor:
    """Return the position before the oldest reading that the ring or the device itself holds."""
    front, oldest = device.ring.front or START, device.feed.oldest
    if oldest is None or not device.feed.replay_may_answer:
        return front
    return min(front, Cursor(oldest.epoch, oldest.seq - 1))
