"""Pages of readings out of a ring, for HTTP. Pure; long work comes in slices."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.devices.devices import Device
from gateway.packets import Gap, reading_payload
from shared.cursor import START, Cursor
from shared.reading import OPTIONAL_KEYS, REQUIRED_KEYS

LIMIT_DEFAULT, LIMIT_MAX = 1_000, 5_000
POINTS_MAX = 10_000
SLICE = 250
"""Readings looked at between two chances for others: about 2 ms."""
CSV_KEYS = (*REQUIRED_KEYS, *OPTIONAL_KEYS)


@dataclass(frozen=True, slots=True)
class After:
    """Readings after a position, or (None) the newest ones."""

    since: Cursor | None
    limit: int


@dataclass(frozen=True, slots=True)
class Between:
    """Readings measured in a span of time, thinned to ``max_points`` (None: all)."""

    from_ms: int
    to_ms: int
    max_points: int | None


class Page(NamedTuple):
    """Where a page begins and ends in the ring, what is missing in it, and where to go on."""

    start: int
    stop: int
    gaps: list[Gap]
    next: Cursor


def page_after(device: Device, query: After) -> Page:
    """Find the page of at most ``limit`` readings after a position, or the newest ones."""
    ring = device.ring
    front = ring.front or START
    since, gaps = query.since, list[Gap]()
    if since is None:
        start = _newest_start(device, query.limit)
    elif since < front:
        if since != START or front.seq:  # 0-0 asks for all there is, from an epoch's first on
            gaps.append(Gap(device.device_id, since, Cursor(front.epoch, front.seq + 1), "expired"))
        start = ring.index_after(front)
    else:
        start = ring.index_after(since)
    stop = _stop_after(device, start, query.limit)
    gaps += [_rest_of(gap, since) for i in range(start, stop) if (gap := ring.gap_at(i))]
    end = ring.cursor_at(stop) or START
    return Page(start, stop, gaps, end if stop > start else since or end)


def _rest_of(gap: Gap, since: Cursor | None) -> Gap:
    """Shorten a gap to what of it lies behind a position."""
    inside = since is not None and gap.after is not None and since > gap.after
    return replace(gap, after=since) if inside else gap


def page_between(device: Device, query: Between) -> Page:
    """Find the part of the ring that can hold readings of a span of time."""
    ring = device.ring
    inside = [
        index
        for index in range(ring.first, ring.end)
        if query.from_ms <= ring.time_at(index) <= query.to_ms
    ]
    later = (i for i in range(ring.first, ring.end) if ring.time_at(i) > query.to_ms)
    start = inside[0] if inside else next(later, ring.end)
    stop = inside[-1] + 1 if inside else start
    gaps = [gap for index in range(start, stop) if (gap := ring.gap_at(index)) is not None]
    return Page(start, stop, gaps, ring.cursor_at(stop) or START)


def payloads(device: Device, page: Page) -> list[bytes]:
    """Give the readings of a page, as JSON, oldest first."""
    ring = device.ring
    return [
        reading_payload(ring.frame_at(index))
        for index in range(max(page.start, ring.first), min(page.stop, ring.end))
        if ring.gap_at(index) is None
    ]


def in_span(found: list[bytes], query: Between) -> Iterator[list[bytes]]:
    """Keep what was measured in the span, slice by slice."""
    for start in range(0, len(found), SLICE):
        part = found[start : start + SLICE]
        yield [raw for raw in part if query.from_ms <= json.loads(raw)["ts_ms"] <= query.to_ms]


def thin_out(found: list[bytes], query: Between) -> Iterator[list[bytes]]:
    """Keep the slowest and the fastest of each run of readings; the runs are of equal length."""
    runs = max(1, (query.max_points or POINTS_MAX) // 2)
    if len(found) <= 2 * runs:
        yield found
        return
    speeds: list[float] = []
    for start in range(0, len(found), SLICE):
        speeds += [json.loads(raw)["speed_kmh"] for raw in found[start : start + SLICE]]
        yield []
    length = -(-len(found) // runs)
    for start in range(0, len(found), length):
        part = speeds[start : start + length]
        kept = sorted({part.index(min(part)), part.index(max(part))})
        yield [found[start + index] for index in kept]


def csv_row(payload: bytes) -> list[object]:
    """Give the cells of a reading, empty where a key is absent."""
    reading = json.loads(payload)
    return [_cell(reading.get(key)) for key in CSV_KEYS]


def _cell(value: object) -> object:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _newest_start(device: Device, limit: int) -> int:
    ring, index = device.ring, device.ring.end
    while index > ring.first and limit > 0:
        index -= 1
        limit -= ring.gap_at(index) is None
    return index


def _stop_after(device: Device, start: int, limit: int) -> int:
    ring, index = device.ring, start
    while index < ring.end and (limit > 0 or ring.gap_at(index) is not None):
        limit -= ring.gap_at(index) is None
        index += 1
    return index
