"""History: fetched page by page from the oldest, given in stretches from the newest."""

from dataclasses import replace

from gateway.feed.history import STRETCH_MAX, Fills, History, Stretch
from shared.cursor import Cursor
from tests.gateway.feeds import DEVICE, answer, reading, readings, say_item


def _history(bound: Cursor, capacity: int = 6000, fills: Fills | None = None) -> History:
    history = History.before(DEVICE, bound, capacity, fills or Fills(), 0.0)
    history.take_turn(0.0)
    return history


def _said(stretch: Stretch) -> tuple[str, list[str]]:
    return str(stretch.front), [say_item(item) for item in stretch.items]


def test_an_epoch_longer_than_the_ring_is_fetched_from_where_the_ring_begins() -> None:
    assert _history(Cursor(1, 1000), capacity=400).at == (1, 600)


def test_an_epoch_shorter_than_the_ring_is_fetched_from_the_oldest_of_any_epoch() -> None:
    assert _history(Cursor(2, 400), capacity=400).at is None


def test_no_more_than_the_newest_that_fit_the_ring_are_kept() -> None:
    history = _history(Cursor(2, 2), capacity=3)

    history.add(answer(readings(range(1, 100)), Cursor(2, 5)), 0.1)
    history.add(answer(readings([1, 2, 3], epoch=2), Cursor(2, 5)), 0.2)

    assert history.is_fetched
    assert _said(history.pop_stretch()) == ("1-98", ["1-99", "gap 1-99 2-1 epoch", "2-1", "2-2"])


def test_holes_within_become_gaps() -> None:
    history = _history(Cursor(3, 4))
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
            "3-1",
            "3-2",
            "gap 3-2 3-5 not_recovered",
        ],
    )


def test_where_nothing_is_held_there_is_no_stretch() -> None:
    history = _history(Cursor(1, 4))

    history.add(answer(), 0.1)

    assert history.is_fetched
    assert history.pop_stretch() == (Cursor(1, 4), ())


def test_what_came_live_since_is_no_history() -> None:
    history = _history(Cursor(1, 4))

    history.add(answer(readings([4, 5, 6])), 0.1)

    assert _said(history.pop_stretch()) == ("1-3", ["1-4"])


def test_stretches_join_and_each_begins_with_a_reading() -> None:
    history = _history(Cursor(1, 2 * STRETCH_MAX))
    odd = [reading(seq) for seq in range(1, 2 * STRETCH_MAX + 1, 2)]
    history.add(answer([*odd, *readings([2 * STRETCH_MAX])]), 0.1)

    newest, oldest = history.pop_stretch(), history.pop_stretch()

    assert say_item(newest.items[0]) == "1-3"
    assert newest.front == (1, 2)
    assert _said(oldest) == ("1-0", ["1-1", "gap 1-1 1-3 not_recovered"])
    assert not history.readings


def test_a_page_that_brings_nothing_new_is_the_last() -> None:
    history = _history(Cursor(1, 1000), capacity=400)

    history.add(answer(readings([600, 599]), Cursor(1, 1000)), 0.1)

    assert history.is_fetched
    assert history.pop_stretch().items == ()


def test_a_replay_that_says_nothing_of_its_newest_is_not_asked_again() -> None:
    history = _history(Cursor(1, 1000))
    page = replace(answer(readings([1, 2])), newest=None)

    history.add(page, 0.1)

    assert history.is_fetched


def test_a_replay_that_goes_on_for_ever_is_stopped_after_a_minute() -> None:
    history = _history(Cursor(1, 4), capacity=5)
    fetched = []
    for second in range(62):
        history.add(answer([reading(second + 1, epoch=0)], Cursor(9, 9)), float(second))
        fetched.append(history.is_fetched)

    assert fetched == [False] * 61 + [True]
    assert _said(history.pop_stretch())[1][-2:] == [
        "gap 0-62 1-1 epoch",
        "gap 1-0 1-5 not_recovered",
    ]


def test_a_page_is_no_larger_than_what_is_wanted() -> None:
    history = _history(Cursor(1, 1000), capacity=400)
    assert history.limit == 250
    history.add(answer(readings(range(601, 851)), Cursor(1, 2000)), 0.1)

    assert history.limit == 150
    assert _history(Cursor(2, 5)).limit == 250


def test_history_is_worth_waiting_for_as_long_as_pages_come() -> None:
    history = _history(Cursor(1, 4))
    assert history.is_moving(1.9)
    assert not history.is_moving(2.0)

    history.add(answer([reading(1)], Cursor(1, 4)), 2.5)

    assert history.is_moving(4.4)


def test_history_without_a_page_for_a_minute_is_hopeless() -> None:
    history = _history(Cursor(1, 4))

    assert not history.is_hopeless(60.0)
    assert history.is_hopeless(60.1)


def test_whoever_waits_for_a_turn_is_waited_for_but_not_for_ever() -> None:
    fills = Fills(limit=1)
    first, second = (_history(Cursor(1, 4), fills=fills) for _ in range(2))

    assert not second.take_turn(1.0)
    assert second.is_moving(9.9)
    assert not second.is_moving(10.0)
    assert not second.is_hopeless(1000.0)
    first.return_turn()
    assert second.take_turn(20.0)
    assert second.is_moving(21.9)


def test_a_turn_is_taken_and_returned_once() -> None:
    fills = Fills()
    history = _history(Cursor(1, 4), fills=fills)
    history.take_turn(0.1)
    assert fills.used == 1

    history.return_turn()
    history.return_turn()

    assert fills.used == 0


def test_who_returns_a_turn_halfway_begins_anew() -> None:
    history = _history(Cursor(1, 1000), capacity=400)
    history.add(answer(readings([601]), Cursor(1, 1000)), 0.1)

    history.return_turn()

    assert (history.at, len(history.readings)) == ((1, 600), 0)
