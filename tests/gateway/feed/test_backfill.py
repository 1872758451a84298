"""Backfill: fetched window by window, the newest first, and given in stretches that join."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.feed.backfill import STRETCH_MAX, WANTED_SLOTS_MAX, Backfill, BackfillSlots, Stretch
from shared.cursor import Cursor
from shared.wire import ReplayAnswer
from tests.gateway.feeds import DEVICE, answer, reading, readings, say_item


def _backfill(bound: Cursor, capacity: int = 6000, slots: BackfillSlots | None = None) -> Backfill:
    history = Backfill.before(DEVICE, bound, capacity, slots or BackfillSlots(), 0.0)
    history.take_slot(0.0)
    return history


def _page(seqs: Iterable[int], newest: Cursor, epoch: int = 1) -> ReplayAnswer:
    """Make a page of a journal that goes back to 0-1."""
    return answer(readings(seqs, epoch), newest, oldest=Cursor(0, 1))


def _said(stretch: Stretch) -> tuple[str, list[str]]:
    return str(stretch.front), [say_item(item) for item in stretch.items]


# --- windows ----------------------------------------------------------------------------------


def test_the_newest_page_is_asked_for_first() -> None:
    history = _backfill(Cursor(1, 1000))
    assert (history.after, history.limit) == ((1, 750), 250)


def test_backfill_limited_to_ring() -> None:
    history = _backfill(Cursor(1, 1000), capacity=100)
    assert (history.after, history.limit) == ((1, 900), 100)

    history.add(_page(range(901, 1001), Cursor(1, 1000)), 0.1)

    assert history.is_last


def test_windows_join() -> None:
    history = _backfill(Cursor(1, 600))
    asked = []
    for first in (351, 101, 1):
        asked.append((history.after, history.limit))
        history.add(_page(range(first, first + history.limit), Cursor(1, 600)), 0.1)
        history.pop_stretch()
        history.go_on()

    assert asked == [((1, 350), 250), ((1, 100), 250), ((1, 0), 100)]
    assert (history.after, history.limit) == (None, 250)


def test_window_whole_after_last_page() -> None:
    history = _backfill(Cursor(1, 1000))

    history.add(_page(range(751, 900), Cursor(1, 1000)), 0.1)
    assert (history.is_whole, history.after, history.limit) == (False, (1, 899), 101)
    history.add(_page(range(900, 1003), Cursor(1, 1002)), 0.2)

    assert history.is_whole
    assert history.pop_stretch().items[-1] == reading(1000)


def test_window_with_oldest_is_last() -> None:
    history = _backfill(Cursor(1, 1000))

    history.add(answer(readings(range(800, 1001)), oldest=Cursor(1, 800)), 0.1)

    assert history.is_last
    assert history.pop_stretch().front == (1, 799)


def test_empty_window() -> None:
    history = _backfill(Cursor(1, 1000))

    history.add(_page([1001], Cursor(1, 1001)), 0.1)
    assert history.pop_stretch().items == ()
    history.go_on()
    history.add(_page([700, 1001], Cursor(1, 1001)), 0.2)

    expected = ["1-700", "gap 1-700 1-1001 not_recovered"]
    assert _said(history.pop_stretch()) == ("1-699", expected)


def test_older_epochs_are_one_window() -> None:
    history = _backfill(Cursor(2, 2), capacity=3)
    history.add(_page([1, 2], Cursor(2, 5), epoch=2), 0.1)
    history.pop_stretch()
    history.go_on()

    history.add(_page(range(1, 100), Cursor(2, 5)), 0.2)
    assert not history.is_whole
    history.add(_page([1, 2, 3], Cursor(2, 5), epoch=2), 0.3)

    assert history.is_last
    assert _said(history.pop_stretch()) == ("1-98", ["1-99", "gap 1-99 2-1 epoch"])


def test_holes_within_become_gaps() -> None:
    history = _backfill(Cursor(3, 0))
    found = [*readings([2, 5]), *readings([3], epoch=2), *readings([1, 2], epoch=3)]

    history.add(answer(found), 0.1)

    assert _said(history.pop_stretch()) == (
        "1-1",
        [
            "1-2",
            "gap 1-2 1-5 not_recovered",
            "1-5",
            "gap 1-5 2-1 epoch",
            "gap 2-0 2-3 not_recovered",
            "2-3",
            "gap 2-3 3-1 epoch",
        ],
    )


def test_no_stretch_of_empty_window() -> None:
    history = _backfill(Cursor(1, 4))

    history.add(answer(), 0.1)

    assert (history.is_whole, history.is_last) == (True, True)
    assert history.pop_stretch() == (Cursor(1, 4), ())


def test_what_came_live_since_is_no_history() -> None:
    history = _backfill(Cursor(1, 4))

    history.add(answer(readings([4, 5, 6])), 0.1)

    assert _said(history.pop_stretch()) == ("1-3", ["1-4"])


def test_stretches_join() -> None:
    history = _backfill(Cursor(2, 0))
    odd = [reading(seq) for seq in range(1, 2 * STRETCH_MAX + 1, 2)]
    history.add(answer([*odd, *readings([2 * STRETCH_MAX]), reading(1, epoch=2)]), 0.1)

    newest, oldest = history.pop_stretch(), history.pop_stretch()

    assert say_item(newest.items[0]) == "1-3"
    assert newest.front == (1, 2)
    assert _said(oldest) == ("1-0", ["1-1", "gap 1-1 1-3 not_recovered"])
    assert not history.readings


def test_answer_without_ends_is_last() -> None:
    page = _page([751, 1000], Cursor(1, 1000))
    for unsaid in (replace(page, oldest=None), replace(page, newest=None)):
        history = _backfill(Cursor(1, 1000))
        history.add(unsaid, 0.1)

        assert (history.is_whole, history.is_last) == (True, True)


def test_endless_replay_is_stopped() -> None:
    history = _backfill(Cursor(1, 0), capacity=5)
    whole = []
    for second in range(62):
        history.add(answer([reading(second + 1, epoch=0)], Cursor(9, 9)), float(second))
        whole.append(history.is_whole)

    assert whole == [False] * 61 + [True]
    assert history.is_last
    assert _said(history.pop_stretch())[1][-2:] == ["0-62", "gap 0-62 1-1 epoch"]


# --- whom it is fetched for -------------------------------------------------------------------


def test_window_limited_to_wanted() -> None:
    history = Backfill.before(DEVICE, Cursor(1, 1000), 6000, BackfillSlots(), 0.0)
    history.want(Cursor(1, 990))
    history.want(Cursor(1, 995))
    history.take_slot(0.0)

    assert (history.after, history.limit) == ((1, 990), 10)
    history.add(_page(range(991, 1001), Cursor(1, 1000)), 0.1)
    history.pop_stretch()
    history.go_on()
    assert (history.after, history.limit) == ((1, 740), 250)
    assert history.wanted is None


def test_handed_over_is_not_wanted() -> None:
    history = _backfill(Cursor(1, 1000))
    history.want(Cursor(1, 1000))
    assert history.wanted is None


def test_wanted_slot_beyond_limit() -> None:
    slots = BackfillSlots(limit=1)
    first, second = (_backfill(Cursor(1, 4), slots=slots) for _ in range(2))

    assert not second.take_slot(0.1)
    assert slots.pop_waiting() == []
    first.want(Cursor(1, 2))  # has a turn
    second.want(Cursor(1, 2))
    assert slots.pop_waiting() == [DEVICE]
    assert second.take_slot(0.2)


def test_waiting_device_named_once() -> None:
    slots = BackfillSlots(limit=1 - WANTED_SLOTS_MAX)
    first, second = (_backfill(Cursor(1, 4), slots=slots) for _ in range(2))
    second.want(Cursor(1, 2))
    first.want(Cursor(1, 2))

    assert slots.pop_waiting() == [DEVICE]
    assert slots.pop_waiting() == []
    second.want(Cursor(1, 2))
    assert first.take_slot(0.1)
    assert slots.pop_waiting() == []
    first.return_slot()
    second.want(Cursor(1, 2))
    assert slots.pop_waiting() == [DEVICE]
    second.want(Cursor(1, 2))
    second.return_slot()
    assert slots.pop_waiting() == []


def test_wanted_slots_are_limited() -> None:
    slots = BackfillSlots(limit=1)
    histories = [_backfill(Cursor(1, 4), slots=slots) for _ in range(WANTED_SLOTS_MAX + 2)]
    for history in histories:
        history.want(Cursor(1, 2))

    took = [history.take_slot(0.1) for history in histories]

    assert took == [True] * (WANTED_SLOTS_MAX + 1) + [False]


def test_satisfied_client_frees_slot() -> None:
    slots = BackfillSlots(limit=1)
    _backfill(Cursor(1, 4), slots=slots)
    history = Backfill.before(DEVICE, Cursor(1, 1000), 6000, slots, 0.0)
    history.want(Cursor(1, 990))
    history.take_slot(0.0)
    history.add(_page(range(991, 1001), Cursor(1, 1000)), 0.1)
    history.pop_stretch()
    history.go_on()

    assert slots.used == 1
    assert history.is_moving(29.9, asked_s=20.0)


# --- how long it is worth waiting for ---------------------------------------------------------


def test_moving_while_pages_come() -> None:
    history = _backfill(Cursor(1, 4))
    assert history.is_moving(3.9)
    assert not history.is_moving(4.0)

    history.add(answer([reading(1)], Cursor(1, 4)), 4.5)

    assert history.is_moving(6.4)
    assert not history.is_moving(6.5)


def test_hopeless_after_a_minute() -> None:
    history = _backfill(Cursor(1, 4))

    assert not history.is_hopeless(60.0)
    assert history.is_hopeless(60.1)


def test_wait_for_slot_is_limited() -> None:
    slots = BackfillSlots(limit=1)
    first, second = (_backfill(Cursor(1, 4), slots=slots) for _ in range(2))

    assert not second.take_slot(1.0)
    assert second.is_moving(9.9)
    assert not second.is_moving(10.0)
    assert not second.is_hopeless(1000.0)
    first.return_slot()
    assert second.take_slot(20.0)
    assert second.is_moving(21.9)


def test_a_turn_is_taken_and_returned_once() -> None:
    slots = BackfillSlots()
    history = _backfill(Cursor(1, 4), slots=slots)
    history.take_slot(0.1)
    assert slots.used == 1

    history.return_slot()
    history.return_slot()

    assert slots.used == 0


def test_returned_slot_keeps_the_page() -> None:
    slots = BackfillSlots()
    history = Backfill.before(DEVICE, Cursor(1, 1000), 6000, slots, 0.0)
    history.want(Cursor(1, 990))
    history.take_slot(0.0)

    history.return_slot()
    history.want(Cursor(1, 990))

    assert slots.pop_waiting() == []
    assert history.take_slot(0.6)
    assert history.after == (1, 990)


def test_returned_slot_restarts_window() -> None:
    history = _backfill(Cursor(1, 1000))
    history.add(_page([751], Cursor(1, 1000)), 0.1)

    history.return_slot()

    assert (history.after, len(history.readings)) == ((1, 750), 0)
