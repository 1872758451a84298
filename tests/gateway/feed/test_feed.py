"""The rules of "Order at the gateway", sentence by sentence."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.feed.backfill import BackfillSlots
from gateway.feed.effects import Announce, Take
from gateway.feed.feed import Feed
from gateway.feed.reorder_buffer import HELD_MAX, ReorderBuffer, ReorderTotal
from shared.cursor import Cursor
from shared.reading import Reading
from shared.wire import ReplayAnswer
from tests.gateway.feeds import (
    DEVICE,
    WALL_MS,
    answer,
    at,
    be_busy,
    feed_without_replay,
    leave_unanswered,
    new_feed,
    reading,
    readings,
    reply,
    running_feed,
    said,
    status,
)

DAY_MS = 24 * 3600 * 1000


# --- first contact ----------------------------------------------------------------------------


def test_first_contact_by_reading() -> None:
    feed = new_feed()

    effects = said(feed.receive_reading(reading(500), at(0)))

    assert effects == ["start 1-499", "changed", "take 1-500", "ask 250 after 1-249"]
    assert feed.head == (1, 500)
    assert feed.online


def test_first_contact_by_status() -> None:
    feed = new_feed()

    assert said(feed.receive_status(status(500), at(0)))[:2] == ["start 1-500", "changed"]
    assert said(feed.receive_reading(reading(501), at(0))) == ["take 1-501"]


def test_nothing_before_first_contact_is_missing() -> None:
    feed = running_feed(500)

    assert said(feed.receive_reading(reading(499), at(0))) == ["seen 1-499"]
    assert not feed.is_unsettled


def test_backfill_goes_in_front() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    assert feed.is_backfilling(at(0))

    live = feed.receive_reading(reading(5), at(0.01))
    history = reply(feed, answer(readings(range(1, 6))), at(0.02))

    assert said(live) == ["take 1-5"]
    assert said(history) == ["prepend 1-0: 1-1, 1-2, 1-3"]
    assert not feed.is_backfilling(at(0.02))


def held_since_1(seqs: range, epoch: int = 1) -> ReplayAnswer:
    """Answer with a page of a journal that holds 1-1 to 1-1001."""
    return answer(readings(seqs, epoch), Cursor(1, 1001), oldest=Cursor(1, 1))


def test_long_backfill_fills_the_ring() -> None:
    feed = new_feed(capacity=400)
    first = said(feed.receive_reading(reading(1001), at(0)))

    newest = said(reply(feed, held_since_1(range(751, 1001)), at(0)))
    oldest = said(reply(feed, held_since_1(range(601, 751)), at(0)))

    assert (first[-1], newest[-1]) == ("ask 250 after 1-750", "ask 150 after 1-600")
    assert newest[0].startswith("prepend 1-750: 1-751, 1-752")
    assert newest[0].endswith("1-1000")
    assert oldest[0].startswith("prepend 1-600: 1-601")
    assert oldest[0].endswith("1-750")
    assert not feed.is_unsettled


def test_older_epochs_come_last() -> None:
    feed = new_feed()
    feed.receive_reading(reading(2, epoch=2), at(0))
    before = answer(readings([1], epoch=2), Cursor(2, 2), oldest=Cursor(1, 1))
    asked = said(reply(feed, before, at(0)))
    for first in range(1, 501, 250):
        page = answer(readings(range(first, first + 250)), Cursor(2, 2), oldest=Cursor(1, 1))
        reply(feed, page, at(0))
    last = answer([*readings(range(501, 701)), reading(1, epoch=2)], Cursor(2, 2))

    newest = said(reply(feed, last, at(0)))
    assert feed.is_unsettled
    assert feed.is_backfilling(at(0))
    oldest = said(feed.tick(at(0.025)))

    assert asked == ["prepend 2-0: 2-1", "ask 250 after None"]
    assert newest[0].startswith("prepend 1-200: 1-201")
    assert newest[0].endswith("1-700, gap 1-700 2-1 epoch")
    assert oldest[0].startswith("prepend 1-0: 1-1")
    assert oldest[0].endswith("1-200")
    assert not feed.is_unsettled


def test_wanted_backfill_goes_first() -> None:
    slots = BackfillSlots(limit=1)
    first, second = new_feed(slots=slots), new_feed(slots=slots)
    first.receive_reading(reading(1001), at(0))
    second.receive_reading(reading(1001), at(0))

    assert second.want_backfill(Cursor(1, 995), 0.0, at(0))
    assert slots.pop_waiting() == [DEVICE]
    asked = said(second.tick(at(0.025)))
    found = said(reply(second, held_since_1(range(996, 1001)), at(0.03)))

    assert asked == ["ask 5 after 1-995"]
    assert found == ["prepend 1-995: 1-996, 1-997, 1-998, 1-999, 1-1000"]
    assert slots.used == 1
    assert not second.is_unsettled
    first.forget()
    assert said(second.tick(at(0.5))) == ["ask 250 after 1-745"]


def test_wanted_backfill_of_older_epoch() -> None:
    feed = new_feed()
    feed.receive_reading(reading(2, epoch=2), at(0))
    feed.want_backfill(Cursor(1, 40), 0.0, at(0))

    page = answer(readings([1], epoch=2), Cursor(2, 2), oldest=Cursor(1, 1))
    assert said(reply(feed, page, at(0)))[-1] == "ask 250 after 1-40"


def test_backfill_page_without_valid_reading() -> None:
    feed = new_feed()
    feed.receive_reading(reading(301), at(0))
    void = answer((), Cursor(1, 301), oldest=Cursor(1, 1), reached=Cursor(1, 300))

    assert said(reply(feed, void, at(0))) == ["ask 50 after 1-0"]
    found = said(reply(feed, answer([reading(50)], Cursor(1, 301)), at(0)))
    assert found == ["prepend 1-49: 1-50, gap 1-50 1-301 not_recovered"]


def test_repair_page_without_valid_reading() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(600), at(1))
    void = answer((), Cursor(1, 600), oldest=Cursor(1, 1), reached=Cursor(1, 254))

    passed_over = said(reply(feed, void, at(1.1)))

    assert passed_over == ["gap 1-4 1-255 not_recovered", "ask 250 after 1-254"]
    found = said(reply(feed, answer(readings(range(255, 505)), Cursor(1, 600)), at(1.2)))
    assert (found[0], found[-1]) == ("take 1-255", "ask 95 after 1-504")


def test_old_epoch_page_without_valid_reading() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(1, epoch=2), at(1))
    void = answer((), Cursor(2, 1), oldest=Cursor(1, 1), reached=Cursor(1, 254))

    passed_over = said(reply(feed, void, at(1.1)))
    rest = said(reply(feed, answer([reading(255), reading(1, epoch=2)]), at(1.2)))

    assert passed_over == ["gap 1-4 1-255 not_recovered", "ask 250 after 1-254"]
    assert rest == ["take 1-255", "gap 1-255 2-1 epoch", "take 2-1"]


def test_client_wait_for_slot_is_limited() -> None:
    slots = BackfillSlots(limit=0)
    feed = new_feed(slots=slots)
    feed.receive_reading(reading(4), at(0))

    assert feed.want_backfill(Cursor(1, 1), 20.0, at(29.9))
    assert not feed.want_backfill(Cursor(1, 1), 20.0, at(30.0))
    assert not running_feed().want_backfill(Cursor(1, 1), 0.0, at(0))


def test_a_hole_is_asked_for_beside_history() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))

    hole = feed.receive_reading(reading(6), at(0.1))
    filled = feed.receive_answer("repair", answer([reading(5)], Cursor(1, 6)), at(0.2))
    history = feed.receive_answer("backfill", answer(readings([1, 2, 3]), Cursor(1, 6)), at(0.3))

    assert said(hole) == ["ask 1 after 1-4"]
    assert said(filled) == ["take 1-5", "take 1-6"]
    assert said(history) == ["prepend 1-0: 1-1, 1-2, 1-3"]


def test_backfill_beside_open_hole() -> None:
    feed = new_feed(capacity=400)
    feed.receive_reading(reading(1001), at(0))
    feed.receive_reading(reading(1003), at(0.1))

    page = said(feed.receive_answer("backfill", held_since_1(range(751, 1001)), at(0.2)))
    hole = feed.receive_answer("repair", answer([reading(1002)], Cursor(1, 1003)), at(0.3))

    assert page[0].startswith("prepend 1-750: 1-751, ")
    assert page[-1] == "ask 150 after 1-600"
    assert said(hole) == ["take 1-1002", "take 1-1003"]


def test_backfill_slots_are_limited() -> None:
    slots = BackfillSlots(limit=1)
    first, second = new_feed(slots=slots), new_feed(slots=slots)

    first.receive_reading(reading(4), at(0))
    waiting = said(second.receive_reading(reading(4), at(0)))
    assert second.is_backfilling(at(9))
    reply(first, answer(), at(3))

    assert "ask 3 after 1-0" not in waiting
    assert said(second.tick(at(3))) == ["changed", "ask 3 after 1-0"]


def test_forget_frees_shared_limits() -> None:
    slots, total = BackfillSlots(limit=1), ReorderTotal()
    feed = new_feed(buffer=ReorderBuffer(total), slots=slots)
    feed.receive_reading(reading(4), at(0))
    feed.receive_reading(reading(6), at(0))

    feed.forget()

    assert (slots.used, total.used, len(feed._order.buffer)) == (0, 0, 0)


def test_answer_after_forget() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    feed.forget()

    assert said(reply(feed, answer(readings([1, 2, 3])), at(0.1))) == []


def test_backfill_ends_without_answers() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    asked = 0
    for tenth_s in range(1, 700):
        asked += "ask 3 after 1-0" in said(feed.tick(at(tenth_s / 10)))

    assert asked == 1 + 6  # again after 0.5 s, then every 10 s
    assert not feed.is_backfilling(at(70))


def test_backfill_ends_when_always_busy() -> None:
    slots = BackfillSlots()
    feed = new_feed(slots=slots)
    feed.receive_reading(reading(4), at(0))
    for second in range(1, 62):
        assert slots.used == 1
        be_busy(feed, at(second))
        feed.tick(at(second + 0.5))

    assert slots.used == 0
    assert not feed.is_unsettled


def test_stuck_backfill_is_not_waited_for() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))

    assert feed.is_backfilling(at(3.9))
    assert not feed.is_backfilling(at(4.0))


def test_refused_backfill_is_not_waited_for() -> None:
    assert not feed_without_replay(4).is_backfilling(at(0.5))


# --- next, seen, ahead ------------------------------------------------------------------------


def test_the_next_in_order_is_taken() -> None:
    feed = running_feed(4)

    assert said(feed.receive_reading(reading(5), at(0.1))) == ["take 1-5"]


def test_a_reading_seen_twice_is_delivered_once() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(5), at(0.1))

    assert said(feed.receive_reading(reading(5), at(0.1))) == ["seen 1-5"]


def test_neighbours_that_changed_places_are_put_right() -> None:
    feed = running_feed(4)

    early = feed.receive_reading(reading(6), at(0.1))
    late = feed.receive_reading(reading(5), at(0.11))

    assert said(early) == ["ask 1 after 1-4"]
    assert said(late) == ["take 1-5", "take 1-6"]
    assert len(feed._order.buffer) == 0


def test_hole_is_asked_for() -> None:
    feed = running_feed(4)

    ahead = feed.receive_reading(reading(8), at(0.1))
    answered = reply(feed, answer(readings([5, 6, 7]), Cursor(1, 8)), at(0.2))

    assert said(ahead) == ["ask 3 after 1-4"]
    assert said(answered) == ["take 1-5", "take 1-6", "take 1-7", "take 1-8"]
    assert not feed.is_unsettled


def test_status_shows_lost_tail() -> None:
    feed = running_feed(4)

    announced = feed.receive_status(status(6), at(0.1))
    asked = feed.tick(at(0.2))
    answered = reply(feed, answer(readings([5, 6])), at(0.3))

    assert said(announced) == []
    assert said(asked) == ["ask 2 after 1-4"]
    assert said(answered) == ["take 1-5", "take 1-6"]


def test_lost_tail_asked_after_pause() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6), at(0))

    asked = feed.tick(at(6))
    answered = reply(feed, answer(readings([5, 6])), at(6.1))

    assert said(asked) == ["changed", "ask 2 after 1-4"]
    assert said(answered) == ["take 1-5", "take 1-6"]


def test_overtaken_tail_asked_after_pause() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6), at(0))

    overtaken = feed.receive_reading(reading(7), at(6))
    answered = reply(feed, answer(readings([5, 6, 7])), at(6.1))

    assert said(overtaken) == ["ask 2 after 1-4"]
    assert said(answered) == ["take 1-5", "take 1-6", "take 1-7"]


def test_lost_tail_given_up_after_question() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6), at(0))
    feed.tick(at(6))
    told = [effect for tick in range(1, 260) for effect in said(feed.tick(at(6 + tick / 40)))]

    assert "gap 1-4 1-7 not_recovered" in told


@pytest.mark.parametrize(
    ("interval_ms", "late_s"), [(100, 0.1), (1_000, 1.0), (60_000, 1.0), (0, 1.0)]
)
def test_announced_reading_late_after_interval(interval_ms: int, late_s: float) -> None:
    feed = running_feed(4)
    feed.receive_status(replace(status(5), interval_ms=interval_ms), at(1))

    assert said(feed.tick(at(1 + late_s - 0.01))) == []
    assert said(feed.tick(at(1 + late_s))) == ["ask 1 after 1-4"]


@pytest.mark.parametrize("ahead", [1, 2, 5])
@pytest.mark.parametrize("make", [running_feed, feed_without_replay])
def test_early_status_loses_no_reading(make: Callable[[], Feed], ahead: int) -> None:
    feed = make()
    for seq in range(5, 30):
        taken = feed.receive_reading(reading(seq), at(seq))
        early = feed.receive_status(replace(status(seq + ahead), interval_ms=1_000), at(seq))
        ticked = [effect for part in range(1, 40) for effect in feed.tick(at(seq + part / 40))]
        told = said([*taken, *early, *ticked])
        assert f"take 1-{seq}" in told
        assert not [effect for effect in told if effect.startswith(("gap", "seen"))]


def test_later_reading_makes_hole_late() -> None:
    feed = running_feed(4)
    feed.receive_status(replace(status(5), interval_ms=1_000), at(1))

    assert said(feed.receive_reading(reading(6), at(1.2))) == ["ask 1 after 1-4"]


def test_stopping_status_asks_at_once() -> None:
    feed = running_feed(4)

    shown = feed.receive_status(status(6, state="stopping"), at(1))

    assert said(shown) == ["changed", "ask 2 after 1-4"]


def test_announced_readings_page_by_page() -> None:
    feed = running_feed(4)
    feed.receive_status(status(600), at(1))
    feed.tick(at(1.1))

    page = reply(feed, answer(readings(range(5, 255)), Cursor(1, 600)), at(1.2))

    assert said(page)[-1] == "ask 250 after 1-254"


def test_old_epoch_does_not_delay_announced() -> None:
    feed = feed_without_replay(4)
    feed.receive_status(status(2, epoch=2), at(1))
    ended = []
    for tenth in range(1, 40):
        ended += said(feed.receive_reading(reading(4 + tenth), at(1 + tenth / 10)))
        ended += said(feed.tick(at(1 + tenth / 10)))

    assert any(effect.endswith("2-1 epoch") for effect in ended)


def test_lost_tail_gap_bounds() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6), at(0.1))
    feed.tick(at(0.2))

    assert said(reply(feed, answer(), at(0.3))) == ["gap 1-4 1-7 not_recovered"]


def test_buffer_limit_leaves_rest_to_replay() -> None:
    feed = running_feed(4)
    for seq in range(6, 6 + HELD_MAX):
        feed.receive_reading(reading(seq), at(0.1))

    assert len(feed._order.buffer) == HELD_MAX
    assert said(feed.receive_reading(reading(2000), at(0.1))) == ["count held_full"]
    assert feed.position.seq == 2000
    filled = said(feed.receive_reading(reading(5), at(0.1)))
    assert filled[0] == "take 1-5"
    assert filled[-1] == "take 1-1005"
    assert said(feed.tick(at(0.6)))[0] == "ask 250 after 1-1005"


def test_all_devices_together_hold_only_so_much() -> None:
    total = ReorderTotal(limit=1)
    one, other = (running_feed(4, buffer=ReorderBuffer(total)) for _ in range(2))
    one.receive_reading(reading(6), at(0.1))

    assert "count held_full" in said(other.receive_reading(reading(6), at(0.1)))
    assert said(other.receive_reading(reading(5), at(0.1)))[0] == "take 1-5"
    assert total.used == 1


def test_second_payload_is_conflict() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6, speed_kmh=1.0), at(0.1))

    same = feed.receive_reading(reading(6, speed_kmh=1.0), at(0.1))
    other = feed.receive_reading(reading(6, speed_kmh=2.0), at(0.1))
    recovered = [reading(5), reading(6, speed_kmh=2.0)]
    effects = reply(feed, answer(recovered), at(0.2))

    assert (said(same), said(other)) == (["count duplicate"], ["count conflict"])
    assert effects == [Take(reading(5)), Take(reading(6, speed_kmh=1.0))]


def test_repetition_with_other_arrival_time() -> None:
    feed = running_feed(4)
    feed.receive_reading(Reading(DEVICE, 1, 6, WALL_MS, 20.0), at(0.1))

    again = feed.receive_reading(Reading(DEVICE, 1, 6, WALL_MS + 5, 20.0), at(0.1))

    assert said(again) == ["count duplicate"]


# --- questions --------------------------------------------------------------------------------


def test_one_question_at_a_time() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(0.1))

    assert said(feed.receive_reading(reading(8), at(0.2))) == []
    assert said(feed.receive_status(status(20), at(0.3))) == []


def test_question_repeated_after_half_second() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(8), at(1.0))

    assert said(feed.tick(at(1.49))) == []
    assert said(feed.tick(at(1.5))) == ["ask 3 after 1-4"]
    assert said(feed.tick(at(2.0))) == ["ask 3 after 1-4"]


def test_repeated_question_stays_the_same() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6), at(0.9))
    feed.tick(at(1.0))
    feed.receive_status(status(9), at(1.2))

    assert said(feed.tick(at(1.5))) == ["ask 2 after 1-4"]
    answered = reply(feed, answer(readings([5, 6]), Cursor(1, 9)), at(1.6))
    assert said(answered) == ["take 1-5", "take 1-6", "ask 3 after 1-6"]


def test_gap_after_repair_time() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(8), at(1.0))
    for half_s in range(3, 12):
        assert "gap" not in " ".join(said(feed.tick(at(half_s / 2))))

    assert said(feed.tick(at(6.0)))[:2] == ["gap 1-4 1-8 not_recovered", "take 1-8"]


def test_known_holes_end_together() -> None:
    feed = running_feed(4)
    feed.receive_status(status(8), at(0.9))
    feed.receive_reading(reading(6), at(1.0))
    for half_s in range(3, 12):
        feed.tick(at(half_s / 2))

    given_up = said(feed.tick(at(6.0)))

    assert given_up == ["gap 1-4 1-6 not_recovered", "take 1-6", "gap 1-6 1-9 not_recovered"] + [
        effect for effect in given_up if effect.startswith("ask")
    ]


def test_later_hole_waits_anew() -> None:
    feed = feed_without_replay(4)
    feed.receive_reading(reading(6), at(1.0))
    feed.receive_reading(reading(8), at(1.04))

    assert said(feed.tick(at(1.05))) == ["gap 1-4 1-6 not_recovered", "take 1-6"]
    assert said(feed.tick(at(1.09))) == []
    assert said(feed.tick(at(1.11))) == ["gap 1-6 1-8 not_recovered", "take 1-8"]


def test_silent_replay_holds_up_50_ms() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    feed.tick(at(0.5))
    feed.tick(at(1.0))
    feed.receive_reading(reading(5), at(4.0))

    hole = feed.receive_reading(reading(7), at(4.2))
    assert said(hole) == []
    assert said(feed.tick(at(4.24))) == []
    assert said(feed.tick(at(4.25))) == ["gap 1-5 1-7 not_recovered", "take 1-7"]


def test_swapped_readings_without_replay() -> None:
    feed = feed_without_replay(4)
    feed.receive_reading(reading(6), at(1.2))

    assert said(feed.receive_reading(reading(5), at(1.23))) == ["take 1-5", "take 1-6"]


def test_open_hole_waits_for_the_first_answer() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    feed.receive_reading(reading(6), at(0.1))
    asked = [said(feed.tick(at(half_s / 2))) for half_s in range(2, 8)]

    assert all("ask 1 after 1-4" in effects for effects in asked), asked
    assert said(feed.tick(at(4.0)))[:2] == ["gap 1-4 1-6 not_recovered", "take 1-6"]


def test_hole_is_not_judged_by_an_earlier_question() -> None:
    feed = running_feed(4)
    feed.ask_newest(at(1.0))
    feed.receive_reading(reading(6), at(1.1))
    earlier = feed.receive_answer("repair", answer((), Cursor(1, 4)), at(1.2))

    asked = said(feed.tick(at(1.7)))

    assert said(earlier) == []
    assert asked == ["ask 1 after 1-4"]
    assert said(reply(feed, answer([reading(5)], Cursor(1, 6)), at(1.8))) == [
        "take 1-5",
        "take 1-6",
    ]


def test_late_first_answer_fills_the_hole() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    feed.receive_reading(reading(6), at(0.1))
    for half_s in range(1, 7):
        feed.tick(at(half_s / 2))

    filled = feed.receive_answer("repair", answer([reading(5)], Cursor(1, 6)), at(3.1))

    assert said(filled)[:2] == ["take 1-5", "take 1-6"]


def test_known_replay_gets_repair_time() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    for half_s in range(3, 10):
        feed.tick(at(half_s / 2))

    assert len(feed._order.buffer) == 1
    assert said(reply(feed, answer([reading(5)], Cursor(1, 6)), at(4.9))) == [
        "take 1-5",
        "take 1-6",
    ]


def test_failed_repair_makes_replay_silent() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    for half_s in range(3, 13):
        feed.tick(at(half_s / 2))

    feed.receive_reading(reading(8), at(7.0))
    assert said(feed.tick(at(7.05))) == ["gap 1-6 1-8 not_recovered", "take 1-8"]


def test_silent_replay_retried_every_10_s() -> None:
    feed = feed_without_replay(4)
    asked_s = []
    for half_s in range(2, 100):
        effects = feed.receive_status(status(4), at(half_s / 2))
        effects += feed.tick(at(half_s / 2))
        if any(effect.startswith("ask") for effect in said(effects)):
            asked_s.append(half_s / 2)
            leave_unanswered(feed, at(half_s / 2))

    assert asked_s == [10.5, 20.5, 30.5, 40.5]


def test_silent_replay_retried_without_backfill() -> None:
    feed = feed_without_replay(4)
    for second in range(1, 70):
        feed.receive_reading(reading(4 + second), at(second))
        if "ask" in " ".join(said(feed.tick(at(second)))):
            leave_unanswered(feed, at(second))

    assert not feed.is_backfilling(at(70))
    asked = [said(feed.tick(at(second))) for second in range(70, 82)]
    assert ["ask 1 after 1-73"] in asked


def test_answer_ends_silence() -> None:
    feed = feed_without_replay(4)
    assert said(feed.tick(at(10.5)))[-1] == "ask 3 after 1-0"
    reply(feed, answer([reading(4)]), at(10.6))

    feed.receive_reading(reading(6), at(11.0))

    assert said(feed.tick(at(11.2))) == []
    assert len(feed._order.buffer) == 1


def test_answer_after_miss_counts() -> None:
    feed = new_feed()
    feed.receive_reading(reading(4), at(0))
    feed.receive_reading(reading(6), at(0))
    reply(feed, answer([reading(5)], Cursor(1, 6)), at(0.1))
    feed.tick(at(0.6))
    feed.tick(at(1.1))

    late = reply(feed, answer(readings([1, 2, 3])), at(1.3))

    assert said(late) == ["prepend 1-0: 1-1, 1-2, 1-3"]


def test_late_page_after_new_window() -> None:
    feed = new_feed()
    feed.receive_reading(reading(400), at(0))
    reply(feed, answer(readings([150]), Cursor(1, 400)), at(0.1))
    feed.tick(at(0.6))
    feed.tick(at(1.1))

    late = reply(feed, answer(readings([151, 152]), Cursor(1, 400)), at(1.3))

    assert said(late) == ["ask 250 after 1-149"]


def test_late_page_without_slot() -> None:
    slots = BackfillSlots(limit=1)
    feed, other = new_feed(slots=slots), new_feed(slots=slots)
    feed.receive_reading(reading(400), at(0))
    feed.tick(at(0.5))
    feed.tick(at(1.0))
    other.receive_reading(reading(400), at(1.1))

    assert said(reply(feed, answer(readings([151, 152])), at(1.2))) == []
    other.forget()
    assert "ask 250 after 1-149" in said(feed.tick(at(1.3)))


def test_slow_replay_still_repairs() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    feed.tick(at(1.5))
    feed.tick(at(2.0))

    late = reply(feed, answer([reading(5)], Cursor(1, 6)), at(2.2))

    assert said(late) == ["take 1-5", "take 1-6"]


def test_offered_replay_is_asked_at_once() -> None:
    feed = feed_without_replay(4)

    assert said(feed.tick(at(1.0))) == []
    assert said(feed.replay_offered(at(1.1))) == ["ask 3 after 1-0"]


def test_pause_with_nobody_to_ask() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))

    assert said(leave_unanswered(feed, at(1.0))) == []
    assert said(feed.tick(at(1.49))) == []
    assert said(feed.tick(at(1.5))) == ["ask 1 after 1-4"]


def test_busy_replay_is_not_silent() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    for _ in range(3):
        assert said(be_busy(feed, at(1.0))) == []

    assert said(feed.tick(at(1.4))) == []
    assert said(feed.tick(at(1.5))) == ["ask 1 after 1-4"]
    assert len(feed._order.buffer) == 1


def test_gap_when_replay_stays_busy() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    effects = []
    for half_s in range(3, 13):
        be_busy(feed, at(half_s / 2 - 0.5))
        effects += said(feed.tick(at(half_s / 2)))

    assert effects[-2:] == ["gap 1-4 1-6 not_recovered", "take 1-6"]


def test_an_answer_to_no_question_is_counted() -> None:
    feed = running_feed(4)

    assert said(reply(feed, answer([reading(5)]), at(1))) == ["count unasked_answer"]
    assert said(leave_unanswered(feed, at(1))) == []


def test_hole_larger_than_ring() -> None:
    feed = running_feed(4, capacity=100)

    assert said(feed.receive_reading(reading(505), at(1))) == [
        "gap 1-4 1-405 overrun",
        "ask 100 after 1-404",
    ]


# --- answers ----------------------------------------------------------------------------------


def test_partial_answer_is_continued() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(10), at(1))

    first = reply(feed, answer(readings([5, 6]), Cursor(1, 10)), at(1.1))
    second = reply(feed, answer(readings([7, 8, 9]), Cursor(1, 10)), at(1.2))

    assert said(first) == ["take 1-5", "take 1-6", "ask 3 after 1-6"]
    assert said(second) == ["take 1-7", "take 1-8", "take 1-9", "take 1-10"]


def test_a_hole_inside_an_answer_is_final() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(10), at(1))

    effects = reply(feed, answer(readings([6, 9]), Cursor(1, 10)), at(1.1))

    assert said(effects) == [
        "gap 1-4 1-6 not_recovered",
        "take 1-6",
        "gap 1-6 1-9 not_recovered",
        "take 1-9",
        "take 1-10",
    ]


def test_answer_to_newest_is_final() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(10), at(1))

    effects = reply(feed, answer(readings([5]), Cursor(1, 5)), at(1.1))

    assert said(effects) == ["take 1-5", "gap 1-5 1-10 not_recovered", "take 1-10"]


def test_published_after_the_question() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    feed.receive_reading(reading(9), at(1.05))

    effects = reply(feed, answer([reading(5), reading(6)]), at(1.1))

    assert said(effects) == ["take 1-5", "take 1-6", "ask 2 after 1-6"]


def test_overtaken_answer_spares_next_hole() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1.0))
    for seq in (5, 7, 9):
        feed.receive_reading(reading(seq), at(1.05))

    effects = reply(feed, answer([reading(5)], Cursor(1, 6)), at(1.1))

    assert said(effects) == ["ask 1 after 1-7"]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([], id="nothing at all"),
        pytest.param(readings([2, 3, 4]), id="nothing new"),
        pytest.param(readings([3_000_000]), id="a number far ahead"),
        pytest.param(readings([5], epoch=WALL_MS + 2 * DAY_MS), id="an epoch of the future"),
    ],
)
def test_answer_without_progress(found: list[Reading]) -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1))

    effects = reply(feed, answer(found, Cursor(9, 9)), at(1.1))

    assert said(effects) == ["gap 1-4 1-6 not_recovered", "take 1-6"]


def test_invented_newest_is_ignored() -> None:
    feed = running_feed(4)
    feed.ask_newest(at(1))

    assert said(reply(feed, answer([], Cursor(1, 2**53 - 1)), at(1.1))) == []
    assert feed.position == (1, 4)


def test_newest_finds_lost_tail() -> None:
    feed = running_feed(4)

    asked = feed.ask_newest(at(1))
    told = reply(feed, answer([reading(5)], Cursor(1, 7)), at(1.1))

    assert said(asked) == ["ask 1 after 1-4"]
    assert said(told) == ["take 1-5", "ask 2 after 1-5"]
    assert (feed.newest, feed.newest_s) == ((1, 7), 1.0)


def test_newest_waits_for_open_repair() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(0.5))

    assert said(feed.ask_newest(at(0.6))) == []
    assert said(reply(feed, answer([reading(5)], Cursor(1, 6)), at(0.7))) == [
        "take 1-5",
        "take 1-6",
    ]
    assert (feed.newest, feed.newest_s) == ((1, 6), 0.5)


def test_before_first_contact_nothing_is_asked() -> None:
    feed = new_feed()

    assert said(feed.ask_newest(at(0))) == []
    assert said(feed.tick(at(1))) == []
    assert feed.position == (0, 0)


# --- numbers refused for their values ---------------------------------------------------------


def test_void_number_is_gap_at_once() -> None:
    feed = running_feed(4)

    refused = feed.receive_invalid(Cursor(1, 5), at(1))
    following = feed.receive_reading(reading(6), at(1.1))

    assert said(refused) == []
    assert said(following) == ["gap 1-4 1-6 invalid", "take 1-6"]


def test_valid_reading_with_void_number() -> None:
    feed = running_feed(4)
    feed.receive_invalid(Cursor(1, 5), at(1))

    assert said(feed.receive_reading(reading(5), at(1.1))) == ["take 1-5"]
    assert said(feed.receive_reading(reading(6), at(1.2))) == ["take 1-6"]


def test_taken_void_number_is_forgotten() -> None:
    feed = running_feed(4)
    feed.receive_invalid(Cursor(1, 6), at(1))
    for seq in (5, 6, 9):
        feed.receive_reading(reading(seq), at(1.1))

    assert said(reply(feed, answer(), at(1.2))) == ["gap 1-6 1-9 not_recovered", "take 1-9"]


def test_void_numbers_are_one_gap() -> None:
    feed = running_feed(4)
    for seq in (5, 6, 7):
        feed.receive_invalid(Cursor(1, seq), at(1))

    assert said(feed.receive_reading(reading(8), at(1.1))) == ["gap 1-4 1-8 invalid", "take 1-8"]


def test_void_tail_is_not_asked_for() -> None:
    feed = running_feed(4)
    feed.receive_invalid(Cursor(1, 5), at(1))
    feed.receive_invalid(Cursor(1, 6), at(1))

    assert said(feed.receive_status(status(6), at(1.1))) == []
    assert not feed.is_unsettled
    assert feed.head == (1, 4)


def test_late_void_number_closes_hole() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(1))

    assert said(feed.receive_invalid(Cursor(1, 5), at(1.1))) == ["gap 1-4 1-6 invalid", "take 1-6"]


def test_void_among_lost_numbers() -> None:
    feed = running_feed(4)
    feed.receive_invalid(Cursor(1, 6), at(1))
    feed.receive_invalid(Cursor(1, 7), at(1))
    asked = feed.receive_reading(reading(9), at(1.1))

    effects = reply(feed, answer([reading(9)]), at(1.2))

    assert said(asked) == ["ask 4 after 1-4"]
    assert said(effects) == [
        "gap 1-4 1-6 not_recovered",
        "gap 1-5 1-8 invalid",
        "gap 1-7 1-9 not_recovered",
        "take 1-9",
    ]


def test_only_next_thousand_void_numbers() -> None:
    feed = running_feed(4)
    feed.receive_invalid(Cursor(1, 1005), at(1))
    feed.receive_invalid(Cursor(1, 4), at(1))

    assert "invalid" not in " ".join(said(feed.receive_reading(reading(1006), at(1))))
    assert said(reply(feed, answer(), at(1))) == [
        "gap 1-4 1-1006 not_recovered",
        "take 1-1006",
    ]


def test_void_number_starts_new_epoch() -> None:
    feed = running_feed(4)
    feed.receive_status(status(4, state="stopping"), at(1))
    feed.receive_invalid(Cursor(2, 1), at(1))

    assert said(feed.receive_reading(reading(2, epoch=2), at(1))) == [
        "changed",
        "gap 2-0 2-2 invalid",
        "take 2-2",
    ]


def test_void_number_ignored() -> None:
    feed, future = new_feed(), Cursor(WALL_MS + 2 * DAY_MS, 1)

    assert said(feed.receive_invalid(Cursor(1, 5), at(0))) == []
    feed.receive_reading(reading(6), at(0))
    assert said(feed.receive_invalid(future, at(0))) == []
    assert feed.head == (1, 6)


# --- epochs -----------------------------------------------------------------------------------


def test_new_epoch_asks_for_old_tail() -> None:
    feed = running_feed(4)

    asked = feed.receive_reading(reading(1, epoch=2), at(1))
    answered = reply(feed, answer([*readings([5, 6]), reading(1, epoch=2)]), at(1.1))

    assert said(asked) == ["changed", "ask 250 after 1-4"]
    assert said(answered) == ["take 1-5", "take 1-6", "gap 1-6 2-1 epoch", "take 2-1"]


def test_the_gap_between_epochs_has_no_count() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(1, epoch=2), at(1))

    effects = reply(feed, answer(), at(1.1))

    gaps = [effect.gap.body() for effect in effects if isinstance(effect, Announce)]
    assert gaps[0] == {
        "device_id": DEVICE,
        "after": "1-4",
        "before": "2-1",
        "lost": None,
        "reason": "epoch",
    }


def test_an_epoch_starts_at_one() -> None:
    feed = running_feed(4)
    feed.receive_status(status(4, state="stopping"), at(1))

    effects = feed.receive_reading(reading(3, epoch=2), at(1))
    answered = reply(feed, answer(readings([1, 2, 3], epoch=2)), at(1.1))

    assert said(effects) == ["changed", "ask 2 after 2-0"]
    assert said(answered) == ["take 2-1", "take 2-2", "take 2-3"]


def test_no_gap_after_clean_stop() -> None:
    feed = running_feed(4)
    feed.receive_status(status(4, state="stopping"), at(1))

    assert said(feed.receive_reading(reading(1, epoch=2), at(2))) == ["changed", "take 2-1"]


def test_no_gap_after_recovered_stop() -> None:
    feed = running_feed(4)
    feed.receive_status(status(5, state="stopping"), at(1))
    feed.receive_reading(reading(1, epoch=2), at(1.1))

    effects = reply(feed, answer([reading(5)]), at(1.2))

    assert said(effects) == ["take 1-5", "take 2-1"]


def test_two_gaps_after_lost_stop() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6, state="stopping"), at(1))
    feed.receive_reading(reading(1, epoch=2), at(1.1))

    lost = reply(feed, answer(), at(1.2))
    changed = reply(feed, answer(), at(1.3))

    assert said(lost) == ["gap 1-4 1-7 not_recovered", "ask 250 after 1-6"]
    assert said(changed) == ["gap 1-6 2-1 epoch", "take 2-1"]


def test_two_gaps_after_early_loss() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6, state="stopping"), at(1))
    lost = reply(feed, answer(), at(1.1))
    feed.receive_reading(reading(1, epoch=2), at(2))

    changed = reply(feed, answer(), at(2.1))

    assert said(lost) == ["gap 1-4 1-7 not_recovered"]
    assert said(changed) == ["gap 1-6 2-1 epoch", "take 2-1"]


def test_epoch_continues_after_stop() -> None:
    feed = running_feed(4)
    feed.receive_status(status(4, state="stopping"), at(1))
    feed.receive_status(status(4), at(2))

    effects = feed.receive_reading(reading(1, epoch=2), at(3))

    assert said(effects) == ["changed", "ask 250 after 1-4"]


def test_readings_after_stop() -> None:
    feed = running_feed(4)
    feed.receive_status(status(4, state="stopping"), at(1))
    feed.receive_reading(reading(5), at(2))

    assert said(feed.receive_reading(reading(1, epoch=2), at(3)))[-1] == "ask 250 after 1-5"


def test_old_tail_gap_before_epoch_gap() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6), at(1))
    feed.receive_reading(reading(1, epoch=2), at(1.1))
    reply(feed, answer([reading(5)], Cursor(2, 1)), at(1.2))

    effects = reply(feed, answer([reading(1, epoch=2)]), at(1.3))

    assert said(effects) == ["gap 1-5 1-7 not_recovered", "gap 1-6 2-1 epoch", "take 2-1"]


def test_void_tail_of_old_epoch() -> None:
    feed = running_feed(4)
    feed.receive_invalid(Cursor(1, 5), at(1))
    feed.receive_status(status(5), at(1))

    effects = feed.receive_reading(reading(1, epoch=2), at(1.1))

    assert said(effects) == ["changed", "gap 1-4 1-6 invalid", "ask 250 after 1-5"]


def test_several_epochs_in_order() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(1, epoch=2), at(1))
    feed.receive_reading(reading(1, epoch=3), at(1))

    effects = reply(feed, answer([*readings([1, 2], epoch=2), reading(1, epoch=3)]), at(1.1))

    assert said(effects) == [
        "gap 1-4 2-1 epoch",
        "take 2-1",
        "take 2-2",
        "gap 2-2 3-1 epoch",
        "take 3-1",
    ]


def test_late_readings_of_old_epoch() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(1, epoch=2), at(1))

    assert said(feed.receive_reading(reading(5), at(1.05))) == ["take 1-5"]
    assert feed.position == (2, 1)


def test_old_epoch_without_replay() -> None:
    feed = feed_without_replay(4)
    feed.receive_reading(reading(1, epoch=2), at(1))

    assert said(feed.tick(at(1.05))) == ["gap 1-4 2-1 epoch", "take 2-1"]


def test_too_many_epochs_one_gap() -> None:
    feed = running_feed(4)
    for epoch in range(2, 12):
        feed.receive_reading(reading(1, epoch), at(1))

    assert said(feed.receive_reading(reading(2, epoch=2), at(1))) == ["count crowded_out"]
    assert said(reply(feed, answer(), at(1.1))) == ["ask 250 after 1-4"]
    effects = said(reply(feed, answer(), at(1.2)))
    assert effects[:2] == ["gap 1-4 4-1 epoch", "take 4-1"]
    assert effects[-1] == "take 11-1"
    assert len(feed._order.buffer) == 0


def test_unknown_epoch_asked_with_pauses() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(2, epoch=3), at(1))
    lives_in_epoch_2 = answer([], Cursor(2, 9), oldest=Cursor(2, 1))

    assert said(reply(feed, lives_in_epoch_2, at(1.1)))[-1] == "ask 1 after 3-0"
    assert said(reply(feed, lives_in_epoch_2, at(1.2))) == []
    assert said(feed.tick(at(1.5))) == []
    assert said(feed.tick(at(1.6))) == ["ask 1 after 3-0"]


@pytest.mark.parametrize("how", ["offered", "adopted"])
def test_new_replay_asked_at_once(how: str) -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(2, epoch=3), at(1))
    lives_in_epoch_2 = answer([], Cursor(2, 9), oldest=Cursor(2, 1))
    reply(feed, lives_in_epoch_2, at(1.1))
    assert said(reply(feed, lives_in_epoch_2, at(1.2))) == []
    assert how == "adopted" or said(feed.replay_offered(at(1.25))) == ["ask 1 after 3-0"]
    if how == "adopted":  # another life of the same numbers
        feed._questions.abandon()
        assert said(feed.tick(at(1.25))) == ["ask 1 after 3-0"]


def test_replay_with_many_epochs() -> None:
    feed = running_feed(4)
    for epoch in range(22, 32):
        feed.receive_reading(reading(1, epoch), at(1))

    effects = reply(
        feed, answer([reading(1, epoch) for epoch in range(2, 22)], Cursor(31, 1)), at(1.1)
    )

    assert said(effects)[:3] == ["gap 1-4 2-1 epoch", "take 2-1", "gap 2-1 3-1 epoch"]
    assert said(effects)[-2:] == ["take 21-1", "ask 250 after 21-1"]


# --- what is not believed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strange", "reason"),
    [
        pytest.param(reading(9, epoch=0), "old_epoch", id="an older epoch"),
        pytest.param(reading(1_000_005), "far_seq", id="too far ahead"),
        pytest.param(reading(1_000_001, epoch=2), "far_seq", id="too far into a new epoch"),
        pytest.param(reading(1, WALL_MS + DAY_MS + 2000), "future_epoch", id="tomorrow"),
    ],
)
def test_strange_position_is_refused(strange: Reading, reason: str) -> None:
    feed = running_feed(4)

    first = feed.receive_reading(strange, at(1))
    second = feed.receive_reading(strange, at(1))
    by_status = feed.receive_status(status(strange.seq, strange.epoch), at(1))

    assert said(first) == [f"count {reason}", "changed"]
    assert said(second) == said(by_status) == [f"count {reason}"]
    assert feed.refused == reason
    assert feed.head == (1, 4)


@pytest.mark.parametrize(
    "usual", [reading(1_000_004), reading(1_000_000, epoch=2), reading(1, WALL_MS + DAY_MS)]
)
def test_position_within_limits(usual: Reading) -> None:
    feed = running_feed(4)

    feed.receive_reading(usual, at(0))

    assert feed.refused is None
    assert feed.position == usual.cursor


def test_refusal_shown_for_ten_seconds() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(9, epoch=0), at(1))
    feed.receive_reading(reading(9, epoch=0), at(2))
    feed.receive_status(status(4), at(11))

    assert said(feed.tick(at(11.9))) == []
    assert said(feed.tick(at(12))) == ["changed"]
    assert feed.refused is None


def test_a_message_refused_elsewhere_is_shown_too() -> None:
    feed = running_feed(4)

    effects = feed.refuse("unsupported_version", at(1))

    assert said(effects) == ["count unsupported_version", "changed"]
    assert feed.refused == "unsupported_version"


def test_older_epoch_adopted_after_silence() -> None:
    feed = running_feed(4)
    feed.tick(at(3))
    for second in range(1, 10):
        feed.receive_reading(reading(20 + second, epoch=0), at(second))

    effects = feed.receive_reading(reading(30, epoch=0), at(10))

    assert said(effects) == ["empty 0-29", "gap 1-4 0-30 epoch_back", "changed", "take 0-30"]
    assert (feed.refused, feed.online, feed.position) == (None, True, (0, 30))


def test_older_epoch_adopted_by_status() -> None:
    feed = running_feed(4)

    effects = feed.receive_status(status(30, epoch=0), at(10))

    assert said(effects)[:2] == ["empty 0-30", "gap 1-4 0-31 epoch_back"]
    assert said(feed.receive_reading(reading(31, epoch=0), at(11))) == ["take 0-31"]


def test_far_number_adopted_after_silence() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(6), at(0))

    effects = feed.receive_reading(reading(5_000_000), at(10))

    assert said(effects)[:2] == ["empty 1-4999999", "gap 1-4 1-5000000 epoch_back"]
    assert said(effects)[-1] == "take 1-5000000"
    assert len(feed._order.buffer) == 0
    assert not feed.is_unsettled


def test_future_epoch_never_adopted() -> None:
    feed = running_feed(4)

    effects = feed.receive_reading(reading(1, WALL_MS + 2 * DAY_MS), at(100))

    assert said(effects) == ["count future_epoch", "changed"]


def test_future_epoch_no_first_contact() -> None:
    feed = new_feed()

    effects = feed.receive_status(status(1, WALL_MS + 2 * DAY_MS), at(0))

    assert said(effects) == ["count future_epoch", "changed"]
    assert feed.head is None


def test_known_position_after_silence() -> None:
    feed = running_feed(4)

    assert said(feed.receive_reading(reading(5), at(1000))) == ["take 1-5"]


def test_of_two_publishers_the_greater_epoch_wins() -> None:
    feed = running_feed(4)
    feed.receive_status(status(4, state="stopping"), at(0))
    taken = []
    for tenth_s in range(1, 200):
        feed.receive_reading(reading(4 + tenth_s), at(tenth_s / 10))
        taken += said(feed.receive_reading(reading(tenth_s, epoch=2), at(tenth_s / 10)))

    assert taken[-1] == "take 2-199"
    assert feed.refused == "old_epoch"


def test_old_epoch_does_not_keep_online() -> None:
    feed = running_feed(4)
    feed.receive_status(status(0, epoch=2), at(1))
    for half_s in range(3, 8):
        feed.receive_reading(reading(2 + half_s), at(half_s / 2))

    assert feed.position.epoch == 2
    feed.tick(at(4))
    assert not feed.online


# --- online -----------------------------------------------------------------------------------


def test_offline_after_three_seconds() -> None:
    feed = running_feed(4)
    feed.receive_reading(reading(5), at(1))

    assert said(feed.tick(at(3.9))) == []
    assert said(feed.tick(at(4.0))) == ["changed"]
    assert not feed.online


@pytest.mark.parametrize("back", ["reading", "status"])
def test_online_with_next_message(back: str) -> None:
    feed = running_feed(4)
    feed.tick(at(3))

    if back == "reading":
        assert said(feed.receive_reading(reading(5), at(5))) == ["changed", "take 1-5"]
    else:
        assert said(feed.receive_status(status(4), at(5))) == ["changed"]
    assert feed.online


def test_stopping_status_ends_online() -> None:
    feed = running_feed(4)

    assert said(feed.receive_status(status(4, state="stopping"), at(1))) == ["changed"]
    assert not feed.online
    assert said(feed.receive_reading(reading(5), at(1.1))) == ["changed", "take 1-5"]
    assert feed.online


def test_late_message_after_stop() -> None:
    feed = running_feed(4)
    feed.receive_status(status(6, state="stopping"), at(1))

    feed.receive_reading(reading(5), at(1.1))
    feed.receive_status(status(5), at(1.1))

    assert not feed.online


def test_model_changes() -> None:
    feed = running_feed(4)

    assert said(feed.receive_status(status(4, model="Cargo 3"), at(1))) == ["changed"]
    assert said(feed.receive_status(status(4), at(2))) == []
    assert feed.model == "Cargo 3"


def test_interval_is_told_when_it_changes() -> None:
    feed = running_feed(4)
    slower = replace(status(4), interval_ms=10_000)

    assert said(feed.receive_status(slower, at(1))) == ["changed"]
    assert said(feed.receive_status(slower, at(2))) == []
    assert feed.interval_ms == 10_000


def test_arrival_time_without_clock() -> None:
    feed = running_feed(4)

    feed.receive_reading(Reading(DEVICE, 1, 5, 0, 20.0), at(1))

    assert feed.ts_ms == WALL_MS + 1000


# --- what needs to be ticked ------------------------------------------------------------------


def test_unsettled_while_open() -> None:
    feed = running_feed(4)
    unsettled = [feed.is_unsettled]

    feed.receive_reading(reading(6), at(0))
    unsettled.append(feed.is_unsettled)
    leave_unanswered(feed, at(0))
    unsettled.append(feed.is_unsettled)
    feed.receive_reading(reading(5), at(0.1))

    assert [*unsettled, feed.is_unsettled] == [False, True, True, False]


def test_settled_with_silent_replay() -> None:
    feed = feed_without_replay(4)

    assert not feed.is_unsettled
