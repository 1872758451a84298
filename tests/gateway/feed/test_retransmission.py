"""When the replay of a device is asked, and how long it is waited for."""

import pytest

from gateway.feed.retransmission import Asking, Kind, Question
from shared.cursor import Cursor

HEAD, KNOWN = Cursor(1, 4), Cursor(1, 8)


def _asked(kind: Kind = "repair", after: Cursor = HEAD) -> Asking:
    asking = Asking()
    asking.ask(kind, after, 3, KNOWN, 0.0)
    return asking


def _silent() -> Asking:
    """Missed two questions, the last at 1 s, and never answered."""
    asking = Asking()
    for missed_s in (0.5, 1.0):
        asking.ask("repair", HEAD, 3, KNOWN, missed_s - 0.5)
        asking.missed("repair", missed_s)
    return asking


@pytest.mark.parametrize("kind", ["repair", "history", "newest"])
def test_a_second_question_of_the_same_kind_waits_for_the_first(kind: Kind) -> None:
    assert not _asked(kind).may_ask(kind, 0.1)


def test_a_repair_replaces_the_question_for_the_newest() -> None:
    asking = _asked("newest")

    assert asking.may_ask("repair", 0.1)
    assert not _asked("repair").may_ask("newest", 0.1)


def test_a_repair_and_history_wait_for_each_other_in_nothing() -> None:
    asking = _asked("history")
    assert asking.may_ask("repair", 0.1)
    asking.ask("repair", HEAD, 3, KNOWN, 0.1)

    repaired, page = asking.answered("repair"), asking.answered("history")

    assert repaired is not None
    assert page is not None
    assert (repaired.kind, page.kind) == ("repair", "history")
    assert not asking.is_open


def test_a_repeated_question_is_as_old_as_it_was_first() -> None:
    asking = _asked()
    asking.missed("repair", 0.5)

    assert asking.ask("repair", HEAD, 9, KNOWN, 0.5).asked_s == 0.0


def test_questions_for_both_that_are_missed_are_no_sooner_silence() -> None:
    asking = _asked()
    asking.ask("history", HEAD, 3, KNOWN, 0.0)
    for purpose in asking.overdue(0.5):
        asking.missed(purpose, 0.5)

    assert not asking.is_silent


def test_a_question_is_overdue_after_half_a_second() -> None:
    asking = _asked()

    assert asking.overdue(0.49) == []
    assert asking.overdue(0.5) == ["repair"]
    assert Asking().overdue(100.0) == []


def test_a_question_that_was_missed_is_repeated_as_it_was() -> None:
    asking = _asked()
    asking.missed("repair", 0.5)

    repeated = asking.ask("repair", HEAD, 9, Cursor(1, 20), 0.5)

    assert repeated == Question("repair", HEAD, 3, KNOWN)


@pytest.mark.parametrize(("kind", "after"), [("newest", HEAD), ("repair", Cursor(1, 5))])
def test_another_question_is_not_a_repetition(kind: Kind, after: Cursor) -> None:
    asking = _asked()
    asking.missed("repair", 0.5)

    question = asking.ask(kind, after, 9, Cursor(1, 20), 0.5)

    assert (question.limit, question.known) == (9, (1, 20))


def test_an_answer_closes_the_question_and_what_was_wanted() -> None:
    asking = _asked()
    asking.wants_newest = True

    assert asking.answered("repair") == Question("repair", HEAD, 3, KNOWN)
    assert asking.answered("repair") is None
    assert not asking.wants_newest


def test_two_missed_questions_make_a_replay_silent() -> None:
    asking = _asked()
    asking.missed("repair", 0.5)
    assert (asking.is_silent, asking.patience_s(5.0)) == (False, 5.0)

    asking.ask("repair", HEAD, 3, KNOWN, 0.5)
    asking.missed("repair", 1.0)

    assert (asking.is_silent, asking.patience_s(5.0)) == (True, 0.05)
    assert asking.patience_s(0.02) == 0.02


def test_a_silent_replay_is_asked_nothing_for_ten_seconds() -> None:
    asking = _silent()

    assert [asking.may_ask("repair", now_s) for now_s in (1.0, 10.9, 11.0)] == [False, False, True]
    assert [asking.may_ask("history", now_s) for now_s in (10.9, 11.0)] == [False, True]


def test_one_that_answered_before_is_asked_for_a_hole_until_it_was_given_up() -> None:
    asking = _asked()
    asking.answered("repair")
    for missed_s in (1.0, 1.5, 2.0):
        asking.ask("repair", HEAD, 3, KNOWN, missed_s - 0.5)
        asking.missed("repair", missed_s)

    assert asking.may_ask("repair", 2.0)
    assert not asking.may_ask("history", 2.0)
    assert asking.patience_s(5.0) == 5.0

    asking.gave_up()

    assert not asking.may_ask("repair", 2.0)
    assert asking.patience_s(5.0) == 0.05


def test_giving_up_says_nothing_of_a_replay_that_answered() -> None:
    asking = _asked()
    asking.answered("repair")

    asking.gave_up()

    assert not asking.is_silent


def test_a_busy_replay_is_left_alone_for_half_a_second_and_is_not_silent() -> None:
    asking = _asked()
    for _ in range(3):
        asking.postponed("repair", 1.0)

    assert not asking.is_silent
    assert [asking.may_ask("repair", now_s) for now_s in (1.4, 1.5)] == [False, True]


def test_hope_ends_every_pause() -> None:
    asking = _silent()

    asking.hope()

    assert not asking.is_silent
    assert asking.may_ask("history", 1.0)


def test_an_abandoned_question_has_no_answer() -> None:
    asking = _asked()

    asking.abandon()

    assert asking.answered("repair") is None


@pytest.mark.parametrize(
    ("reached", "newest", "expected"),
    [
        pytest.param(None, Cursor(1, 90), KNOWN, id="nothing"),
        pytest.param(Cursor(1, 6), Cursor(1, 90), Cursor(1, 6), id="a part"),
        pytest.param(Cursor(1, 6), Cursor(1, 6), KNOWN, id="all there is, less than known"),
        pytest.param(Cursor(1, 9), Cursor(1, 9), Cursor(1, 9), id="all there is, and newer"),
        pytest.param(Cursor(0, 6), Cursor(0, 6), Cursor(1, 0), id="another device's epoch"),
        pytest.param(None, Cursor(0, 6), Cursor(1, 0), id="nothing, in another device's epoch"),
        pytest.param(Cursor(1, 6), None, KNOWN, id="without a newest"),
    ],
)
def test_an_answer_is_the_last_word_up_to_a_position(
    reached: Cursor | None, newest: Cursor | None, expected: Cursor
) -> None:
    assert Question("repair", HEAD, 3, KNOWN).answered_up_to(reached, newest) == expected
