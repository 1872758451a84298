"""Building a page of readings, from the journal and the ring."""

import json
from collections.abc import Iterable

import pytest

from gateway.domain import GapReason
from gateway.web.cursor_checks import held_from
from gateway.web.page import SLICE, Page
from gateway.web.page_builder import PageBuilder
from gateway.web.queries import Query
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
    """A world whose ring holds the readings 101 to 120."""
    world = World(readings=20)
    world.publish(ID, 120)
    return world


def builder_of(world: World, query: Query, reason: GapReason = GapReason.EXPIRED) -> PageBuilder:
    device = world.devices.get(ID)
    assert device is not None
    return PageBuilder.begin(device, query, reason)


def finish(builder: PageBuilder) -> Page:
    while builder.add_slice():
        pass
    return builder.page()


def seqs(page: Page) -> list[int]:
    return [json.loads(payload)["seq"] for payload in page.payloads]


def gaps(page: Page) -> list[str]:
    return [f"{gap.after} {gap.before} {gap.reason}" for gap in page.gaps]


# --- from the ring ----------------------------------------------------------------------------


def test_the_newest_end_at_the_head(world: World) -> None:
    page = finish(builder_of(world, Query(limit=3)))
    assert (seqs(page), page.gaps, page.next) == ([118, 119, 120], [], at(120))


def test_a_page_after_a_position_leads_on(world: World) -> None:
    page = finish(builder_of(world, Query(at(110), limit=4)))
    assert (seqs(page), page.next) == ([111, 112, 113, 114], at(114))


def test_page_at_or_after_head_is_empty(world: World) -> None:
    for since in (at(120), at(500)):
        page = finish(builder_of(world, Query(since)))
        assert (seqs(page), page.gaps, page.next) == ([], [], since)


def test_expired_readings_are_a_gap(world: World) -> None:
    page = finish(builder_of(world, Query(at(5), limit=1), GapReason.EVICTED))
    assert (seqs(page), gaps(page)) == ([101], [f"{EPOCH}-5 {EPOCH}-101 evicted"])


def test_loss_during_build_is_a_gap() -> None:
    world = World(readings=2 * SLICE)
    world.publish(ID, 2 * SLICE)
    builder = builder_of(world, Query(at(0), limit=5_000))
    assert builder.add_slice()
    world.publish(ID, 2 * SLICE - 10)
    page = finish(builder)
    assert gaps(page) == [f"{EPOCH}-{SLICE} {EPOCH}-{2 * SLICE - 9} expired"]
    assert seqs(page)[SLICE - 1 : SLICE + 1] == [SLICE, 2 * SLICE - 9]


def test_emptied_ring_ends_the_page(world: World) -> None:
    builder = builder_of(world, Query(at(110)))
    world.wait(20.0)
    world.seqs[ID] = 0
    world.publish(ID, 2, epoch=EPOCH - 1)
    assert seqs(finish(builder)) == []


def test_span_selects_by_time(world: World) -> None:
    world.publish(ID, 2)
    ring = world.devices.get(ID).ring  # type: ignore[union-attr]  # published above
    times = [ring.time_at(index) for index in (ring.first_index, ring.end_index - 1)]
    whole = finish(builder_of(world, Query(is_span=True, from_ms=times[0], to_ms=times[1])))
    assert seqs(whole) == list(range(103, 123))
    none = finish(builder_of(world, Query(is_span=True, to_ms=times[0] - 1)))
    assert (seqs(none), none.gaps, none.next) == ([], [], at(122))


# --- with what the device had -----------------------------------------------------------------


def test_wants_journal_only_before_ring(world: World) -> None:
    assert not builder_of(world, Query()).wants_journal
    assert not builder_of(world, Query(at(100))).wants_journal
    assert builder_of(world, Query(at(99))).wants_journal
    assert builder_of(world, Query(is_span=True)).wants_journal
    assert not builder_of(world, Query(is_span=True, from_ms=1_700_000_000_000)).wants_journal


def test_journal_joins_ring_without_gap(world: World) -> None:
    builder = builder_of(world, Query(at(97)))
    builder.add_from_journal(at(97), past([98, 99, 100]))
    builder.end_of_journal(at(100))
    page = finish(builder)
    assert (seqs(page), page.gaps) == (list(range(98, 121)), [])


def test_page_full_of_journal_readings(world: World) -> None:
    builder = builder_of(world, Query(at(10), limit=2))
    builder.add_from_journal(at(10), past([11, 12, 13]))
    assert builder.is_full
    page = finish(builder)
    assert (seqs(page), page.gaps, page.next) == ([11, 12], [], at(12))


def test_gap_reasons_inside_and_before_journal(world: World) -> None:
    builder = builder_of(world, Query(at(5, EPOCH - 1)))
    builder.add_from_journal(at(5, EPOCH - 1), [*past([30, 33], EPOCH - 1), *past([1, 90])])
    builder.end_of_journal(at(100))
    assert gaps(finish(builder)) == [
        f"{EPOCH - 1}-5 {EPOCH - 1}-30 expired",
        f"{EPOCH - 1}-30 {EPOCH - 1}-33 not_recovered",
        f"{EPOCH - 1}-33 {EPOCH}-1 epoch",
        f"{EPOCH}-1 {EPOCH}-90 not_recovered",
        f"{EPOCH}-90 {EPOCH}-101 not_recovered",
    ]


def test_0_0_without_gap_from_journal(world: World) -> None:
    builder = builder_of(world, Query(START, limit=2))
    builder.add_from_journal(START, past([1, 2]))
    assert finish(builder).gaps == []


def test_empty_journal_leaves_gap_and_ring(world: World) -> None:
    builder = builder_of(world, Query(at(5), limit=1))
    builder.add_from_journal(at(5), [])
    builder.end_of_journal(at(100))
    page = finish(builder)
    assert (seqs(page), gaps(page)) == ([101], [f"{EPOCH}-5 {EPOCH}-101 expired"])


def test_page_that_times_out_ends_early(world: World) -> None:
    builder = builder_of(world, Query(at(5)))
    builder.add_from_journal(at(5), past([6, 7]))
    builder.end_here()
    page = finish(builder)
    assert (seqs(page), page.gaps, page.next) == ([6, 7], [], at(7))


def test_span_has_only_inner_gaps(world: World) -> None:
    builder = builder_of(world, Query(is_span=True, from_ms=1_010, to_ms=1_030))
    builder.add_from_journal(at(2), past([5, 12, 20, 40]))
    page = finish(builder)
    assert (seqs(page), gaps(page)) == ([12, 20], [f"{EPOCH}-12 {EPOCH}-20 not_recovered"])
    assert page.next == at(20)


# --- what is told beside ----------------------------------------------------------------------


def test_held_from_with_and_without_replay(world: World) -> None:
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
def test_thinning_keeps_slowest_and_fastest(count: int) -> None:
    found = [json.dumps({"speed_kmh": seq % 100, "seq": seq}).encode() for seq in range(count)]
    thin = [payload for part in thin_out(found, 8) for payload in part]
    assert len(thin) == min(count, len(thin)) <= 8
    assert thin == sorted(thin, key=found.index)
    speeds = [json.loads(payload)["speed_kmh"] for payload in found]
    kept = [json.loads(payload)["speed_kmh"] for payload in thin]
    assert {min(speeds), max(speeds)} <= set(kept)
