"""What is known to lie ahead of the head, and what of it is missing."""

import pytest

from gateway.feed.sequence_tracker import EPOCHS_AHEAD_MAX, VOID_MAX, SequenceTracker
from shared.cursor import Cursor

HEAD = Cursor(1, 4)


def _tracker(*known: Cursor, void: tuple[int, ...] = ()) -> SequenceTracker:
    tracker = SequenceTracker()
    for cursor in known:
        tracker.know(cursor)
    for seq in void:
        tracker.note_void(Cursor(1, seq), HEAD)
    return tracker


@pytest.mark.parametrize(
    ("tracker", "first_held", "expected"),
    [
        pytest.param(_tracker(), None, None, id="nothing known"),
        pytest.param(_tracker(Cursor(1, 4)), None, None, id="nothing ahead"),
        pytest.param(_tracker(Cursor(1, 8)), None, ("readings", (1, 8), (1, 8)), id="a lost tail"),
        pytest.param(
            _tracker(Cursor(1, 8)), Cursor(1, 7), ("readings", (1, 6), (1, 6)), id="before one held"
        ),
        pytest.param(
            _tracker(Cursor(2, 3), Cursor(3, 1)), None, ("epoch", (2, 0), (2, 0)), id="an old epoch"
        ),
        pytest.param(
            _tracker(Cursor(1, 6), Cursor(2, 3)),
            Cursor(2, 3),
            ("readings", (1, 6), (1, 6)),
            id="the tail of an old epoch",
        ),
        pytest.param(
            _tracker(Cursor(1, 7), void=(5, 6)),
            Cursor(1, 7),
            ("invalid", (1, 6), (1, 6)),
            id="a run of refused numbers",
        ),
        pytest.param(
            _tracker(Cursor(1, 6), void=(5, 6)), None, None, id="refused numbers with none behind"
        ),
        pytest.param(
            _tracker(Cursor(1, 6), Cursor(2, 0), void=(5, 6)),
            None,
            ("invalid", (1, 6), (1, 6)),
            id="refused numbers at the end of an epoch",
        ),
        pytest.param(
            _tracker(Cursor(1, 9), void=(5, 7)),
            None,
            ("invalid", (1, 5), (1, 9)),
            id="refused, then lost",
        ),
        pytest.param(
            _tracker(Cursor(1, 9), void=(6, 7)),
            None,
            ("readings", (1, 5), (1, 9)),
            id="lost, then refused",
        ),
    ],
)
def test_what_is_missing_after_the_head(
    tracker: SequenceTracker, first_held: Cursor | None, expected: tuple[object, ...] | None
) -> None:
    assert tracker.missing(HEAD, first_held) == expected


def test_greatest_known_number() -> None:
    tracker = _tracker(Cursor(1, 8), Cursor(1, 6), Cursor(2, 3))

    assert [tracker.known_seq(epoch, HEAD) for epoch in (0, 1, 2)] == [0, 8, 3]
    assert SequenceTracker().known_seq(1, HEAD) == 4
    assert SequenceTracker().known_seq(1, None) == 0
    assert tracker.greatest(HEAD) == (2, 3)
    assert SequenceTracker().greatest(HEAD) == HEAD


def test_epoch_crowded_out() -> None:
    tracker = _tracker(*(Cursor(epoch, 1) for epoch in range(1, EPOCHS_AHEAD_MAX + 2)))
    assert tracker.crowded_out(HEAD) is None

    tracker.know(Cursor(99, 1))

    assert tracker.crowded_out(HEAD) == 2
    assert not tracker.knows(Cursor(2, 1))
    tracker.stop(Cursor(2, 1))
    assert not tracker.is_stopped_at_or_after(Cursor(2, 1))


def test_an_epoch_ends_where_it_was_stopped() -> None:
    tracker = _tracker(Cursor(1, 4))
    tracker.stop(Cursor(1, 4))

    assert tracker.ends_at(HEAD)
    assert not tracker.ends_at(Cursor(1, 3))
    assert tracker.is_stopped_at_or_after(HEAD)
    assert not tracker.is_stopped_at_or_after(Cursor(1, 5))


def test_epoch_continues_after_end() -> None:
    later, sign, older = (_tracker(Cursor(1, 4)) for _ in range(3))
    for tracker in (later, sign, older):
        tracker.stop(Cursor(1, 4))

    later.know(Cursor(1, 5))

    assert not later.ends_at(HEAD)
    assert sign.go_on(Cursor(1, 4))
    assert not sign.ends_at(HEAD)
    assert not older.go_on(Cursor(1, 3))
    assert older.ends_at(HEAD)


def test_what_was_passed_over_is_forgotten() -> None:
    tracker = _tracker(Cursor(1, 9), Cursor(2, 3), void=(6, 8))
    tracker.note_void(Cursor(2, 2), HEAD)
    tracker.stop(Cursor(1, 9))

    tracker.skip_to(Cursor(2, 0))

    assert (tracker._tails, tracker._ends, tracker._void) == ({2: 3}, {}, {(2, 2)})


def test_gap_makes_end_uncertain() -> None:
    tracker = _tracker(Cursor(1, 6))
    tracker.stop(Cursor(1, 6))

    tracker.skip_to(Cursor(1, 6))

    assert not tracker.ends_at(Cursor(1, 6))


def test_void_numbers_are_limited() -> None:
    tracker = SequenceTracker()
    for epoch in (1, 2):
        for seq in range(1, VOID_MAX + 100):
            tracker.note_void(Cursor(epoch, seq), HEAD)

    assert len(tracker._void) == VOID_MAX


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (Cursor(1, 4), False),
        (Cursor(1, 5), True),
        (Cursor(1, 1004), True),
        (Cursor(1, 1005), False),
        (Cursor(0, 9), False),
        (Cursor(2, 1000), True),
        (Cursor(2, 1001), False),
    ],
)
def test_only_next_thousand_void_numbers(position: Cursor, expected: bool) -> None:
    tracker = SequenceTracker()

    tracker.note_void(position, HEAD)

    assert (position in tracker._void) is expected


def test_taken_number_is_not_void() -> None:
    tracker = _tracker(Cursor(1, 4), void=(5,))
    assert not tracker.has_nothing_after(HEAD)

    tracker.take(Cursor(1, 5))

    assert tracker.has_nothing_after(Cursor(1, 5))
