"""A page of readings while it is put together, from what the device had and what the ring holds."""

import json
from collections.abc import Iterable

import pytest

from gateway.domain import GapReason
from gateway.web.positions import held_from
from gateway.web.queries import Query
from gateway.web.readings import SLICE, Draft, Page
from gateway.web.thinning import thin_out
from shared.cursor import START, Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer
from tests.gateway.browsers import EPOCH, World

ID = "a"


def at(seq: int, epoch: int = EPOCH) -> Cursor:
    return Cursor(epoch, seq)


def past(seqs: Iterable[int], epoch: int = EPOCH) -> list[Reading]:
    return [Reading(ID, epoch, seq, 1_000 + seq, 20.0) for seq in seqs]


@pytest.fixture
def world() -> World:
    """Give a world in whose ring 101 to 120 are held."""
    world = World(readings=20)
    world.publish(ID, 120)
    return world


def draft_of(world: World, query: Query, reason: GapReason = GapReason.EXPIRED) -> Draft:
    device = world.devices.get(ID)
    assert device is not None
    return Draft.begin(device, query, reason)


def finish(draft: Draft) -> Page:
    while draft.add_slice():
        pass
    return draft.page()


def seqs(page: Page) -> list[int]:
    return [json.loads(payload)["seq"] for payload in page.payloads]


def gaps(page: Page) -> list[str]:
    return [f"{gap.after} {gap.before} {gap.reason}" for gap in page.gaps]


# --- from the ring ----------------------------------------------------------------------------


def test_the_newest_end_at_the_head(world: World) -> None:
    page = finish(draft_of(world, Query(limit=3)))
    assert (seqs(page), page.gaps, page.next) == ([118, 119, 120], [], at(120))


def test_a_page_after_a_position_leads_on(world: World) -> None:
    page = finish(draft_of(world, Query(at(110), limit=4)))
    assert (seqs(page), page.next) == ([111, 112, 113, 114], at(114))


def test_at_the_head_or_ahead_of_it_a_page_is_empty_and_leads_nowhere(world: World) -> None:
    for since in (at(120), at(500)):
        page = finish(draft_of(world, Query(since)))
        assert (seqs(page), page.gaps, page.next) == ([], [], since)


def test_what_is_not_held_any_more_is_a_gap_with_the_reason_given(world: World) -> None:
    page = finish(draft_of(world, Query(at(5), limit=1), GapReason.EVICTED))
    assert (seqs(page), gaps(page)) == ([101], [f"{EPOCH}-5 {EPOCH}-101 evicted"])


def test_what_the_ring_loses_meanwhile_is_a_gap() -> None:
    world = World(readings=2 * SLICE)
    world.publish(ID, 2 * SLICE)
    draft = draft_of(world, Query(at(0), limit=5_000))
    assert draft.add_slice()
    world.publish(ID, 2 * SLICE - 10)
    page = finish(draft)
    assert gaps(page) == [f"{EPOCH}-{SLICE} {EPOCH}-{2 * SLICE - 9} expired"]
    assert seqs(page)[SLICE - 1 : SLICE + 1] == [SLICE, 2 * SLICE - 9]


def test_a_ring_that_is_emptied_meanwhile_ends_the_page(world: World) -> None:
    draft = draft_of(world, Query(at(110)))
    world.wait(20.0)
    world.seqs[ID] = 0
    world.publish(ID, 2, epoch=EPOCH - 1)
    assert seqs(finish(draft)) == []


def test_a_span_holds_what_was_measured_in_it(world: World) -> None:
    world.publish(ID, 2)
    ring = world.devices.get(ID).ring  # type: ignore[union-attr]  # published above
    times = [ring.time_at(index) for index in (ring.first, ring.end - 1)]
    whole = finish(draft_of(world, Query(is_span=True, from_ms=times[0], to_ms=times[1])))
    assert seqs(whole) == list(range(103, 123))
    none = finish(draft_of(world, Query(is_span=True, to_ms=times[0] - 1)))
    assert (seqs(none), none.gaps, none.next) == ([], [], at(122))


# --- with what the device had -----------------------------------------------------------------


