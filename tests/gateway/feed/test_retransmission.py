"""When the replay of a device is asked, and how long it is waited for."""

import pytest

from gateway.feed.retransmission import OpenQuestion, QuestionKind, ReplayQuestions
from shared.cursor import Cursor

HEAD, KNOWN = Cursor(1, 4), Cursor(1, 8)


def _asked(kind: QuestionKind = "repair", after: Cursor = HEAD) -> ReplayQuestions:
    replay = ReplayQuestions()
    replay.ask(kind, after, 3, KNOWN, 0.0)
    return replay


def _silent() -> ReplayQuestions:
    """Missed two questions, the last at 1 s, and never answered."""
    replay = ReplayQuestions()
    for missed_s in (0.5, 1.0):
        replay.ask("repair", HEAD, 3, KNOWN, missed_s - 0.5)
        replay.missed("repair", missed_s)
    return replay


@pytest.mark.parametrize("kind", ["repair", "backfill", "newest"])
def test_one_open_question_of_a_kind(kind: QuestionKind) -> None:
    assert not _asked(kind).may_ask(kind, 0.1)


def test_repair_replaces_newest() -> None:
    replay = _asked("newest")

    assert replay.may_ask("repair", 0.1)
    assert not _asked("repair").may_ask("newest", 0.1)


def test_repair_and_backfill_are_independent() -> None:
    replay = _asked("backfill")
    assert replay.may_ask("repair", 0.1)
    replay.ask("repair", HEAD, 3, KNOWN, 0.1)

    repaired, page = replay.answered("repair"), replay.answered("backfill")

    assert repaired is not None
    assert page is not None
    assert (repaired.kind, page.kind) == ("repair", "backfill")
    assert not replay.is_open


def test_repeated_question_keeps_its_age() -> None:
    replay = _asked()
    replay.missed("repair", 0.5)

    assert replay.ask("repair", HEAD, 9, KNOWN, 0.5).asked_s == 0.0


def test_misses_count_for_each_purpose() -> None:
    replay = _asked()
    replay.ask("backfill", HEAD, 3, KNOWN, 0.0)
    for purpose in replay.overdue(0.5):
        replay.missed(purpose, 0.5)

    assert not replay.is_silent


def test_overdue_after_half_a_second() -> None:
    replay = _asked()

    assert replay.overdue(0.49) == []
    assert replay.overdue(0.5) == ["repair"]
    assert ReplayQuestions().overdue(100.0) == []


def test_missed_question_is_repeated_unchanged() -> None:
    replay = _asked()
    replay.missed("repair", 0.5)

    repeated = replay.ask("repair", HEAD, 9, Cursor(1, 20), 0.5)

    assert repeated == OpenQuestion("repair", HEAD, 3, KNOWN)


def test_another_question_is_not_a_repetition() -> None:
    replay = _asked()
    replay.missed("repair", 0.5)

    question = replay.ask("repair", Cursor(1, 5), 9, Cursor(1, 20), 0.5)

    assert (question.limit, question.known) == (9, (1, 20))


@pytest.mark.parametrize("is_missed", [False, True])
def test_question_of_another_kind_knows_no_more(is_missed: bool) -> None:
    replay = _asked("newest")
    if is_missed:
        replay.missed("repair", 0.5)

    question = replay.ask("repair", HEAD, 9, Cursor(1, 20), 0.5)

    assert question == OpenQuestion("repair", HEAD, 9, KNOWN)


def test_answer_closes_question_and_newest() -> None:
    replay = _asked()
    replay.wants_newest = True

    assert replay.answered("repair") == OpenQuestion("repair", HEAD, 3, KNOWN)
    assert replay.answered("repair") is None
    assert not replay.wants_newest


def test_two_missed_questions_make_a_replay_silent() -> None:
    replay = _asked()
    replay.missed("repair", 0.5)
    silent = [replay.is_silent]
    replay.ask("repair", HEAD, 3, KNOWN, 0.5)
    replay.missed("repair", 1.0)
    silent.append(replay.is_silent)

    assert silent == [False, True]
    assert [replay.patience_s(5.0, now_s) for now_s in (1.0, 3.9, 4.0)] == [5.0, 5.0, 0.05]
    assert replay.patience_s(0.02, 4.0) == 0.02


def test_a_new_replay_is_asked_on() -> None:
    replay = _silent()

    assert replay.may_ask("repair", 1.0)
    replay.ask("repair", HEAD, 3, KNOWN, 1.0)
    assert replay.overdue(1.5) == ["repair"]


def test_a_refusal_ends_the_wait_for_a_new_replay() -> None:
    replay = _asked()
    replay.denied("repair", 0.1)
    assert [replay.may_ask("repair", now_s) for now_s in (0.5, 0.6)] == [False, True]

    replay.ask("repair", HEAD, 3, KNOWN, 0.6)
    replay.denied("repair", 0.7)

    assert replay.patience_s(5.0, 0.7) == 0.05


def test_silent_replay_rests_ten_seconds() -> None:
    replay = _silent()

    assert [replay.may_ask("repair", now_s) for now_s in (4.0, 10.9, 11.0)] == [False, False, True]
    assert [replay.may_ask("backfill", now_s) for now_s in (10.9, 11.0)] == [False, True]


def test_earlier_answer_delays_silence() -> None:
    replay = _asked()
    replay.answered("repair")
    for missed_s in (5.0, 5.5, 6.0):
        replay.ask("repair", HEAD, 3, KNOWN, missed_s - 0.5)
        replay.missed("repair", missed_s)

    assert replay.may_ask("repair", 6.0)
    assert not replay.may_ask("backfill", 6.0)
    assert replay.patience_s(5.0, 6.0) == 5.0

    replay.gave_up()

    assert not replay.may_ask("repair", 6.0)
    assert replay.patience_s(5.0, 6.0) == 0.05


def test_gap_does_not_silence_answering_replay() -> None:
    replay = _asked()
    replay.answered("repair")

    replay.gave_up()

    assert not replay.is_silent


def test_busy_replay_pauses_half_a_second() -> None:
    replay = _asked()
    for _ in range(3):
        replay.postponed("repair", 1.0)

    assert not replay.is_silent
    assert [replay.may_ask("repair", now_s) for now_s in (1.4, 1.5)] == [False, True]


def test_hope_ends_every_pause() -> None:
    replay = _silent()

    replay.forget_silence()

    assert not replay.is_silent
    assert replay.may_ask("backfill", 1.0)


def test_an_abandoned_question_has_no_answer() -> None:
    replay = _asked()

    replay.abandon()

    assert replay.answered("repair") is None


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
def test_answer_is_final_up_to(
    reached: Cursor | None, newest: Cursor | None, expected: Cursor
) -> None:
    assert OpenQuestion("repair", HEAD, 3, KNOWN).answered_up_to(reached, newest) == expected
