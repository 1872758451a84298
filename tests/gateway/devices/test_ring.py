"""The ring of one device: what is held, where it begins, what is found in it."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from device.sources.simulator import simulate
from gateway.devices.ring import (
    COMPACT_PART,
    ENTRY_OVERHEAD_BYTES,
    Entry,
    Ring,
    gap_entry,
    reading_entry,
)
from gateway.domain import Gap, GapReason
from gateway.packets import packet_of, reading_payload
from shared.cursor import Cursor
from shared.reading import Reading
from shared.wire import decode_reading
from tests.gateway.feeds import DEVICE, WALL_MS, reading


def _gap(after: int, before: int) -> Gap:
    return Gap(DEVICE, Cursor(1, after), Cursor(1, before), GapReason.NOT_RECOVERED)


def _entries(*seqs: int) -> list[Entry]:
    return [reading_entry(reading(seq)) for seq in seqs]


def _ring(*seqs: int, capacity: int = 10) -> Ring:
    """Make a ring that began right before the first reading; arrivals count from 1."""
    ring = Ring(capacity)
    ring.start_at(Cursor(1, seqs[0] - 1))
    for arrival, seq in enumerate(seqs, 1):
        ring.append(reading_entry(reading(seq), arrival))
    return ring


def _held(ring: Ring) -> list[bytes]:
    return ring.frames(ring.first_index, ring.end_index)


def test_reading_entry() -> None:
    entry = reading_entry(reading(5), arrival=7)

    assert decode_reading(reading_payload(entry.frame), DEVICE).reading == reading(5)
    assert (entry.arrival, entry.end, entry.ts_ms, entry.gap) == (7, (1, 5), WALL_MS + 5, None)


def test_gap_entry() -> None:
    entry = gap_entry(_gap(4, 8), arrival=7)

    assert json.loads(packet_of(entry.frame)[2:]) == ["gap", _gap(4, 8).body()]
    assert (entry.arrival, entry.end, entry.ts_ms) == (7, (1, 7), 0)


def test_no_front_before_first_contact() -> None:
    ring = Ring(10)

    assert (ring.front, len(ring), ring.first_index, ring.end_index) == (None, 0, 0, 0)
    assert ring.newest_reading() is None


def test_entries_in_order() -> None:
    ring = _ring(5, 6)
    ring.append(gap_entry(_gap(6, 9), 3))

    assert ring.front == (1, 4)
    assert [ring.cursor_before(index) for index in range(4)] == [(1, 4), (1, 5), (1, 6), (1, 8)]
    assert [ring.arrival_at(index) for index in range(3)] == [1, 2, 3]
    assert [ring.time_at(index) for index in range(3)] == [WALL_MS + 5, WALL_MS + 6, 0]
    assert [ring.gap_at(index) for index in range(3)] == [None, None, _gap(6, 9)]
    assert ring.frame_at(1) == reading_entry(reading(6)).frame


def test_capacity_loses_front() -> None:
    ring = _ring(*range(1, 14), capacity=10)

    assert (len(ring), ring.first_index, ring.end_index) == (10, 3, 13)
    assert ring.front == (1, 3)
    assert ring.frame_at(3) == reading_entry(reading(4)).frame


def test_trimmed_slots_deleted_in_runs() -> None:
    ring = Ring(100)
    for entry in _entries(*range(1, 220)):
        ring.append(entry)
        if ring.last_lost is not None:
            ring.forget(ring.last_lost)

    assert _held(ring) == [e.frame for e in _entries(*range(120, 220))]
    assert len(ring._frames) <= 100 + 100 / (COMPACT_PART - 1) + 1
    assert ring.index_after(ring.front or Cursor(0, 0)) == ring.first_index == 119


def test_trim_loses_oldest() -> None:
    ring = _ring(1, 2, 3)

    ring.trim(2)
    assert (ring.front, len(ring)) == ((1, 2), 1)
    ring.trim(5)

    assert (ring.front, len(ring), ring.size_bytes) == ((1, 3), 0, 0)


def test_trimmed_gap_is_forgotten() -> None:
    ring = _ring(1)
    ring.append(gap_entry(_gap(1, 3)))

    ring.trim(2)

    assert ring.gap_at(1) is None
    assert ring.front == (1, 2)


def test_prepend_keeps_indexes() -> None:
    ring = _ring(5, 6)

    ring.prepend([*_entries(1, 2), gap_entry(_gap(2, 5))], Cursor(1, 0))

    assert ring.front == (1, 0)
    assert (ring.first_index, ring.end_index) == (-3, 2)
    assert ring.frame_at(0) == reading_entry(reading(5)).frame
    assert ring.gap_at(-1) == _gap(2, 5)
    assert [ring.arrival_at(index) for index in range(-3, 2)] == [0, 0, 0, 1, 2]


def test_history_comes_in_several_parts() -> None:
    ring = _ring(5)

    ring.prepend(_entries(3, 4), Cursor(1, 2))
    ring.prepend(_entries(1, 2), Cursor(1, 0))

    assert _held(ring) == [entry.frame for entry in _entries(1, 2, 3, 4, 5)]
    assert ring.front == (1, 0)


def test_prepend_keeps_newest_that_fit() -> None:
    ring = _ring(5, 6, capacity=4)

    ring.prepend(_entries(1, 2, 3, 4), Cursor(1, 0))

    assert _held(ring) == [entry.frame for entry in _entries(3, 4, 5, 6)]
    assert ring.front == (1, 2)


def test_history_never_begins_with_a_gap() -> None:
    ring = _ring(6, 7, capacity=4)

    ring.prepend([*_entries(1), gap_entry(_gap(1, 5)), *_entries(5)], Cursor(1, 0))

    assert _held(ring) == [entry.frame for entry in _entries(5, 6, 7)]
    assert ring.front == (1, 4)


@pytest.mark.parametrize(
    "history", [[], [gap_entry(_gap(2, 5))]], ids=["nothing", "nothing but a gap"]
)
def test_history_without_a_reading_changes_nothing(history: list[Entry]) -> None:
    ring = _ring(5)

    ring.prepend(history, Cursor(1, 2))

    assert (ring.front, len(ring)) == ((1, 4), 1)


def test_a_full_ring_takes_no_history() -> None:
    ring = _ring(5, 6, capacity=2)

    ring.prepend(_entries(3, 4), Cursor(1, 2))

    assert (ring.front, len(ring)) == ((1, 4), 2)


@pytest.mark.parametrize("lost", ["by age", "for memory"])
def test_no_prepend_after_lost_front(lost: str) -> None:
    ring = _ring(5, 6, 7, capacity=2 if lost == "by age" else 10)
    ring.trim(1)

    ring.prepend(_entries(3, 4), Cursor(1, 2))

    assert ring.front in [(1, 5), (1, 6)]
    assert ring.first_index > 0


def test_emptied_ring_uses_new_indexes() -> None:
    ring = _ring(5, 6)
    ring.append(gap_entry(_gap(6, 8)))

    ring.empty(Cursor(0, 20))
    ring.append(reading_entry(reading(21, epoch=0), 4))

    assert (ring.emptied_at, ring.first_index, ring.end_index) == (3, 3, 4)
    assert ring.cursor_before(3) == (0, 20)
    assert ring.gap_at(2) is None
    assert ring.size_bytes == len(ring.frame_at(3)) + ENTRY_OVERHEAD_BYTES


def test_index_after_cursor() -> None:
    ring = _ring(5, 6)
    ring.append(gap_entry(_gap(6, 9)))
    ring.append(reading_entry(reading(1, epoch=2)))

    cursors = [Cursor(0, 0), Cursor(1, 4), Cursor(1, 5), Cursor(1, 7), Cursor(1, 8), Cursor(2, 1)]

    assert [ring.index_after(cursor) for cursor in cursors] == [0, 0, 1, 2, 3, 4]


def test_index_arrived_after() -> None:
    ring = _ring(5, 6, 7)
    ring.prepend(_entries(4), Cursor(1, 3))
    ring.trim(2)

    assert [ring.index_arrived_after(arrival) for arrival in range(5)] == [0, 1, 2, 3, 3]
    assert ring.cursor_before(0) == (1, 4)
    ring.forget(1)
    assert [ring.index_arrived_after(arrival) for arrival in range(5)] == [1, 1, 2, 3, 3]
    assert ring.cursor_before(1) == (1, 5)


def test_find_by_cursor() -> None:
    ring = _ring(5, 6)
    ring.append(gap_entry(_gap(6, 9)))
    ring.trim(1)

    found = [ring.find(Cursor(1, seq)) for seq in range(4, 10)]

    assert found == [None, None, reading_entry(reading(6)).frame, None, None, None]


def test_the_newest_reading_is_found_behind_gaps() -> None:
    ring = _ring(5)
    ring.append(gap_entry(_gap(5, 9)))
    ring.append(gap_entry(Gap(DEVICE, Cursor(1, 8), Cursor(2, 1), GapReason.EPOCH)))

    assert ring.newest_reading() == 0
    ring.trim(1)
    assert ring.newest_reading() is None


def test_size_counts_frames_and_overhead() -> None:
    ring = _ring(5, 6)
    ring.prepend(_entries(3, 4), Cursor(1, 2))

    frames = [len(entry.frame) for entry in _entries(3, 4, 5, 6)]

    assert ring.size_bytes == sum(frames) + 4 * ENTRY_OVERHEAD_BYTES


def test_memory_in_settings_page() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/settings.md").read_text(encoding="utf-8")
    ring = Ring(1_000)
    for seq, sample in enumerate(islice(simulate("7", 0.1), 1_000), 1):
        position = ("ebike-001", WALL_MS, seq, WALL_MS + 100 * seq)
        ring.append(reading_entry(Reading(*position, sample.speed_kmh, sample.values)))
    found = re.search(r"simulated bike takes (\d+) bytes", page)
    assert found is not None
    assert ring.size_bytes / len(ring) == pytest.approx(int(found[1]), rel=0.02)
    minutes = 256 * 2**20 / (200 * 10 * 60 * int(found[1]))
    assert f"| 200 | 58 min | 12 min | {minutes:.0f} min |" in page