def test_only_what_begins_before_the_ring_wants_the_past(world: World) -> None:
    assert not draft_of(world, Query()).wants_past
    assert not draft_of(world, Query(at(100))).wants_past
    assert draft_of(world, Query(at(99))).wants_past
    assert draft_of(world, Query(is_span=True)).wants_past
    assert not draft_of(world, Query(is_span=True, from_ms=1_700_000_000_000)).wants_past


def test_the_past_joins_the_ring_without_a_seam(world: World) -> None:
    draft = draft_of(world, Query(at(97)))
    draft.add_past(at(97), past([98, 99, 100]))
    draft.end_past(at(100))
    page = finish(draft)
    assert (seqs(page), page.gaps) == (list(range(98, 121)), [])


def test_a_page_that_is_full_of_the_past_ends_there(world: World) -> None:
    draft = draft_of(world, Query(at(10), limit=2))
    draft.add_past(at(10), past([11, 12, 13]))
    assert draft.is_full
    page = finish(draft)
    assert (seqs(page), page.gaps, page.next) == ([11, 12], [], at(12))


def test_what_the_journal_lost_and_what_it_never_had_are_told_apart(world: World) -> None:
    draft = draft_of(world, Query(at(5, EPOCH - 1)))
    draft.add_past(at(5, EPOCH - 1), [*past([30, 33], EPOCH - 1), *past([1, 90])])
    draft.end_past(at(100))
    assert gaps(finish(draft)) == [
        f"{EPOCH - 1}-5 {EPOCH - 1}-30 expired",
        f"{EPOCH - 1}-30 {EPOCH - 1}-33 not_recovered",
        f"{EPOCH - 1}-33 {EPOCH}-1 epoch",
        f"{EPOCH}-1 {EPOCH}-90 not_recovered",
        f"{EPOCH}-90 {EPOCH}-101 not_recovered",
    ]


def test_0_0_is_no_gap_when_the_device_has_its_first_reading(world: World) -> None:
    draft = draft_of(world, Query(START, limit=2))
    draft.add_past(START, past([1, 2]))
    assert finish(draft).gaps == []


def test_a_device_that_has_nothing_leaves_the_ring_and_a_gap(world: World) -> None:
    draft = draft_of(world, Query(at(5), limit=1))
    draft.add_past(at(5), [])
    draft.end_past(at(100))
    page = finish(draft)
    assert (seqs(page), gaps(page)) == ([101], [f"{EPOCH}-5 {EPOCH}-101 expired"])


def test_a_page_whose_time_is_over_ends_early_and_leads_on(world: World) -> None:
    draft = draft_of(world, Query(at(5)))
    draft.add_past(at(5), past([6, 7]))
    draft.end_here()
    page = finish(draft)
    assert (seqs(page), page.gaps, page.next) == ([6, 7], [], at(7))


def test_of_a_span_only_gaps_between_its_readings_are_told(world: World) -> None:
    draft = draft_of(world, Query(is_span=True, from_ms=1_010, to_ms=1_030))
    draft.add_past(at(2), past([5, 12, 20, 40]))
    page = finish(draft)
    assert (seqs(page), gaps(page)) == ([12, 20], [f"{EPOCH}-12 {EPOCH}-20 not_recovered"])
    assert page.next == at(20)


# --- what is told beside ----------------------------------------------------------------------


def test_held_from_counts_the_journal_as_long_as_the_device_answers(world: World) -> None:
    device = world.devices.get(ID)
    assert device is not None
    assert held_from(device) == at(100)
    device.feed.replay_offered(world.now)
    world.devices.ask_newest(ID, world.now)
    world.devices.answer("repair", ReplayAnswer("q", ID, at(31), at(120), (), 0, None), world.now)
    assert held_from(device) == at(30)
    world.say_status(ID, "stopping")
    assert held_from(device) == at(100)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 600])
def test_thinning_keeps_the_slowest_and_the_fastest_of_each_part(count: int) -> None:
    found = [json.dumps({"speed_kmh": seq % 100, "seq": seq}).encode() for seq in range(count)]
    thin = [payload for part in thin_out(found, 8) for payload in part]
    assert len(thin) == min(count, len(thin)) <= 8
    assert thin == sorted(thin, key=found.index)
    speeds = [json.loads(payload)["speed_kmh"] for payload in found]
    kept = [json.loads(payload)["speed_kmh"] for payload in thin]
    assert {min(speeds), max(speeds)} <= set(kept)
